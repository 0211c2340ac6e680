"""The files of a bundle as they lie on disk: which there are, and whether they are as saved.

Everything here expects a bundle from a stranger: :mod:`recurra.sealed` reads it, names come out of closed tables. What
the settings mean is for the task to say; :mod:`recurra.bundle` asks it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recurra.errors import BundleError, nearest
from recurra.sealed import CHANGED, check_entry, check_fields, open_plain, read_sealed, unique, write_sealed
from recurra.tasks import TASKS

FORMAT = 1
MANIFEST, WEIGHTS, REPORT = "bundle.json", "weights.safetensors", "report.html"
_REPORT_LIMIT = 64 * 2**20  # bytes
_ENTRY = {"bytes": int, "sha256": str}
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
    """The bytes of a manifest."""
    return write_sealed({"format": FORMAT, **fields}, MANIFEST)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The fields of a manifest: whole, of this format, of a known task, listing known files."""
    path = folder / MANIFEST
    if not path.exists():
        raise BundleError(str(folder), f"a bundle must hold {MANIFEST}, there is none. Check the path.")
    manifest = read_sealed(path)
    check_fields(manifest, _FIELDS, FORMAT, path)
    if manifest["task"] not in TASKS:
        raise BundleError(str(path), f"unknown task {manifest['task']!r:.50}. {nearest(manifest['task'][:50], TASKS)}")
    _check_files(manifest["files"], path)
    return manifest


def check_header(content: bytes, path: Path) -> None:
    """Refuse a header of weights that says something twice: readers differ in what they take it for."""
    size = int.from_bytes(content[:8], "little")
    try:
        json.loads(content[8 : 8 + size].decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise BundleError(str(path), f"must be in the safetensors format: {error!s:.200}.") from None


def check_report(folder: Path, entry: dict[str, Any]) -> None:
    """Refuse a report that has changed; it may be missing: it is for people, nobody needs it to predict."""
    path = folder / REPORT
    if not os.path.lexists(path):
        return
    with open_plain(path, min(entry["bytes"], _REPORT_LIMIT)) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
            raise BundleError(str(path), CHANGED)


def _check_files(files: Mapping[str, Any], path: Path) -> None:
    unknown = set(files) - {WEIGHTS, REPORT}
    if unknown:
        raise BundleError(str(path), f"may list {WEIGHTS} and {REPORT} only, lists {sorted(unknown)[0]!r:.80}.")
    if WEIGHTS not in files:
        raise BundleError(str(path), f"must list {WEIGHTS}, lists {sorted(files) or 'no files'}.")
    for name, entry in files.items():
        check_entry(name, entry, _ENTRY, path)
