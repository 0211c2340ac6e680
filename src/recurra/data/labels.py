"""Labels: what a column says of each row, and the numbers of its classes. A label that does not fit is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.tables import Table
from recurra.errors import DataError, nearest

Place = Callable[[int], str]
"""How people find an example, by its number."""


@dataclass(frozen=True)
class Classes:
    """The C classes by name, in order; numbers are in the order of their size.

    >>> classes = Classes.learn(["spam", "ham", "spam"])
    >>> classes.names, classes.encode(["spam", "ham"]).tolist()
    (('ham', 'spam'), [1, 0])
    >>> Classes.learn(["10", "9"]).names
    ('9', '10')
    """

    names: tuple[str, ...]

    @classmethod
    def learn(cls, labels: Sequence[str]) -> Classes:
        """All labels that come."""
        known = set(labels)
        numbered = all(name.isascii() and name.lstrip("-").isdigit() for name in known)
        return cls(tuple(sorted(known, key=(lambda name: (int(name), name)) if numbered else None)))

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def encode(self, labels: Sequence[str], where: Place = str) -> NDArray[np.int64]:
        """[N] the number of each label; one that is not known is a :class:`DataError` that says where it came."""
        strange = [place for place, label in enumerate(labels) if label not in self._codes]
        if strange:
            raise self._unknown(labels[strange[0]], where(strange[0]), len(strange))
        return np.array([self._codes[label] for label in labels], dtype=np.int64)

    def encode_several(self, labels: Sequence[tuple[str, ...]], where: Place = str) -> NDArray[np.int64]:
        """[N, C] 1 where a row has the label."""
        flags = np.zeros((len(labels), len(self)), dtype=np.int64)
        for place, some in enumerate(labels):
            flags[place, self.encode(some, lambda _, place=place: where(place))] = 1  # type: ignore[misc]
        return flags

    def _unknown(self, label: str, where: str, count: int) -> DataError:
        more = f" ({count} such rows)" if count > 1 else ""
        return DataError(
            where,
            f"the label must be one that was learned, {label!r:.60} came{more}. {_few(nearest(label, self.names))} "
            "Correct it, or leave these rows out.",
        )


def read_labels(table: Table, column: str) -> list[str]:
    """The label of each row as text, without spaces around it; a missing one is a :class:`DataError`.

    >>> from recurra.data.tables import read_table
    >>> read_labels(read_table({"kind": ["a ", "b"]}), "kind")
    ['a', 'b']
    """
    values = table.column(column)
    if values.dtype.is_nested():
        raise DataError(
            table.where(column=column), "one label must come in each row, lists came. With several use --multi-label."
        )
    labels = [("" if value is None else str(value)).strip() for value in values.to_list()]
    empty = [row for row, label in enumerate(labels) if not label]
    if empty:
        more = f" ({len(empty)} such rows)" if len(empty) > 1 else ""
        raise DataError(
            table.where(empty[0], column), f"every row must have a label, none came{more}. Label it or leave it out."
        )
    return labels


def read_label_lists(table: Table, column: str, separator: str) -> list[tuple[str, ...]]:
    """The labels of each row, none or more: a list, or one text with separators between them.

    >>> from recurra.data.tables import read_table
    >>> read_label_lists(read_table({"kinds": ["a; b", ""]}), "kinds", ";")
    [('a', 'b'), ()]
    """
    values = table.column(column)
    if isinstance(values.dtype, pl.List):
        rows = [[str(one) for one in value if one is not None] for value in values.fill_null([]).to_list()]
    else:
        rows = [("" if value is None else str(value)).split(separator) for value in values.to_list()]
    return [tuple(dict.fromkeys(label.strip() for label in row if label.strip())) for row in rows]


def require_classes(labels: Sequence[str], source: str) -> None:
    """Refuse labels among which there is nothing to choose, or that look like measurements."""
    kinds = set(labels)
    if len(kinds) < 2:
        only = next(iter(kinds), "none")
        raise DataError(source, f"there must be two classes or more, only {only!r} came. Give rows of another one.")
    if len(kinds) > max(20, len(labels) // 2) and all(_is_number(label) for label in kinds):
        raise DataError(
            source, f"labels must be classes, {len(kinds):,} different numbers came. To predict a number use --target."
        )


def rare_labels(labels: Sequence[str], fewest: int) -> list[tuple[str, int]]:
    """Labels that come less than ``fewest`` times, and the place where each comes first."""
    counts = Counter(labels)
    first = {label: place for place, label in reversed(list(enumerate(labels)))}
    return [(label, first[label]) for label in sorted(counts) if counts[label] < fewest]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _few(hint: str) -> str:
    return hint if len(hint) <= 300 else hint[:300].rsplit(",", 1)[0] + ", …."
