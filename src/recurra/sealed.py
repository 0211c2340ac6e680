"""Files that a stranger may have made: plain ones of limited size, and JSON that is sealed with its own hash.

Sizes come before reading, hashes are made of the very bytes that are used. No torch here: exports are read so, too.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn

from recurra.errors import BundleError

CHANGED = "must be as it was saved (its SHA-256 differs), it has changed. Get a new copy."
_LIMIT = 12 * 2**20  # bytes of JSON; vocabularies are in it
_VALUES_LIMIT, _CONTAINERS_LIMIT = 700_000, 50_000  # Python takes some 60 and 200 bytes for each
_SEAL = ',\n  "sha256": "{}"\n}}\n'  # the end of the file; the hash is that of all before it


def write_sealed(fields: dict[str, Any], where: str) -> bytes:
    """JSON with its own hash as the last field; what could not be read again is refused."""
    content = seal(json.dumps(fields, indent=2, allow_nan=False))
    _refuse_large(content, where)
    return content


def seal(manifest: str) -> bytes:
    """A manifest with its hash."""
    body = manifest.removesuffix("\n}").encode()
    return body + _SEAL.format(hashlib.sha256(body).hexdigest()).encode()


def read_sealed(path: Path) -> dict[str, Any]:
    """The object in a file of JSON with its own hash: no name twice, no NaN, neither too large nor too deep."""
    with open_plain(path, _LIMIT) as file:
        content = file.read(_LIMIT)
    _check_seal(content, path)
    _refuse_large(content, str(path))
    try:
        fields = json.loads(
            content.decode("ascii"),
            object_pairs_hook=unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise BundleError(str(path), f"must be JSON in ASCII: {error!s:.200}.") from None
    if not isinstance(fields, dict):
        raise BundleError(str(path), f"must be an object with fields, got {fields!r:.50}.")
    return fields


def check_fields(fields: Mapping[str, Any], kinds: Mapping[str, type], newest: int, path: Path) -> None:
    """Refuse fields other than these, of other types, or of another format than the ``newest``, which is the only."""
    if set(fields) != set(kinds):
        raise BundleError(str(path), f"must have exactly the fields {', '.join(kinds)}.")
    for name, kind in kinds.items():
        if type(fields[name]) is not kind:
            raise BundleError(str(path), f"field {name!r} must be of type {kind.__name__}, got {fields[name]!r:.50}.")
    if fields["format"] != newest:
        got = f"{fields['format']!r:.20}"
        raise BundleError(str(path), f"format {newest} can be read, got {got}. Use a newer recurra.")


@contextmanager
def open_plain(path: Path, limit: int) -> Iterator[BufferedReader]:
    """Open a plain file of ``limit`` bytes at most; links, folders, pipes and devices are refused."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would wait for a writer
    except OSError:
        _refuse_kind(path)
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        _refuse_kind(path)
    with os.fdopen(handle, "rb") as file:
        if about.st_size > limit:
            raise BundleError(
                str(path), f"must have {limit:,} bytes at most, it has {about.st_size:,}. Get a new copy."
            )
        yield file


def read_whole(path: Path, entry: Mapping[str, Any]) -> bytes:
    """The bytes of a file, if they have the size and the hash of its ``entry``."""
    with open_plain(path, entry["bytes"]) as file:
        content = file.read(os.fstat(file.fileno()).st_size)  # room for what is there, not for what the entry says
    if len(content) != entry["bytes"] or hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise BundleError(str(path), CHANGED)
    return content


def entry_of(content: bytes) -> dict[str, Any]:
    """What the manifest says of a file."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _refuse_kind(path: Path) -> NoReturn:
    raise BundleError(str(path), "must be a plain file, it is a link, a folder or missing. Get a new copy.") from None


def _check_seal(content: bytes, path: Path) -> None:
    size = len(_SEAL.format("0" * 64))
    body, end = content[:-size], content[-size:]
    if end != _SEAL.format(hashlib.sha256(body).hexdigest()).encode():
        raise BundleError(str(path), CHANGED)


def _refuse_large(content: bytes, where: str) -> None:
    """Count what Python would make objects of, before it makes any."""
    counts = {
        "bytes": (len(content), _LIMIT),
        "values": (content.count(b",") + content.count(b":"), _VALUES_LIMIT),
        "lists and objects": (content.count(b"[") + content.count(b"{"), _CONTAINERS_LIMIT),
    }
    for what, (count, limit) in counts.items():
        if count > limit:
            raise BundleError(where, f"must have {limit:,} {what} at most, it has {count:,}. Use a smaller vocabulary.")


def check_entry(name: str, entry: Any, kinds: Mapping[str, type], path: Path) -> None:
    """Refuse what is said of a file unless it has exactly these fields, of these types."""
    fits = isinstance(entry, dict) and {key: type(value) for key, value in entry.items()} == kinds
    if not fits or entry["bytes"] < 0:
        raise BundleError(str(path), f"must give {', '.join(kinds)} of {name}, got {entry!r:.80}.")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these fields; a name that comes twice is a ValueError."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.20} is beyond the numbers of 64 bits")
    return value
