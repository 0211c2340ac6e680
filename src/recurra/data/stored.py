"""The bytes of a user's file."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from recurra.errors import DataError

GZIP = b"\x1f\x8b"  # what gzip data begin with


def bytes_of(path: Path) -> bytes:
    """All bytes of a file; one that is not there or cannot be read is a :class:`DataError`."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(str(path), "a file must be there, none is. Check the path.") from None
    except OSError as error:
        raise DataError(str(path), f"the file must be readable: {error.strerror}.") from None


def unzip(stored: bytes, name: str) -> bytes:
    """What gzip made ``stored`` of; what is cut or damaged is a :class:`DataError`.

    >>> unzip(gzip.compress(b"a,b"), "data.csv.gz")
    b'a,b'
    """
    try:
        return gzip.decompress(stored)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(name, f"a .gz file must be whole gzip data: {error}. Get the file anew.") from None
