"""Strict reading of CSV and its relatives: every byte has one meaning, or there is an error with line and column.

The structure (line ends, quotes, fields per line) is checked here by scanning the bytes; only then does polars cut
the checked text into columns of text. Nothing is repaired: what is legal but worth knowing becomes a notice.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.encoding import check_encoding, text_position
from recurra.errors import DataError

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
_NEWLINE, _RETURN, _QUOTE = ord("\n"), ord("\r"), ord('"')
_DATA_LIKE = re.compile(r"[-+0-9.,:/TZ ]*[0-9][-+0-9.,:/TZ ]*")

Bytes = NDArray[np.uint8]
Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Delimited:
    """The columns of a delimited text, all of them text exactly as written."""

    frame: pl.DataFrame
    lines: Positions
    """[rows] the line of the file on which each row begins, counted from 1."""
    notices: tuple[str, ...]


def read_delimited(data: bytes, source: str, *, expected: str = ",", quoted_newlines: bool = False) -> Delimited:
    """Cut the bytes of a CSV file into columns of text.

    ``expected`` is the delimiter that needs no notice. ``quoted_newlines`` allows line breaks inside quoted fields.
    Raises :class:`DataError` with line and column for anything of doubtful meaning.

    >>> read_delimited(b"a,b\\n1,x\\n", "demo.csv").frame.rows()
    [('1', 'x')]
    """
    notices: list[str] = []
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
        notices.append(f"{source} starts with a byte order mark (as Excel writes it); it was left out")
    if not data.strip():
        raise DataError(source, "a table must have a header and rows, the file is empty. Check how it was written.")
    check_encoding(data, source)
    scan = _Scan(data, source, quoted_newlines)
    if scan.delimiter != expected:
        notices.append(f"{source}: fields are separated by {DELIMITERS[scan.delimiter]}")
    notices += scan.check_lines()
    names = _header(scan.header, scan.delimiter, source, notices)
    scan.check_fields(names)
    frame = scan.cut(names)
    _refuse_repeated_header(frame, names, scan, source)
    return Delimited(frame, scan.lines[1:], tuple(notices))


class _Scan:
    """The bytes of a text, and where its quotes, line ends and delimiters are."""

    def __init__(self, data: bytes, source: str, quoted_newlines: bool) -> None:
        self.data, self.source, self.quoted_newlines = data, source, quoted_newlines
        self.bytes: Bytes = np.frombuffer(data, dtype=np.uint8)
        self.delimiter = detect_delimiter(data)
        self.quotes: Positions = np.flatnonzero(self.bytes == _QUOTE)
        newlines: Positions = np.flatnonzero(self.bytes == _NEWLINE)
        self._check_returns(newlines)
        self._check_quotes(newlines)
        self.line_ends = newlines[self._outside(newlines)]
        self.starts = np.concatenate([[0], self.line_ends + 1])
        if self.starts[-1] == len(data):
            self.starts = self.starts[:-1]
        else:
            self.line_ends = np.append(self.line_ends, len(data))
        self.lines = 1 + np.searchsorted(newlines, self.starts)
        self.returns = int(self.data[: self.line_ends[0]].endswith(b"\r"))

    @property
    def header(self) -> str:
        return self.data[: self.line_ends[0] - self.returns].decode()

    def _outside(self, positions: Positions) -> NDArray[np.bool_]:
        """Which positions are outside of quoted fields: an even number of quotes comes before them."""
        outside: NDArray[np.bool_] = np.searchsorted(self.quotes, positions) % 2 == 0
        return outside

    def fail(self, position: int, message: str) -> DataError:
        line, column = text_position(self.data, position, self.delimiter)
        return DataError(f"{self.source}, line {line}, column {column}", message)

    def _check_returns(self, newlines: Positions) -> None:
        returns = np.flatnonzero(self.bytes == _RETURN)
        if not len(returns):
            return
        follows = np.minimum(returns + 1, len(self.bytes) - 1)
        lone = returns[self.bytes[follows] != _NEWLINE]
        if len(lone):
            raise self.fail(
                int(lone[0]),
                "lines must end with LF or CRLF, a CR (\\r) came alone. "
                f"Convert it: tr '\\r' '\\n' < {self.source} > repaired.csv",
            )
        crlf = np.isin(newlines - 1, returns, assume_unique=True)
        odd = newlines[crlf != crlf[0]]
        if len(odd):
            kinds = ("LF", "CRLF") if crlf[0] else ("CRLF", "LF")
            raise self.fail(
                int(odd[0]),
                f"all lines must end alike, this one ends with {kinds[0]} and the first with {kinds[1]}: two files may "
                f"have been joined. Look at the line, then make them alike: sed -i 's/\\r$//' {self.source}",
            )

    def _check_quotes(self, newlines: Positions) -> None:
        if not len(self.quotes):
            return
        opening, closing = self.quotes[::2], self.quotes[1::2]
        before = self.bytes[np.maximum(opening - 1, 0)]
        delimiter = ord(self.delimiter)
        fine = (opening == 0) | np.isin(before, [delimiter, _NEWLINE, _QUOTE])
        if not fine.all():
            raise self.fail(
                int(opening[~fine][0]),
                'a quote must start its field, this one stands inside of it. Write the field as "…" and each quote '
                'in it as "".',
            )
        after = self.bytes[np.minimum(closing + 1, len(self.bytes) - 1)]
        fine = (closing == len(self.bytes) - 1) | np.isin(after, [delimiter, _NEWLINE, _RETURN, _QUOTE])
        broken = newlines[~self._outside(newlines)]
        stop = int(broken[0]) if len(broken) and not self.quoted_newlines else len(self.bytes)
        stray = closing[~fine]
        if len(stray) and stray[0] < stop:
            raise self.fail(
                int(stray[0]),
                'a closing quote must end its field, text came after it. Write each quote in a field as "".',
            )
        if len(self.quotes) % 2 or stop < len(self.bytes):
            inside = opening[:1] if stop == len(self.bytes) else opening[opening < stop]
            position = int(opening[-1] if stop == len(self.bytes) else inside[-1])
            raise self.fail(
                position,
                "a quoted field must end on its own line, this one is still open at the end of it. "
                "Close the quote, or write the line break in the field as a space.",
            )

    def check_lines(self) -> list[str]:
        """Refuse empty lines between others; say which oddities at the end were accepted."""
        notices = []
        if self.bytes[-1] != _NEWLINE:
            notices.append(
                f"{self.source}, line {self.lines[-1]}: the last line has no line end; "
                "its last value was taken as it is, check that the file was not cut off"
            )
        lengths = self.line_ends - self.starts - self.returns
        filled = np.flatnonzero(lengths > 0)
        last = int(filled[-1])
        if last < len(lengths) - 1:
            notices.append(f"{self.source}, line {self.lines[last + 1]}: empty lines at the end were left out")
            self.starts, self.line_ends, self.lines = (a[: last + 1] for a in (self.starts, self.line_ends, self.lines))
        empty = np.flatnonzero(lengths[: last + 1] <= 0)
        if len(empty):
            raise DataError(
                f"{self.source}, line {self.lines[empty[0]]}, column 1",
                f"every line must have fields, this one is empty ({len(empty)} in all). Delete it.",
            )
        if last == 0:
            raise DataError(f"{self.source}, line 1", "a table must have rows below its header, none came.")
        return notices

    def check_fields(self, names: list[str]) -> None:
        """Every line must have as many fields as the header."""
        delimiters = np.flatnonzero(self.bytes == ord(self.delimiter))
        delimiters = delimiters[self._outside(delimiters)]
        fields = 1 + np.searchsorted(delimiters, self.line_ends) - np.searchsorted(delimiters, self.starts)
        wrong = np.flatnonzero(fields != len(names))
        if not len(wrong):
            return
        row, got = int(wrong[0]), int(fields[wrong[0]])
        more = f" ({len(wrong)} such lines in all)" if len(wrong) > 1 else ""
        where = f"{self.source}, line {self.lines[row]}"
        if got < len(names):
            cut = row == len(fields) - 1 and self.bytes[-1] != _NEWLINE
            hint = (
                "The file is cut off here: get it anew, or delete the line." if cut else "Complete or delete the line."
            )
            raise DataError(
                f"{where}, column {names[got]!r}",
                f"every line must have the header's {len(names)} fields, this one has {got}{more}. {hint}",
            )
        line = self.data[self.starts[row] : self.line_ends[row]].decode()
        hint = f"Quote a field that holds {DELIMITERS[self.delimiter]}, or delete what is too much."
        if self.delimiter == "," and re.search(r"\d,\d", line):
            hint = 'If it is a decimal comma, write a point, or quote the number ("3,14"). ' + hint
        raise DataError(
            f"{where}, column {len(names) + 1}",
            f"every line must have the header's {len(names)} fields, this one has {got}{more}. {hint}",
        )

    def cut(self, names: list[str]) -> pl.DataFrame:
        """The checked text as columns of text; an empty field is an empty text."""
        body = self.data[self.line_ends[0] + 1 : self.line_ends[-1]]
        if self.returns:
            body = body.replace(b"\r\n", b"\n").rstrip(b"\r")
        rows = len(self.starts) - 1
        quote = '"' if len(self.quotes) else None
        frame = pl.read_csv(
            io.BytesIO(body + b"\n"), has_header=False, infer_schema=False, separator=self.delimiter, quote_char=quote
        )
        if frame.shape != (rows, len(names)):  # a dialect that polars reads otherwise: the slow and certain way
            cells = list(csv.reader(io.StringIO(body.decode()), delimiter=self.delimiter, strict=True))
            frame = pl.DataFrame(cells, schema=[str(i) for i in range(len(names))], orient="row")
        frame.columns = names
        return frame.with_columns(pl.all().fill_null(""))


def detect_delimiter(data: bytes) -> str:
    """The delimiter that the header and the first lines agree on; a comma if the header holds none.

    >>> detect_delimiter(b"day;x\\n2012;1,5\\n")
    ';'
    """
    lines = data[:65536].decode(errors="replace").splitlines()[:50]
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines if line]
    found = [d for d in DELIMITERS if d in bare[0]]
    agreement = {d: (sum(line.count(d) == bare[0].count(d) for line in bare), bare[0].count(d)) for d in found}
    return max(found, key=lambda d: agreement[d], default=",")


def _header(line: str, delimiter: str, source: str, notices: list[str]) -> list[str]:
    written = next(csv.reader([line], delimiter=delimiter, strict=True))
    names = [name.strip() for name in written]
    for i, name in enumerate(names):
        where = f"{source}, line 1, column {i + 1}"
        if not name:
            hint = " (pandas writes its index so; use to_csv(index=False))" if i == 0 else ""
            raise DataError(where, f"every column must have a name, this one's is empty{hint}. Give it one.")
        if name in names[:i]:
            raise DataError(
                f"{where} ({name!r})",
                f"names must differ, column {names.index(name) + 1} has the same name. Rename or delete one of them.",
            )
    if all(_DATA_LIKE.fullmatch(name) for name in names):
        raise DataError(
            f"{source}, line 1, column 1",
            f"the first line must name the columns, {line[:60]!r} came. Add a header line.",
        )
    if names != written:
        notices.append(f"{source}: column names were taken without the spaces around them")
    return names


def _refuse_repeated_header(frame: pl.DataFrame, names: list[str], scan: _Scan, source: str) -> None:
    same = pl.all_horizontal(pl.col(name).str.strip_chars(" \ufeff") == name for name in names)
    rows = frame.select(same.arg_true()).to_series()
    if len(rows):
        raise DataError(
            f"{source}, line {scan.lines[1 + rows[0]]}, column {names[0]!r}",
            "the header must come once, here it comes again: files may have been joined. Delete this line, and see "
            "that the rows below it belong here.",
        )
