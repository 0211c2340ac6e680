"""CoNLL-U: ten columns between tabs, words numbered from 1, multiword tokens and empty nodes between them.

Source: https://universaldependencies.org/format.html
"""

from __future__ import annotations

import re
from itertools import islice

from recurra.data.grid import count_of
from recurra.data.sentences import Draft, Sentences
from recurra.data.token_roles import UNMARKED, Roles, column_number
from recurra.errors import DataError

COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_NEEDED = ("UPOS", "XPOS", "DEPREL")  # an underscore there says that the treebank does not tell, elsewhere: none
_WORD, _RANGE, _EMPTY = re.compile(r"[1-9]\d*"), re.compile(r"[1-9]\d*-[1-9]\d*"), re.compile(r"\d+\.[1-9]\d*")
_HEAD = 20  # lines that tell the format


def is_conllu(text: str) -> bool:
    """Whether the first line that is no comment has ten columns, a number in the first.

    >>> is_conllu("# text = I\\n1\\tI\\ti\\tPRON\\tPRP\\t_\\t0\\troot\\t_\\t_\\n"), is_conllu("I PRON\\n")
    (True, False)
    """
    for line in islice(text.split("\n"), _HEAD):
        if line.strip() and not line.startswith("#"):
            fields = line.split("\t")
            return len(fields) == len(COLUMNS) and bool(_WORD.match(fields[0]))
    return False


def read_conllu(text: str, source: str, roles: Roles, tagged: bool) -> Sentences:
    """Read the words of each sentence; the tag is UPOS if no other column is named.

    Multiword tokens (``3-4``) and empty nodes (``5.1``) have no tags of their own: they are left out and counted.

    >>> text = "1-2\\tdon't" + "\\t_" * 8 + "\\n1\\tdo\\tdo\\tAUX" + "\\t_" * 6 + "\\n2\\tn't\\tnot\\tPART" + "\\t_" * 6
    >>> read = read_conllu(text, "demo", Roles(), tagged=True)
    >>> read.tokens, read.tags, read.notices
    ([('do', "n't")], [('AUX', 'PART')], ('1 multiword token left out (its words are read), such as 1-2 in line 1',))
    """
    reader = _Reader(source, roles, tagged)
    for number, line in enumerate(text.split("\n"), start=1):
        reader.take(line, number)
    return reader.draft.finish(source, tagged, reader.mark is not None, reader.notices)


class _Reader:
    def __init__(self, source: str, roles: Roles, tagged: bool) -> None:
        self.source, self.tagged, self.draft = source, tagged, Draft()
        self.token, self.tag = (self.column(name) for name in (roles.token or "FORM", roles.tag or "UPOS"))
        self.mark = None if roles.mark is None else self.column(roles.mark)
        self.ranges: list[str] = []
        self.empty: list[str] = []

    def column(self, name: str) -> int:
        return column_number(name, COLUMNS, len(COLUMNS), self.source)

    def take(self, line: str, number: int) -> None:
        if not line.strip():
            self.draft.end()
        elif line.startswith("#"):
            if self.draft.open:
                raise self.error(number, "a comment must stand before its sentence, one came within. Move it.")
        else:
            self.take_columns(line.split("\t"), number)

    def take_columns(self, fields: list[str], number: int) -> None:
        if len(fields) != len(COLUMNS):
            came = f"{len(fields)} came"
            raise self.error(number, f"a line of CoNLL-U must have 10 columns between tabs, {came}. Repair the line.")
        if _RANGE.fullmatch(fields[0]):
            self.ranges.append(f"{fields[0]} in line {number}")
        elif _EMPTY.fullmatch(fields[0]):
            self.empty.append(f"{fields[0]} in line {number}")
        else:
            self.take_word(fields, number)

    def take_word(self, fields: list[str], number: int) -> None:
        expected = self.draft.count + 1
        if fields[0] != str(expected):
            raise self.error(
                number, f"words must be numbered from 1 in each sentence, {fields[0]!r} came for {expected}. Repair it."
            )
        token, tag, name = fields[self.token], fields[self.tag], COLUMNS[self.tag]
        if not token.strip():
            raise self.error(number, "a word must have a form, none came. Repair the line.")
        if self.tagged and (not tag.strip() or (tag == "_" and name in _NEEDED)):
            raise self.error(number, f"every token must have a tag, {token!r} has none in {name}. Tag it.")
        self.draft.add(token, tag, self.mark is not None and fields[self.mark] not in UNMARKED, number)

    @property
    def notices(self) -> tuple[str, ...]:
        found = ((self.ranges, "multiword token", "its words are read"), (self.empty, "empty node", "no word is there"))
        return tuple(
            f"{count_of(len(places), thing)} left out ({why}), such as {places[0]}"
            for places, thing, why in found
            if places
        )

    def error(self, line: int, message: str) -> DataError:
        return DataError(f"{self.source}, line {line}", message)
