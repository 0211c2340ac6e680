"""Columns of text to numbers, strictly: a value is a decimal number, missing, infinite, or an error with its row."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.tables import Table
from recurra.errors import DataError

MISSING = ("", "na", "nan", "null", "none", "n/a", "<na>")
"""Texts that mean: no value (in any case of letters)."""
_INFINITE = r"(?i)^[+-]?inf(inity)?$"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_COMMA_NUMBER = r"^[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?$"
_BOOLEAN = {"true": 1.0, "false": 0.0}

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def is_missing(texts: pl.Series) -> Flags:
    """Which texts stand for a missing value: empty, ``NA``, ``NaN``, ``null``, ``None``, ``N/A``.

    >>> is_missing(pl.Series(["3", "NaN", ""])).tolist()
    [False, True, True]
    """
    missing: Flags = texts.str.strip_chars().str.to_lowercase().is_in(list(MISSING)).fill_null(True).to_numpy()
    return missing


def parse_numbers(values: pl.Series, table: Table, *, decimal: str = ".") -> Floats:
    """[rows] float64 of a column; NaN where missing, infinite where so written, booleans as 0 and 1.

    Anything else (``1e400``, ``1_000``, ``0x10``, ``1,234.5``, digits of other scripts, text) is a
    :class:`DataError` that names the row and says what is wrong with it.

    >>> from recurra.data.tables import read_table
    >>> table = read_table({"x": ["1.5", "NA"]})
    >>> parse_numbers(table.frame["x"], table).tolist()
    [1.5, nan]
    """
    if values.dtype != pl.String:
        return _native(values, table)
    numbers, bad = try_numbers(values, decimal)
    if bad.any():
        raise _broken(values, bad, table, decimal)
    return numbers


def try_numbers(values: pl.Series, decimal: str = ".") -> tuple[Floats, Flags]:
    """Numbers of a column of text, and which rows are not numbers (those are NaN in the numbers)."""
    texts = values.str.strip_chars()
    if decimal == ",":
        texts = _points_for_commas(texts)
    cast = texts.cast(pl.Float64, strict=False)
    numbers = np.array(cast.fill_null(np.nan).to_numpy(), dtype=np.float64)
    # The cast reads plain numbers rightly. It is also too generous at both ends of the range, so look again there.
    suspect = ~np.isfinite(numbers) | (numbers == 0)
    bad = np.zeros(len(numbers), dtype=bool)
    if suspect.any():
        rows = np.flatnonzero(suspect)
        numbers[rows], bad[rows] = _look_again(texts.gather(rows), numbers[rows])
    return numbers, bad


def _look_again(texts: pl.Series, numbers: Floats) -> tuple[Floats, Flags]:
    """Judge texts that were cast to zero, infinity or nothing."""
    missing = is_missing(texts)
    infinite = texts.str.contains(_INFINITE).fill_null(False).to_numpy()
    zero = (numbers == 0) & ~texts.str.contains("^[^eE]*[1-9]").fill_null(False).to_numpy()
    bad = ~(missing | infinite | zero)
    lowered = texts.str.to_lowercase()
    for word, value in _BOOLEAN.items():
        said = (lowered == word).fill_null(False).to_numpy()
        numbers, bad = np.where(said, value, numbers), bad & ~said
    return np.where(missing | bad, np.nan, numbers), bad


def _points_for_commas(texts: pl.Series) -> pl.Series:
    """Decimal commas as points; a point in such a column stays wrong, so that it is found."""
    has_point = texts.str.contains(r"\.")
    plain = texts.str.replace(",", ".", literal=True)
    return pl.select(pl.when(has_point).then("?" + texts).otherwise(plain)).to_series()


def _native(values: pl.Series, table: Table) -> Floats:
    if not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
        raise DataError(
            table.where(column=values.name),
            f"a column of numbers is needed, this one holds {values.dtype}. Convert it.",
        )
    return np.array(values.cast(pl.Float64).to_numpy(), dtype=np.float64)  # null becomes NaN


def _broken(values: pl.Series, bad: Flags, table: Table, decimal: str) -> DataError:
    row, count = int(np.flatnonzero(bad)[0]), int(bad.sum())
    where = table.where(row, values.name)
    text = values[row]
    if decimal == "." and re.match(_COMMA_NUMBER, text):
        return _comma(values, bad, table)
    more = f" ({count} such cells in all)" if count > 1 else ""
    return DataError(where, f"a number must come, {text!r} did{more}. {explain(text, decimal)}")


def _comma(values: pl.Series, bad: Flags, table: Table) -> DataError:
    """A decimal comma: throughout (say how to read it), or mixed with points (name one of the rarer kind)."""
    pointed = try_numbers(values, ",")[1]
    if not pointed.any():
        row = int(np.flatnonzero(bad)[0])
        return DataError(
            table.where(row, values.name),
            f"numbers are written with a decimal comma, such as {values[row]!r}. Use --decimal ','.",
        )
    row = int(np.flatnonzero(bad if bad.sum() <= pointed.sum() else pointed)[0])
    return DataError(
        table.where(row, values.name),
        f"all numbers must have the same decimal sign, {values[row]!r} came among numbers with another. Write it like "
        "the others, and without separators of thousands; if they have a comma, use --decimal ','.",
    )


def explain(text: str, decimal: str = ".") -> str:
    """Say what is wrong with a text that should have been a number, and what to do.

    >>> explain("1e400")
    'It is beyond the range of 64-bit floats. Correct it, or leave it empty and use --mask-missing.'
    """
    text = text.strip()
    if re.match(_NUMBER, text):
        return "It is beyond the range of 64-bit floats. Correct it, or leave it empty and use --mask-missing."
    if re.match(r"^[+-]?[0-9]{1,3}([,' ][0-9]{3})+(\.[0-9]*)?$", text) or re.match(r"^[0-9]{1,3}(\.[0-9]{3})+,", text):
        return "Write numbers without separators of thousands."
    if decimal == "," and "." in text:
        return "With --decimal ',' a point may not come. Write a comma here, or remove a separator of thousands."
    if re.match(r"^[+-]?0[xXbBoO][0-9a-fA-F]+$", text) or "_" in text:
        return "Write it as a plain decimal number."
    if any(letter.isdigit() and not letter.isascii() for letter in text):
        return "Write it with the digits 0 to 9."
    if re.search("[0-9]", text):
        return "Write a plain number, units and signs such as % or $ in the column's name instead."
    return "Write a number, or leave the cell empty if it is missing."
