"""Sentences as JSON lines: an object for each, with the list of its tokens and that of their tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recurra.data.grid import count_of
from recurra.data.json_lines import read_object
from recurra.data.sentences import Sentences
from recurra.data.token_roles import UNMARKED, Roles
from recurra.errors import DataError, nearest

TOKENS, TAGS = "tokens", "tags"
_PLACES = ("i", "index")  # where an object of the list of marked tokens says which one it is


def read_token_lists(text: str, source: str, roles: Roles, tagged: bool, unit: str = "line") -> Sentences:
    """Read the lists of tokens and tags of each line, and which tokens are marked.

    Marks are a list of flags beside the tokens, or a list of objects, each with the place ``i`` of a token, from 0, and
    a list of tags of its own: then the sentence comes once for each of them.

    >>> line = '{"tokens": ["I", "see"], "roles": [{"i": 1, "tags": ["B-ARG0", "B-V"]}]}'
    >>> read = read_token_lists(line, "demo", Roles(mark="roles"), tagged=True)
    >>> read.tokens, read.tags, read.marks
    ([('I', 'see')], [('B-ARG0', 'B-V')], [(False, True)])
    """
    reader = _Reader(source, roles, tagged, unit)
    for number, line in enumerate(text.rstrip().split("\n"), start=1):
        reader.take(read_object(line, source, number), number)
    return reader.result()


class _Reader:
    def __init__(self, source: str, roles: Roles, tagged: bool, unit: str) -> None:
        self.source, self.tagged, self.mark, self.unit = source, tagged, roles.mark, unit
        self.token, self.tag = roles.token or TOKENS, roles.tag or TAGS
        self.names: list[str] = []
        self.groups: list[int] = []
        self.tokens: list[tuple[str, ...]] = []
        self.tags: list[tuple[str, ...]] = []
        self.marks: list[tuple[bool, ...]] = []
        self.empty: list[int] = []
        self.bare: list[int] = []

    def take(self, row: Mapping[str, Any], number: int) -> None:
        tokens = self.texts(row, self.token, number)
        if not tokens:
            self.empty.append(number)
            return
        marked = [] if self.mark is None else self.list_of(row, self.mark, number)
        if self.mark is None:
            self.add(tokens, row, (False,) * len(tokens), number, "")
        elif all(isinstance(one, Mapping) for one in marked):
            self.take_marked(tokens, marked, number)
        else:
            self.add(tokens, row, self.flags(marked, len(tokens), number), number, "")

    def take_marked(self, tokens: tuple[str, ...], marked: list[Mapping[str, Any]], number: int) -> None:
        if not marked:
            self.bare.append(number)
        for one in marked:
            place = next((one[key] for key in _PLACES if key in one), None)
            if type(place) is not int or not 0 <= place < len(tokens):
                most = len(tokens) - 1
                raise self.error(
                    number, f"each of {self.mark!r} must have the place 'i' of its token, 0 to {most}, got {place!r}."
                )
            self.add(tokens, one, tuple(n == place for n in range(len(tokens))), number, f", token {place + 1}")

    def add(
        self, tokens: tuple[str, ...], row: Mapping[str, Any], marks: tuple[bool, ...], number: int, which: str
    ) -> None:
        if self.tagged:
            tags = self.texts(row, self.tag, number)
            if len(tags) != len(tokens):
                raise self.error(
                    number,
                    f"every token must have a tag, {len(tags)} tags came for {len(tokens)} tokens. Repair the line.",
                )
            self.tags.append(tags)
        self.names.append(f"{self.unit} {number}{which}")
        self.groups.append(number)
        self.tokens.append(tokens)
        self.marks.append(marks)

    def texts(self, row: Mapping[str, Any], key: str, number: int) -> tuple[str, ...]:
        values = self.list_of(row, key, number)
        bad = [one for one in values if not isinstance(one, str) or not one.strip()]
        if bad:
            raise self.error(number, f"{key!r} must hold texts that are not empty, got {bad[0]!r}. Repair the line.")
        return tuple(values)

    def list_of(self, row: Mapping[str, Any], key: str, number: int) -> list[Any]:
        if key not in row:
            raise self.error(number, f"there must be a key {key!r}, none came. {nearest(key, row)}")
        if not isinstance(row[key], list):
            kind = type(row[key]).__name__
            raise self.error(number, f"{key!r} must be a list, {kind} came. Cut the text into tokens first.")
        return list(row[key])

    def flags(self, marked: list[Any], count: int, number: int) -> tuple[bool, ...]:
        if len(marked) != count:
            raise self.error(number, f"{self.mark!r} must have a flag for each of {count} tokens, {len(marked)} came.")
        return tuple(bool(one) and one not in UNMARKED for one in marked)

    def result(self) -> Sentences:
        if not self.names:
            raise DataError(self.source, "there must be tokens to read, none came. Check how it was written.")
        left_out = ((self.empty, "without tokens"), (self.bare, f"without anything in {self.mark!r}"))
        return Sentences(
            self.source,
            self.names,
            self.tokens,
            self.tags if self.tagged else None,
            None if self.mark is None else self.marks,
            self.groups,
            tuple(
                f"{count_of(len(numbers), 'sentence')} {what} left out, the first in {self.unit} {numbers[0]}"
                for numbers, what in left_out
                if numbers
            ),
        )

    def error(self, number: int, message: str) -> DataError:
        return DataError(f"{self.source}, {self.unit} {number}", message)
