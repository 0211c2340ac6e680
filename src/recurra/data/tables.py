"""Tables from files and data frames, read strictly and named so that people find the row again; and their writing."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any, TypeAlias

import narwhals as nw
import numpy as np
import polars as pl
from narwhals.typing import IntoDataFrame
from numpy.typing import NDArray

from recurra.data.delimited import read_delimited
from recurra.data.json_lines import read_json_lines
from recurra.data.stored import bytes_of, unzip
from recurra.errors import DataError, nearest
from recurra.files import atomic_path

Source: TypeAlias = "str | Path | IntoDataFrame | Table"
DELIMITED = {".csv": ",", ".tsv": "\t"}
FRAME = "DataFrame"
JSON_LINES = (".jsonl", ".ndjson")
READABLE = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True, eq=False)
class Table:
    """Columns by name, and where each row came from.

    From CSV every column is text exactly as written (an empty field is an empty text); from the other kinds of
    source the columns have the types of the source.
    """

    frame: pl.DataFrame
    source: str
    """The path, or ``"DataFrame"``."""
    file_sha256: str | None = None
    """Of the bytes of the file; None for a frame."""
    lines: NDArray[np.int64] | None = None
    """[rows] the line on which each row begins, for files that have lines."""
    notices: tuple[str, ...] = field(default=())
    """What was accepted but should be said: a byte order mark, an unusual delimiter, a last line without an end."""

    @cached_property
    def sha256(self) -> str:
        """Of the bytes of the file, or of the contents of the frame, which takes as long as writing them all."""
        return self.file_sha256 or _hash_frame(self.frame)

    def row_name(self, row: int) -> str:
        """How people find row ``row``: ``"line 17"`` (the header counts) or ``"row 16"`` (from 1).

        >>> read_table({"x": [3, 4]}).row_name(0)
        'row 1'
        """
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    def where(self, row: int | None = None, column: str | None = None) -> str:
        """The place of an error: source, row and column."""
        parts = [self.source]
        parts += [] if row is None else [self.row_name(row)]
        parts += [] if column is None else [f"column {column!r}"]
        return ", ".join(parts)

    def column(self, name: str) -> pl.Series:
        """One column; an unknown name is a :class:`DataError` with the nearest one."""
        if name not in self.frame.columns:
            hint = "".join(f" Note: {notice}." for notice in self.notices if self.source == FRAME)
            alike = [known for known in self.frame.columns if known.lower() == name.strip().lower()]
            known = f"Did you mean {alike[0]!r}?" if alike else nearest(name, self.frame.columns)
            raise DataError(self.where(column=name), f"there is no such column. {known}{hint}")
        return self.frame[name]

    @property
    def size(self) -> str:
        """How much it is, for people."""
        return f"{self.frame.height:,} row{'' if self.frame.height == 1 else 's'}"

    def keep(self, folder: Path) -> list[Path]:
        """Return the file to read again; a frame is first written to ``folder``, which is made if need be."""
        if Path(self.source).is_file():
            return [Path(self.source)]
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / "data.parquet"
        write_table(self.frame, copy)
        return [copy]

    def __len__(self) -> int:
        return self.frame.height


def read_table(source: Source | dict[str, Any], *, quoted_newlines: bool = False) -> Table:
    """Read ``.csv``, ``.tsv``, ``.jsonl``, ``.ndjson`` (each also ``.gz``), ``.parquet``, or take a data frame.

    Frames may be polars, pandas or pyarrow (anything narwhals knows), or a dict of columns. ``quoted_newlines``
    allows line breaks inside quoted CSV fields. Raises :class:`DataError`, which names line and column.

    >>> read_table({"day": ["2012-01-01"], "x": [1.5]}).frame.columns
    ['day', 'x']
    """
    if isinstance(source, Table):
        return source
    if isinstance(source, (str, Path)):
        return _read_file(Path(source), quoted_newlines)
    return _take_frame(source)


def _read_file(path: Path, quoted_newlines: bool) -> Table:
    name = str(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    zipped = suffixes[-1:] == [".gz"]
    suffix = "".join(suffixes[-2:-1] if zipped else suffixes[-1:])
    if suffix not in READABLE:
        known = ", ".join(READABLE)
        raise DataError(
            name, f"the kind of a file is told by its suffix, got {suffix!r}. Known: {known}; .gz after it."
        )
    stored = bytes_of(path)
    sha256 = hashlib.sha256(stored).hexdigest()
    data = unzip(stored, name) if zipped else stored
    if suffix in DELIMITED:
        cut = read_delimited(data, name, expected=DELIMITED[suffix], quoted_newlines=quoted_newlines)
        return Table(cut.frame, name, sha256, cut.lines, cut.notices)
    if suffix in JSON_LINES:
        frame, lines = read_json_lines(data, name)
        return Table(frame, name, sha256, lines)
    return _with_rows(Table(_read_parquet(data, name), name, sha256))


def _read_parquet(data: bytes, name: str) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(data))
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(name, f"a .parquet file must be whole Parquet data: {reason}. Get the file anew.") from None


def _take_frame(source: Any) -> Table:
    notices: tuple[str, ...] = ()
    if isinstance(source, pl.LazyFrame):
        source = source.collect()
    if isinstance(source, dict):
        source = _from_columns(source)
    try:
        frame = nw.from_native(source, eager_only=True)
    except TypeError:
        kind = type(source).__name__
        raise DataError(FRAME, f"data must be a path or a data frame, {kind} came. Pass one of these.") from None
    index = getattr(getattr(source, "index", None), "name", None)
    if index is not None:
        notices = (f"the frame's index {index!r} is not a column and was left out; use reset_index() to keep it",)
    try:
        columns = frame.to_polars()
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(FRAME, f"columns must have text names and plain types: {error}. Change them.") from None
    return _with_rows(Table(columns, FRAME, notices=notices))


def _from_columns(columns: dict[str, Any]) -> pl.DataFrame:
    """A frame of lists or arrays; whole numbers among decimal ones are fine, other mixtures are not."""
    try:
        return pl.DataFrame({name: _decimal_if_any(values) for name, values in columns.items()})
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(FRAME, f"columns must be equally long lists of one type: {reason}. Change them.") from None


def _decimal_if_any(values: Any) -> Any:
    if not isinstance(values, list) or not {int, float} <= {type(value) for value in values}:
        return values
    return [float(value) if type(value) is int else value for value in values]


def _with_rows(table: Table) -> Table:
    if not table.frame.height:
        raise DataError(table.source, "a table must have rows, it is empty. Check how it was made.")
    return table


def _hash_frame(frame: pl.DataFrame) -> str:
    """SHA-256 of names, types and values; does not depend on how the frame lies in memory."""
    digest = hashlib.sha256(repr([(name, str(kind)) for name, kind in frame.schema.items()]).encode())
    for start in range(0, frame.height, 100_000):
        try:
            digest.update(frame.slice(start, 100_000).write_ndjson().encode())
        except pl.exceptions.PolarsError as error:
            raise DataError(FRAME, f"columns must have plain types: {error}. Leave the others out.") from None
    return digest.hexdigest()


_WRITERS: dict[str, Callable[[pl.DataFrame, IO[bytes]], None]] = {
    ".csv": lambda frame, file: frame.write_csv(file),
    ".jsonl": lambda frame, file: frame.write_ndjson(file),
    ".parquet": lambda frame, file: frame.write_parquet(file),
}


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write ``.csv``, ``.jsonl`` or ``.parquet`` whole or not at all; an older file is replaced at the last moment.

    Raises :class:`DataError` for another suffix, or where there is no folder.

    >>> write_table(pl.DataFrame({"x": [1]}), Path("x.xlsx"))
    Traceback (most recent call last):
    recurra.errors.DataError: [x.xlsx] a table is written as .csv, .jsonl, .parquet, got '.xlsx'. Change the suffix.
    """
    path = Path(path)
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        known = ", ".join(_WRITERS)
        raise DataError(str(path), f"a table is written as {known}, got {path.suffix!r}. Change the suffix.")
    if not path.parent.is_dir():
        raise DataError(str(path), "the folder must exist, there is none. Make it, or change the path.")
    with atomic_path(path) as unfinished, open(unfinished, "wb") as file:
        write(frame, file)
