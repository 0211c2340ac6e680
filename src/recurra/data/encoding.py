"""Is it text in UTF-8? If not: where it stops being so, which encoding it probably has, and how to convert it."""

from __future__ import annotations

import re
from pathlib import Path

from recurra.errors import DataError

# Tab, line feed and carriage return are the only control characters of a text table.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NOT_IN_WINDOWS_1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def text_position(data: bytes, position: int, delimiter: str) -> tuple[int, int]:
    """Line and column (field) of a byte, both counted from 1.

    >>> text_position(b"a,b\\n1,x\\n", 6, ",")
    (2, 2)
    """
    start = data.rfind(b"\n", 0, position) + 1
    fields = re.sub(rb'"[^"]*"', b"", data[start:position]).count(delimiter.encode())
    return data.count(b"\n", 0, position) + 1, fields + 1


def check_encoding(data: bytes, source: str, delimiter: str = ",") -> None:
    """Raise :class:`DataError` unless ``data`` is UTF-8 text without control characters.

    >>> check_encoding("naïve".encode(), "demo.csv")
    """
    encoding = wide_encoding(data)
    if encoding:
        raise DataError(
            f"{source}, line 1, byte 1",
            f"text must be UTF-8, this looks like {encoding}. {how_to_convert(encoding, source)}",
        )
    _check_utf8(data, source)
    found = _CONTROL.search(data)
    if found:
        line, column = text_position(data, found.start(), _rough_delimiter(data, delimiter))
        name = "a NUL byte" if found.group() == b"\0" else f"the control character 0x{found.group()[0]:02x}"
        raise DataError(
            f"{source}, line {line}, column {column}",
            f"text must have no control characters, {name} came. The file is damaged: get it anew, or repair the line.",
        )


def _check_utf8(data: bytes, source: str) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line, column = text_position(data, error.start, _rough_delimiter(data, ","))
        byte = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        where = f"{source}, line {line}, column {column}, byte {byte}"
        if error.reason == "unexpected end of data":
            raise DataError(
                where, "text must be UTF-8, the file ends within a character. It is cut off: get it anew."
            ) from None
        came = f"the byte 0x{data[error.start]:02x} came"
        raise DataError(where, f"text must be UTF-8, {came}; {_what_it_is(data, source)}") from None


def _what_it_is(data: bytes, source: str) -> str:
    """Which encoding a text that is not UTF-8 has, and what to do about it."""
    encoding = likely_encoding(data)
    others = [line for line in data.split(b"\n") if not line.isascii()]
    wrong = sum(not _is_utf8(line) for line in others)
    if wrong == len(others):
        return f"the file is probably {encoding}. {how_to_convert(encoding, source)}"
    return (
        f"of its lines beyond ASCII, {len(others) - wrong:,} are in UTF-8 and {wrong:,} probably in {encoding}. "
        "Two files were joined: convert the one, then join them again."
    )


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _rough_delimiter(data: bytes, default: str) -> str:
    """The most frequent delimiter of the first line: enough to tell people a column."""
    header = data.split(b"\n", 1)[0]
    best = max(b",;\t|", key=lambda code: header.count(code))
    return chr(best) if best in header else default


def wide_encoding(data: bytes) -> str | None:
    """The two-byte encoding that a mark, or every other byte being NUL, gives away."""
    if data[:2] in _MARKS:
        return _MARKS[data[:2]]
    head = data[:4096]
    for offset, name in ((1, "UTF-16LE"), (0, "UTF-16BE")):
        other = head[offset::2]
        if len(other) > 4 and other.count(0) > 0.6 * len(other):
            return name
    return None


def likely_encoding(data: bytes) -> str:
    """The one-byte encoding of western text that is no UTF-8."""
    return "ISO-8859-15" if _NOT_IN_WINDOWS_1252.search(data) else "WINDOWS-1252"


def how_to_convert(encoding: str, source: str) -> str:
    """The command that makes UTF-8 of a file."""
    return f"Convert it: iconv -f {encoding} -t UTF-8 {source} > utf8{Path(source).suffix}"
