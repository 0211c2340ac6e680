"""Tagged sentences from a file or from memory; which format a file has is told by its suffix and its first lines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recurra.data.conll import read_columns
from recurra.data.conllu import is_conllu, read_conllu
from recurra.data.encoding import check_encoding
from recurra.data.grid import count_of
from recurra.data.sentences import Sentences
from recurra.data.stored import bytes_of, unzip
from recurra.data.tables import JSON_LINES
from recurra.data.token_lists import TOKENS, read_token_lists
from recurra.data.token_roles import Roles
from recurra.errors import DataError

MEMORY = "list"
_TABLES = (".csv", ".parquet")
_MARK = b"\xef\xbb\xbf"  # of the byte order


def read_sentences(source: Any, roles: Roles, tagged: bool = True) -> Sentences:
    """Read CoNLL-U, CoNLL columns or JSON lines (each also ``.gz``), or take lists of tokens or of JSON-like rows.

    Without ``tagged`` the tags are not looked at and need not be there.

    Raises:
        DataError: the file is damaged, or a token lacks what it needs; the message names the line.

    >>> rows = [{"tokens": ["I", "see"], "tags": ["PRON", "VERB"]}]
    >>> read_sentences(rows, Roles()).tags
    [('PRON', 'VERB')]
    >>> read_sentences([["I", "see"]], Roles(), tagged=False).tokens
    [('I', 'see')]
    """
    if isinstance(source, Sentences):
        return source
    if isinstance(source, (str, Path)):
        return _read_file(Path(source), roles, tagged)
    text = "".join(map(_line_of, _rows_of(source, roles)))
    read = read_token_lists(text, MEMORY, roles, tagged, "sentence")
    return replace(read, sha256=hashlib.sha256(text.encode()).hexdigest(), rows=text)


def _read_file(path: Path, roles: Roles, tagged: bool) -> Sentences:
    name, zipped = str(path), path.suffix.lower() == ".gz"
    suffix = Path(path.stem if zipped else path.name).suffix.lower()
    if suffix in _TABLES:
        raise DataError(
            name,
            f"sentences are read from CoNLL-U, CoNLL columns or JSON lines, a table ({suffix}) came. Write a line "
            '{"tokens": [...], "tags": [...]} for each sentence to a .jsonl file.',
        )
    stored = bytes_of(path)
    text, notices = _text_of(unzip(stored, name) if zipped else stored, name)
    if suffix in JSON_LINES:
        read = read_token_lists(text, name, roles, tagged)
    elif suffix == ".conllu" or is_conllu(text):
        read = read_conllu(text, name, roles, tagged)
    else:
        read = read_columns(text, name, roles, tagged)
    return replace(read, sha256=hashlib.sha256(stored).hexdigest(), notices=(*notices, *read.notices))


def _text_of(data: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    """The text with plain line ends, and what was unusual in it."""
    notices = []
    if data.startswith(_MARK):
        data = data.removeprefix(_MARK)
        notices.append("a byte order mark at the start was left out")
    check_encoding(data, name, delimiter="\t")
    text = data.decode()
    if not text.strip():
        raise DataError(name, "there must be sentences in the file, it is empty. Check how it was written.")
    if windows := text.count("\r\n"):
        text = text.replace("\r\n", "\n")
        notices.append(f"Windows' line ends, {count_of(windows, 'line')}, were read as plain ones")
    if "\r" in text:
        line = text.count("\n", 0, text.index("\r")) + 1
        raise DataError(
            f"{name}, line {line}", "a line must end with a line feed, a lone carriage return came. Repair the line."
        )
    return text, tuple(notices)


def _line_of(row: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(row)) + "\n"
    except (TypeError, ValueError) as error:
        raise DataError(MEMORY, f"sentences must be lists of texts: {error}. Convert what is in them.") from None


def _rows_of(source: Any, roles: Roles) -> Iterable[Mapping[str, Any]]:
    """Lists of tokens as rows, rows as they are."""
    if isinstance(source, Mapping) or not isinstance(source, Iterable):
        kind = type(source).__name__
        raise DataError(MEMORY, f"data must be a path or a list of sentences, {kind} came. Pass one of these.")
    rows = list(source)
    if not rows:
        raise DataError(MEMORY, "there must be sentences, none came. Pass some.")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, (Mapping, list, tuple)):
            kind = type(row).__name__
            raise DataError(
                f"{MEMORY}, sentence {number}",
                f"a sentence must be a list of tokens or a dict of lists, {kind} came. Cut it into tokens.",
            )
    return [row if isinstance(row, Mapping) else {roles.token or TOKENS: list(row)} for row in rows]
