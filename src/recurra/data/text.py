"""Text files of any length, read strictly and in blocks: nothing of them need fit into memory."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from recurra.data.encoding import how_to_convert, likely_encoding, wide_encoding
from recurra.errors import DataError
from recurra.files import sha256

Files: TypeAlias = "str | Path | Iterable[str | Path] | Text"
BLOCK = 2**20  # characters
_NAMED = 3  # files
_LONGEST_LINE = 10_000  # characters that are looked through for the end of a line


@dataclass(frozen=True)
class Text:
    """One text out of UTF-8 files, in the order given; a line break is put between two files where there is none.

    Windows' line ends are read as ``\\n``, and a byte order mark is left out; both are in the notices.
    """

    files: tuple[Path, ...]
    characters: int
    sha256: str
    """Of the one file; of the hashes of all of them if they are several."""
    notices: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The paths, or the first ones."""
        names = [str(file) for file in self.files[:_NAMED]]
        more = len(self.files) - len(names)
        return ", ".join(names) + (f" and {more:,} more" if more else "")

    @property
    def size(self) -> str:
        """How much it is, for people."""
        return f"{self.characters:,} characters"

    def keep(self, folder: Path) -> list[Path]:
        """Return the files; nothing needs to be written to ``folder``."""
        del folder
        return list(self.files)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[str]:
        """The characters from ``start`` to ``stop`` in blocks of about a million, which end where a line ends.

        Lines longer than that are cut before a space, or anywhere if there is none.
        """
        stop = self.characters if stop is None else stop
        place = 0
        for block in _cut(_read(self.files, _Repairs())):
            part = block[max(start - place, 0) : max(stop - place, 0)]
            place += len(block)
            if part:
                yield part
            if place >= stop:
                return

    def line_end(self, place: int) -> int:
        """The place behind the next line break at or after ``place``; ``place`` itself if the line is very long."""
        look = "".join(self.blocks(place, min(place + _LONGEST_LINE, self.characters)))
        return place + look.find("\n") + 1 if place and "\n" in look else place


def read_text(source: Files) -> Text:
    """Look through all of the files: that they are text, and how long it is.

    Raises:
        DataError: a file is missing, empty, or not UTF-8; it names file, line and byte.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "poem.txt"
    >>> _ = path.write_bytes("Über allen Gipfeln\\r\\nist Ruh".encode())
    >>> text = read_text(path)
    >>> text.characters, text.notices, list(text.blocks(start=19))
    (26, ('1 line end of Windows was read as a plain one',), ['ist Ruh'])
    """
    if isinstance(source, Text):
        return source
    files = (Path(source),) if isinstance(source, (str, Path)) else tuple(Path(file) for file in source)
    if not files:
        raise DataError("files", "there must be a file of text, none was named. Name one.")
    for file in files:
        _require_file(file)
    repairs = _Repairs()
    characters = sum(map(len, _read(files, repairs)))
    hashes = [sha256(file) for file in files]
    whole = hashes[0] if len(files) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    return Text(files, characters, whole, repairs.notices())


@dataclass
class _Repairs:
    """What was accepted but should be said."""

    windows_ends: int = 0
    marks: int = 0
    joints: int = 0

    def notices(self) -> tuple[str, ...]:
        said = (
            (self.windows_ends, "line end", "of Windows", "read as a plain one", "read as plain ones"),
            (self.marks, "byte order mark", "at the start of a file", "left out", "left out"),
            (self.joints, "line break", "put between files that", "has none", "have none"),
        )
        notices = []
        for count, what, which, one, many in said[:2]:
            if count == 1:
                notices.append(f"1 {what} {which} was {one}")
            elif count:
                notices.append(f"{count:,} {what}s {which} were {many}")
        if self.joints:
            notices.append(f"a line break was put after {self.joints:,} file(s) that end within a line")
        return tuple(notices)


def _require_file(file: Path) -> None:
    if file.is_dir():
        raise DataError(str(file), f"a file of text is needed, this is a folder. Name its files: {file}/*.txt")
    if not file.is_file():
        raise DataError(str(file), "a file must be there, none is. Check the path.")
    if not file.stat().st_size:
        raise DataError(str(file), "a file must hold text, it is empty. Leave it out or get it anew.")


def _read(files: tuple[Path, ...], repairs: _Repairs) -> Iterator[str]:
    """The characters of all files, in parts of any length."""
    for number, file in enumerate(files):
        part = ""
        for part in _decode(file, repairs):
            yield part
        if number < len(files) - 1 and not part.endswith("\n"):
            repairs.joints += 1
            yield "\n"


def _decode(file: Path, repairs: _Repairs) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines, held = 0, ""
    for number, chunk in enumerate(_chunks(file)):
        _refuse_binary(chunk, file, lines)
        try:
            part = held + decoder.decode(chunk)
        except UnicodeDecodeError as error:
            raise _not_utf8(error, file, lines) from None
        if number == 0 and part.startswith("\ufeff"):
            part, repairs.marks = part[1:], repairs.marks + 1
        held = "\r" if part.endswith("\r") else ""  # it may be the first half of a line end
        part = part.removesuffix("\r") if held else part
        repairs.windows_ends += part.count("\r\n")
        lines += chunk.count(b"\n")
        yield part.replace("\r\n", "\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise DataError(
            f"{file}, line {lines + 1}", "text must be UTF-8, the file ends within a character. Get it anew."
        ) from None
    if held:
        yield held


def _chunks(file: Path) -> Iterator[bytes]:
    with open(file, "rb") as stored:
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=stored)) if file.suffix == ".gz" else stored
        try:
            while chunk := stream.read(BLOCK):
                yield chunk
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(str(file), f"a .gz file must be whole gzip data: {error}. Get the file anew.") from None


def _refuse_binary(chunk: bytes, file: Path, lines: int) -> None:
    encoding = wide_encoding(chunk) if lines == 0 else None
    if encoding:
        raise DataError(str(file), f"text must be UTF-8, this is {encoding}. {how_to_convert(encoding, str(file))}")
    if b"\0" in chunk:
        line = lines + chunk.count(b"\n", 0, chunk.index(b"\0")) + 1
        raise DataError(f"{file}, line {line}", "text must have no NUL bytes, one came. This is not a file of text.")


def _not_utf8(error: UnicodeDecodeError, file: Path, lines: int) -> DataError:
    data, place = error.object, error.start
    line = lines + data.count(b"\n", 0, place) + 1
    byte = place - (data.rfind(b"\n", 0, place) + 1) + 1
    encoding = likely_encoding(data)
    return DataError(
        f"{file}, line {line}, byte {byte}",
        f"text must be UTF-8 throughout, the byte 0x{data[place]:02x} came; this part is probably {encoding}. "
        f"{how_to_convert(encoding, str(file))}; a file of mixed encodings needs its lines repaired first",
    )


def _cut(parts: Iterable[str]) -> Iterator[str]:
    """The same characters, in blocks that end at line ends where they can."""
    held = ""
    for part in parts:
        held += part
        if len(held) < BLOCK:
            continue
        end = held.rfind("\n") + 1 or max(held.rfind(" "), 0) or len(held)
        yield held[:end]
        held = held[end:]
    if held:
        yield held
