"""Files that are whole or absent: written beside their place, flushed to the disk, then renamed. No torch here.

A reader never sees half a file, also after a kill or a power cut: the name appears only when every byte is stored.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = ".unfinished-"
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE of Linux


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; what was written there takes the name ``path`` at the end.

    After an exception in the block ``path`` is as it was and the temporary file is gone. The folder must exist.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())  # any folder that exists
    >>> with atomic_path(folder / "scores.csv") as unfinished:
    ...     _ = unfinished.write_text("mase,0.8")
    >>> [file.name for file in folder.iterdir()]
    ['scores.csv']
    """
    path = Path(path)
    unfinished = path.with_name(f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}-{path.name}")
    try:
        yield unfinished
        _flush(unfinished)
        os.replace(unfinished, path)
        _flush(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """Yield a temporary folder for files of these ``names``; at the end they are in ``folder``, all of them or none.

    The last name is the one that makes the others count. Where ``folder`` has it already, the two folders change
    places in one step of the file system, and what else was in the old one is moved back. Where the file system cannot
    do that, or this process is at work in the old one, there is for a moment no such file. After an exception in the
    block ``folder`` is as it was.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "model"
    >>> with atomic_folder(folder, ["weights", "manifest"]) as unfinished:
    ...     _ = [(unfinished / name).write_text("…") for name in ("weights", "manifest")]
    >>> sorted(file.name for file in folder.iterdir())
    ['manifest', 'weights']
    """
    folder = Path(folder).resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    home = folder.parent if _may_change_places(folder, names[-1]) else folder
    unfinished = home / f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}-{folder.name}"
    unfinished.mkdir()
    try:
        yield unfinished
        for file in unfinished.iterdir():
            _flush(file)
        _flush(unfinished)
        _put_in_place(unfinished, folder, names)
    finally:
        for name in names:  # those of the old folder, if they changed places; nothing else is ever deleted
            (unfinished / name).unlink(missing_ok=True)
        with suppress(OSError):
            unfinished.rmdir()


def _may_change_places(folder: Path, last: str) -> bool:
    """Whether the new folder is made beside the old one; within it if nothing is replaced, or it is a place of its own.

    A folder that a container was given is one: nobody may write beside it, or that is another disk.
    """
    if not folder.exists():
        return True
    beside = os.access(folder.parent, os.W_OK) and folder.stat().st_dev == folder.parent.stat().st_dev
    return (folder / last).exists() and beside and not Path.cwd().is_relative_to(folder)


def _put_in_place(new: Path, folder: Path, names: Sequence[str]) -> None:
    if not folder.exists():
        os.rename(new, folder)
    elif new.parent == folder.parent and _exchange(new, folder):
        _flush(folder.parent)
        for other in sorted(new.iterdir()):  # the old folder now
            if other.name not in names:
                os.rename(other, folder / other.name)
    else:
        (folder / names[-1]).unlink(missing_ok=True)
        for name in names:
            (folder / name).unlink(missing_ok=True)
            if (new / name).exists():
                os.rename(new / name, folder / name)
        _flush(folder)
    _flush(folder.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places; False where the system or the file system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    return rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file or none; the folder must exist."""
    with atomic_path(path) as unfinished:
        unfinished.write_bytes(content)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(folder: Path) -> None:
    """Delete what killed writers left behind; no other writer may be at work in the folder."""
    for left in Path(folder).glob(f"{_PREFIX}*"):
        left.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder for one writer; the system lets go of it when the process ends, however that comes about.

    Raises:
        BlockingIOError: another writer holds the folder.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
