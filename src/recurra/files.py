"""Files that are whole or absent: written beside their place, flushed to the disk, then renamed. No torch here.

A reader never sees half a file, also after a kill or a power cut: the name appears only when every byte is stored.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = ".unfinished-"


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
