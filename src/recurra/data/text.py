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
_HEAD = 4096  # bytes that tell an encoding
_LONGEST_CHARACTER = 4  # bytes
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
        DataError: a file is missing, empty, named twice, or not UTF-8; it names file, line and byte.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "poem.txt"
    >>> _ = path.write_bytes("Über allen Gipfeln\\r\\nist Ruh".encode())
    >>> text = read_text(path)
    >>> text.characters, text.notices, list(text.blocks(start=19))
    (26, ('line ends of Windows, read as plain ones: 1',), ['ist Ruh'])
    """
    if isinstance(source, Text):
        return source
    files = (Path(source),) if isinstance(source, (str, Path)) else tuple(Path(file) for file in source)
    if not files:
        raise DataError("files", "there must be a file of text, none was named. Name one.")
    for file in files:
        _require_file(file)
    _refuse_repeated(files)
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
        counts = {
            "line ends of Windows, read as plain ones": self.windows_ends,
            "byte order marks at the start of a file, left out": self.marks,
            "line breaks put after files that end within a line": self.joints,
        }
        return tuple(f"{what}: {count:,}" for what, count in counts.items() if count)


def _require_file(file: Path) -> None:
    if file.is_dir():
        raise DataError(str(file), f"a file of text is needed, this is a folder. Name its files: {file}/*.txt")
    if not file.is_file():
        raise DataError(str(file), "a file must be there, none is. Check the path.")
    if not file.stat().st_size:
        raise DataError(str(file), "a file must hold text, it is empty. Leave it out or get it anew.")


def _refuse_repeated(files: tuple[Path, ...]) -> None:
    seen: set[Path] = set()
    for file in files:
        if (same := file.resolve()) in seen:
            raise DataError(
                str(file),
                "a file must be named once, it is named twice: the end that is held out would be learned. "
                "Name it once.",
            )
        seen.add(same)


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
    offset, begun, held = 0, False, ""
    for chunk in _chunks(file):
        if b"\0" in chunk:
            raise _damage(file, offset + chunk.index(b"\0"))
        try:
            part = held + decoder.decode(chunk)
        except UnicodeDecodeError as error:
            raise _damage(file, offset + len(chunk) - len(error.object) + error.start) from None
        offset += len(chunk)
        if part and not begun:
            repairs.marks += part.startswith("\ufeff")
            part, begun = part.removeprefix("\ufeff"), True
        held = "\r" if part.endswith("\r") else ""  # it may be the first half of a line end
        part = part.removesuffix(held)
        repairs.windows_ends += part.count("\r\n")
        yield part.replace("\r\n", "\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _damage(file, offset - len(error.object)) from None
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


def _damage(file: Path, offset: int) -> DataError:
    """The error about the byte at ``offset``: found again, so that its line and its place there can be told."""
    head, rest, line, line_start, place = b"", b"", 1, 0, 0
    for chunk in _chunks(file):
        head = head if len(head) >= _HEAD else head + chunk
        before, rest = chunk[: max(offset - place, 0)], rest + chunk[max(offset - place, 0) :]
        if b"\n" in before:
            line, line_start = line + before.count(b"\n"), place + before.rindex(b"\n") + 1
        place += len(chunk)
        if len(rest) >= _LONGEST_CHARACTER and len(head) >= _HEAD:
            break
    where = f"{file}, line {line}, byte {offset - line_start + 1}"
    encoding = wide_encoding(head[:_HEAD])
    if encoding:
        return DataError(str(file), f"text must be UTF-8, this is {encoding}. {how_to_convert(encoding, str(file))}")
    if rest[:1] == b"\0":
        return DataError(where, "text must have no NUL bytes, one came. This is not a file of text.")
    if place <= offset + _LONGEST_CHARACTER and _is_cut_off(rest):
        return DataError(where, "text must be UTF-8, the file ends within a character. It is cut off: get it anew.")
    encoding = likely_encoding(rest)
    return DataError(
        where,
        f"text must be UTF-8 throughout, the byte 0x{rest[0]:02x} came; this part is probably {encoding}. "
        f"{how_to_convert(encoding, str(file))}; if other parts are UTF-8, repair the lines first",
    )


def _is_cut_off(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return False


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
