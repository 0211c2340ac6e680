"""Sequences of numbers from a table in long form: one row per sequence and step, features in columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.grid import count_of
from recurra.data.numbers import parse_numbers, try_numbers
from recurra.data.samples import Samples
from recurra.data.sequence_set import SequenceSet
from recurra.data.tables import Table
from recurra.data.times import parse_times
from recurra.errors import DataError

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LongForm:
    """The rows of a table, put in the order of their sequences and of time."""

    table: Table
    samples: Samples
    order: Ints
    """[S] the row of the table of each step."""

    def constant(self, column: str) -> list[Any]:
        """[N] the value of a column that says one thing of each sequence; anything else is a :class:`DataError`."""
        values = self.table.column(column).gather(self.order)
        numbers = self.samples.numbers
        assert numbers is not None
        first = np.repeat(numbers.starts, numbers.lengths)
        differs = np.flatnonzero(values.rle_id().to_numpy() != values.rle_id().to_numpy()[first])
        if len(differs):
            step = int(differs[0])
            raise DataError(
                self.table.where(int(self.order[step]), column),
                f"all rows of a sequence must say the same, {values[step]!r} came after {values[int(first[step])]!r}. "
                "Correct it, or name the column that tells the sequences apart.",
            )
        return values.gather(numbers.starts).to_list()


def read_long_form(
    table: Table, sequence: str, time: str | None, features: Sequence[str], decimal: str = "."
) -> LongForm:
    """Group the rows by ``sequence``, in the order in which these first come, and order each group by ``time``.

    Without ``time`` rows stay in their order. Missing values become NaN.

    >>> from recurra.data.tables import read_table
    >>> table = read_table({"id": ["b", "a", "b"], "t": [2, 1, 1], "x": [20.0, 5.0, 10.0]})
    >>> long = read_long_form(table, "id", "t", ["x"])
    >>> long.samples.names, long.samples.numbers[0].tolist()
    (["sequence 'b'", "sequence 'a'"], [[10.0], [20.0]])
    """
    identities = _identities(table, sequence)
    owner = identities.rank("dense").to_numpy().astype(np.int64) - 1
    _, first, owner = np.unique(owner, return_index=True, return_inverse=True)
    owner = np.argsort(np.argsort(first))[owner]  # numbered as they first come
    notices: tuple[str, ...] = ()
    order = np.argsort(owner, kind="stable")
    if time is not None:
        order, notices = _in_time(table, time, owner, order)
    columns = [parse_numbers(table.column(name), table, decimal=decimal)[order] for name in features]
    lengths = np.bincount(owner).astype(np.int64)
    numbers = SequenceSet(np.stack(columns, axis=1).astype(np.float32), lengths)
    own = identities.gather(np.sort(first)).to_list()
    names = [f"sequence {one!r}" for one in own]
    samples = Samples(table.source, names, numbers=numbers, features=tuple(features), identities=own, notices=notices)
    return LongForm(table, samples, order)


def number_columns(table: Table, but: Sequence[str]) -> tuple[str, ...]:
    """The columns that hold numbers only, without those that have another role."""
    return tuple(name for name in table.frame.columns if name not in but and _holds_numbers(table.frame[name]))


def _holds_numbers(values: pl.Series) -> bool:
    if values.dtype == pl.String:
        return not try_numbers(values)[1].any()
    return values.dtype.is_numeric() or values.dtype == pl.Boolean


def _identities(table: Table, column: str) -> pl.Series:
    values = table.column(column)
    empty = values.is_null() | (values.cast(pl.String).fill_null("").str.strip_chars() == "")
    if empty.any():
        raise DataError(
            table.where(int(empty.arg_max() or 0), column),
            f"every row must name its sequence, {empty.sum()} do not. Name it, or delete the row.",
        )
    return values


def _in_time(table: Table, column: str, owner: Ints, order: Ints) -> tuple[Ints, tuple[str, ...]]:
    """The order by sequence and time; two rows at one time are a :class:`DataError`."""
    time = _times(table, column)
    sorted_order = np.lexsort((time, owner))
    moved = int((sorted_order != order).sum())
    same = (np.diff(time[sorted_order]) == 0) & (np.diff(owner[sorted_order]) == 0)
    if same.any():
        place = int(np.flatnonzero(same)[0]) + 1
        rows = sorted((int(sorted_order[place - 1]), int(sorted_order[place])))
        raise DataError(
            table.where(rows[1], column),
            f"a sequence must have one row at a time, {table.frame[column][rows[1]]!r} came in "
            f"{table.row_name(rows[0])} too. Delete one, or name the column that tells the sequences apart.",
        )
    return sorted_order, (f"{count_of(moved, 'row')} put in the order of time",) if moved else ()


def _times(table: Table, column: str) -> NDArray[Any]:
    """[rows] numbers that rise with time: plain numbers, or dates."""
    values = table.column(column)
    if values.dtype.is_numeric() or (values.dtype == pl.String and not try_numbers(values)[1].any()):
        numbers = parse_numbers(values, table)
        if np.isnan(numbers).any():
            row = int(np.flatnonzero(np.isnan(numbers))[0])
            raise DataError(table.where(row, column), "every row must have a time, none came. Give it.")
        return numbers
    return parse_times(values, table).time.astype(np.int64)
