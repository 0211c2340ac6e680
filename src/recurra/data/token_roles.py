"""Which column or key of a file of sentences plays which role. This module is light: no numpy, no torch."""

from __future__ import annotations

from dataclasses import dataclass

from recurra.errors import DataError, nearest

UNMARKED = frozenset({"", "_", "-", "O", "0", "*"})
"""How the files of the field say that a token is not marked."""


@dataclass(frozen=True)
class Roles:
    """The user's names or numbers of the columns; None: where that kind of file usually has it."""

    token: str | None = None
    tag: str | None = None
    mark: str | None = None


def column_number(given: str, names: tuple[str, ...], width: int, source: str) -> int:
    """The place, from 0, of the column with a name or with a number from 1.

    >>> column_number("2", (), 4, "demo"), column_number("xpos", ("FORM", "XPOS"), 2, "demo")
    (1, 1)
    """
    if given.isascii() and given.isdigit():
        if not 1 <= int(given) <= width:
            raise DataError(source, f"column {given} must be one of 1 to {width}. Count the columns from 1.")
        return int(given) - 1
    if not names:
        raise DataError(source, f"its columns have no names, {given!r} came. Give the number, from 1 to {width}.")
    known = [name.lower() for name in names]
    if given.lower() not in known:
        raise DataError(source, f"there is no column {given!r}. {nearest(given.upper(), names)}")
    return known.index(given.lower())
