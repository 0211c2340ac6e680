"""The files of a bundle as they lie on disk: which there are, how large they may be, and whether they are as saved.

Everything here expects a bundle from a stranger: sizes come before reading, hashes are made of the very bytes that are
used, names come out of closed tables. What the settings mean is for the task to say; :mod:`recurra.bundle` asks it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn

from recurra.errors import BundleError, nearest
from recurra.tasks import TASKS

FORMAT = 1
MANIFEST, WEIGHTS, REPORT = "bundle.json", "weights.safetensors", "report.html"
_MANIFEST_LIMIT = 12 * 2**20  # bytes; vocabularies are in it
_REPORT_LIMIT = 64 * 2**20  # bytes
_VALUES_LIMIT, _CONTAINERS_LIMIT = 700_000, 50_000  # of the manifest; Python takes some 60 and 200 bytes for each
_SEAL = ',\n  "sha256": "{}"\n}}\n'  # the end of the manifest; the hash is that of all before it
_CHANGED = "must be as it was saved (its SHA-256 differs), it has changed. Get a new copy."
_FIELDS = {
    "format": int,
    "task": str,
    "settings": dict,
    "scores": dict,
    "provenance": dict,
    "files": dict,
    "sha256": str,
}


def write_manifest(fields: dict[str, Any]) -> bytes:
    """The bytes of a manifest, its own hash as the last field; one that could not be read again is refused."""
    content = seal(json.dumps({"format": FORMAT, **fields}, indent=2, allow_nan=False))
    _refuse_large(content, MANIFEST)
    return content


def seal(manifest: str) -> bytes:
    """A manifest with its hash."""
    body = manifest.removesuffix("\n}").encode()
    return body + _SEAL.format(hashlib.sha256(body).hexdigest()).encode()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The fields of a manifest: whole, of this format, of a known task, listing known files."""
    path = folder / MANIFEST
    if not path.exists():
        raise BundleError(str(folder), f"a bundle must hold {MANIFEST}, there is none. Check the path.")
    with open_plain(path, _MANIFEST_LIMIT) as file:
        content = file.read(_MANIFEST_LIMIT)
    _check_seal(content, path)
    _refuse_large(content, str(path))
    try:
        manifest = json.loads(
            content.decode("ascii"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise BundleError(str(path), f"must be JSON in ASCII: {error!s:.200}.") from None
    _check_fields(manifest, path)
    for name, entry in manifest["files"].items():
        _check_entry(name, entry, path)
    return dict(manifest)


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


def read_weights(folder: Path, entry: dict[str, Any]) -> bytes:
    """The bytes of the weights, if they are those that the manifest speaks of."""
    path = folder / WEIGHTS
    with open_plain(path, entry["bytes"]) as file:
        content = file.read(entry["bytes"])
    if len(content) != entry["bytes"] or hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise BundleError(str(path), _CHANGED)
    return content


def check_header(content: bytes, path: Path) -> None:
    """Refuse a header of weights that says something twice: readers differ in what they take it for."""
    size = int.from_bytes(content[:8], "little")
    try:
        json.loads(content[8 : 8 + size].decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise BundleError(str(path), f"must be in the safetensors format: {error!s:.200}.") from None


def check_report(folder: Path, entry: dict[str, Any]) -> None:
    """Refuse a report that has changed; it may be missing: it is for people, nobody needs it to predict."""
    path = folder / REPORT
    if not os.path.lexists(path):
        return
    with open_plain(path, min(entry["bytes"], _REPORT_LIMIT)) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
            raise BundleError(str(path), _CHANGED)


def entry_of(content: bytes) -> dict[str, Any]:
    """What the manifest says of a file."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _refuse_kind(path: Path) -> NoReturn:
    raise BundleError(str(path), "must be a plain file, it is a link, a folder or missing. Get a new copy.") from None


def _check_seal(content: bytes, path: Path) -> None:
    size = len(_SEAL.format("0" * 64))
    body, end = content[:-size], content[-size:]
    if end != _SEAL.format(hashlib.sha256(body).hexdigest()).encode():
        raise BundleError(str(path), _CHANGED)


def _refuse_large(content: bytes, where: str) -> None:
    """Count what Python would make objects of, before it makes any."""
    counts = {
        "bytes": (len(content), _MANIFEST_LIMIT),
        "values": (content.count(b",") + content.count(b":"), _VALUES_LIMIT),
        "lists and objects": (content.count(b"[") + content.count(b"{"), _CONTAINERS_LIMIT),
    }
    for what, (count, limit) in counts.items():
        if count > limit:
            raise BundleError(where, f"must have {limit:,} {what} at most, it has {count:,}. Use a smaller vocabulary.")


def _check_fields(manifest: Any, path: Path) -> None:
    if not isinstance(manifest, dict) or set(manifest) != set(_FIELDS):
        raise BundleError(str(path), f"must have exactly the fields {', '.join(_FIELDS)}.")
    for name, kind in _FIELDS.items():
        if type(manifest[name]) is not kind:
            raise BundleError(str(path), f"field {name!r} must be of type {kind.__name__}, got {manifest[name]!r:.50}.")
    if manifest["format"] != FORMAT:
        got = f"{manifest['format']!r:.20}"
        raise BundleError(str(path), f"format {FORMAT} can be read, got {got}. Use a newer recurra.")
    if manifest["task"] not in TASKS:
        raise BundleError(str(path), f"unknown task {manifest['task']!r:.50}. {nearest(manifest['task'][:50], TASKS)}")
    unknown = set(manifest["files"]) - {WEIGHTS, REPORT}
    if unknown:
        raise BundleError(str(path), f"may list {WEIGHTS} and {REPORT} only, lists {sorted(unknown)[0]!r:.80}.")
    if WEIGHTS not in manifest["files"]:
        raise BundleError(str(path), f"must list {WEIGHTS}, lists {sorted(manifest['files']) or 'no files'}.")


def _check_entry(name: str, entry: Any, path: Path) -> None:
    kinds = {"bytes": int, "sha256": str}
    fits = isinstance(entry, dict) and {key: type(value) for key, value in entry.items()} == kinds
    if not fits or entry["bytes"] < 0:
        raise BundleError(str(path), f"must give bytes and sha256 of {name}, got {entry!r:.80}.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
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
