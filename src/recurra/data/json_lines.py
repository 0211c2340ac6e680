"""Strict reading of JSON lines: one object per line, each key once, one type per column."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.encoding import check_encoding
from recurra.errors import DataError

_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "text", dict: "an object"}
_NOTHING = "nothing"


def read_json_lines(data: bytes, source: str) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """The columns of a JSON lines text, and the line of each row; a key that a line lacks is missing there (null).

    >>> read_json_lines(b'{"a": 1}\\n{"a": 2}\\n', "demo.jsonl")[0]["a"].to_list()
    [1, 2]
    """
    check_encoding(data, source)
    text = data.decode().rstrip()
    if not text:
        raise DataError(source, "a table must have rows, the file is empty. Check how it was written.")
    rows = [read_object(line, source, i + 1) for i, line in enumerate(text.split("\n"))]
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        raise DataError(source, "a table must have columns, no line has a key. Check how it was written.")
    columns = {name: [row.get(name) for row in rows] for name in names}
    for name, values in columns.items():
        _check_kinds(values, name, source)
    # Not strict, for whole numbers among decimal ones; all other mixtures were refused above.
    return pl.DataFrame(columns, strict=False), np.arange(1, len(rows) + 1)


def read_object(line: str, source: str, number: int) -> dict[str, Any]:
    """The object of one line; anything else is a :class:`DataError`."""
    where = f"{source}, line {number}"

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            name = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
            raise DataError(f"{where}, column {name!r}", "a key must come once in a line, it comes twice. Remove one.")
        return found

    def refuse(word: str) -> NoReturn:
        raise DataError(where, f"JSON has no {word}. Write null for what is missing.")

    try:
        row = json.loads(line, object_pairs_hook=once, parse_constant=refuse)
        if "\\ud" in line.lower():  # half of a character, which JSON can write and UTF-8 cannot
            json.dumps(row, ensure_ascii=False).encode()
    except DataError:
        raise
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where}, character {error.colno}",
            f"every line must be a whole JSON object: {error.msg}. Repair the line.",
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(where, f"every line must be plain JSON: {error}. Repair the line.") from None
    if not isinstance(row, dict):
        kind = type(row).__name__
        raise DataError(where, f"every line must be a JSON object, {kind} came. Write {{…}} on each line.")
    return row


def _check_kinds(values: list[Any], name: str, source: str) -> None:
    """All values of a column must be of one kind; missing ones and empty lists go with any."""
    first, known = None, _NOTHING
    for i, value in enumerate(values):
        kind = _kind(value)
        if kind == known or kind.endswith(_NOTHING):
            continue
        if not known.endswith(_NOTHING) or not kind.startswith(known.removesuffix(_NOTHING)):
            raise DataError(
                f"{source}, line {i + 1}, column {name!r}",
                f"a column must have one type, {_short(value)} came after {_short(first)}. Write all of them alike.",
            )
        first, known = value, kind


def _kind(value: Any) -> str:
    if value is None:
        return _NOTHING
    return f"a list of {_common(value)}" if isinstance(value, list) else _KINDS[type(value)]


def _common(values: Iterable[Any]) -> str:
    kinds = {_kind(value) for value in values} - {_NOTHING}
    return kinds.pop() if len(kinds) == 1 else " or ".join(sorted(kinds)) or _NOTHING


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
