"""Strict reading of JSON lines: one object per line, each key once, one type per column."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.encoding import check_encoding
from recurra.errors import DataError


def read_json_lines(data: bytes, source: str) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """The columns of a JSON lines text, and the line of each row; a key that a line lacks is missing there (null).

    >>> read_json_lines(b'{"a": 1}\\n{"a": 2}\\n', "demo.jsonl")[0]["a"].to_list()
    [1, 2]
    """
    check_encoding(data, source)
    rows = [_read_line(line, source, i + 1) for i, line in enumerate(data.decode().rstrip().split("\n"))]
    if rows == [{}]:
        raise DataError(source, "a table must have rows, the file is empty. Check how it was written.")
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _one_type([row.get(name) for row in rows], name, source) for name in names}
    return pl.DataFrame(columns, strict=False), np.arange(1, len(rows) + 1)


def _read_line(line: str, source: str, number: int) -> dict[str, Any]:
    where = f"{source}, line {number}"
    if number == 1 and not line:
        return {}

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            name = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
            raise DataError(f"{where}, column {name!r}", "a key must come once in a line, it comes twice. Remove one.")
        return found

    def refuse(word: str) -> NoReturn:
        raise DataError(where, f"JSON has no {word}; write null for what is missing.")

    try:
        row = json.loads(line, object_pairs_hook=once, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where}, character {error.colno}",
            f"every line must be a whole JSON object: {error.msg}. Repair the line.",
        ) from None
    if not isinstance(row, dict):
        raise DataError(
            where, f"every line must be a JSON object, {type(row).__name__} came. Write {{…}} on each line."
        )
    return row


def _one_type(values: list[Any], name: str, source: str) -> list[Any]:
    kinds = {float if kind is int else kind for kind in {type(value) for value in values} - {type(None)}}
    if len(kinds) > 1:
        first = next(value for value in values if value is not None)
        kind = float if type(first) is int else type(first)
        odd = next(
            i for i, v in enumerate(values) if v is not None and (float if type(v) is int else type(v)) is not kind
        )
        raise DataError(
            f"{source}, line {odd + 1}, column {name!r}",
            f"a column must have one type, {values[odd]!r} came after {first!r}. Write all of them alike.",
        )
    return values
