"""CoNLL columns: a token on each line, its columns between tabs or spaces, an empty line after each sentence."""

from __future__ import annotations

from recurra.data.grid import count_of
from recurra.data.sentences import Draft, Sentences
from recurra.data.token_roles import UNMARKED, Roles, column_number
from recurra.errors import DataError

_DOCUMENT = "-DOCSTART-"
_NO_TOKENS = ("#", _DOCUMENT)


def read_columns(text: str, source: str, roles: Roles, tagged: bool) -> Sentences:
    """Read the columns with the given numbers; by default the token is in the first and the tag in the last.

    A line that begins with ``#`` before a sentence is a comment, unless it has as many columns as the tokens have:
    ``#`` is a token of many a text. Lines of ``-DOCSTART-`` are left out and counted.

    >>> read = read_columns("-DOCSTART- O\\n\\nEU B-ORG\\nrejects O\\n", "demo", Roles(), tagged=True)
    >>> read.tokens, read.tags, read.notices
    ([('EU', 'rejects')], [('B-ORG', 'O')], ('1 line of -DOCSTART- left out',))
    """
    reader = _Reader(text.split("\n"), source, roles, tagged)
    for number, line in enumerate(reader.lines, start=1):
        reader.take(line, number)
    if roles.token is None and reader.numbers_first:
        raise DataError(
            source,
            "tokens are looked for in column 1, which numbers them. Name their column, such as --token-column 2.",
        )
    return reader.draft.finish(source, tagged, reader.mark is not None, reader.notices)


class _Reader:
    def __init__(self, lines: list[str], source: str, roles: Roles, tagged: bool) -> None:
        self.lines, self.source, self.tagged, self.draft = lines, source, tagged, Draft()
        self.documents = 0
        self.first = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith(_NO_TOKENS)), 0)
        self.delimiter = "\t" if "\t" in lines[self.first] else None
        self.width = len(lines[self.first].split(self.delimiter))
        self.token = self.column(roles.token or "1")
        self.tag = self.column(roles.tag or str(self.width)) if tagged else self.token
        self.mark = None if roles.mark is None else self.column(roles.mark)
        if tagged and self.tag == self.token:
            raise self.error(
                self.first + 1,
                f"a token and its tag must be columns of their own, both are column {self.tag + 1}. "
                "Name them: --token-column, --tag-column.",
            )

    def column(self, given: str) -> int:
        return column_number(given, (), self.width, self.source)

    def take(self, line: str, number: int) -> None:
        if not line.strip():
            return self.draft.end()
        fields = line.split(self.delimiter)
        if fields[0] == _DOCUMENT:
            self.documents += 1
            return self.draft.end()
        if line.startswith("#") and len(fields) != self.width and not self.draft.open:
            return None
        if len(fields) != self.width:
            raise self.error(
                number,
                f"every line must have {self.width} columns as line {self.first + 1} has, {len(fields)} came. "
                "A token may lack its tag, or an empty line be missing. Repair the line.",
            )
        return self.take_token(fields, number)

    def take_token(self, fields: list[str], number: int) -> None:
        token, tag = fields[self.token], fields[self.tag].strip()
        if not token.strip():
            raise self.error(number, f"a token must come in column {self.token + 1}, it is empty. Repair the line.")
        if self.tagged and not tag:
            raise self.error(
                number, f"every token must have a tag, {token!r} has none in column {self.tag + 1}. Tag it."
            )
        self.draft.add(token, tag, self.mark is not None and fields[self.mark] not in UNMARKED, number)

    @property
    def numbers_first(self) -> bool:
        """Whether the tokens of every sentence are 1, 2, 3 and so on."""
        columns = [[token for token, _, _ in row] for row in self.draft.rows]
        numbers = (list(map(str, range(1, len(column) + 1))) for column in columns)
        return max(map(len, columns), default=0) > 1 and all(map(list.__eq__, columns, numbers))

    @property
    def notices(self) -> tuple[str, ...]:
        return (f"{count_of(self.documents, 'line')} of {_DOCUMENT} left out",) if self.documents else ()

    def error(self, line: int, message: str) -> DataError:
        return DataError(f"{self.source}, line {line}", message)
