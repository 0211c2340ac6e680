"""The log of a run: one JSON object per line, never a line doubled or lost, however often the run was killed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Log:
    """Appends lines to ``log.jsonl``; on opening, all after step ``kept`` is cut off, as the run does it again."""

    def __init__(self, path: Path, kept: int) -> None:
        _cut(path, kept)
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - open as long as the run

    def write(self, **record: Any) -> None:
        """Append one line; a kill of the process cannot lose it any more."""
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        self._file.flush()

    def sync(self) -> None:
        """Store the lines on the disk; called before a checkpoint, which counts on them."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _cut(path: Path, kept: int) -> None:
    if not path.exists():
        return
    good = 0
    for line in path.read_bytes().splitlines(keepends=True):
        if _step(line) > kept:
            break
        good += len(line)
    os.truncate(path, good)


def _step(line: bytes) -> float:
    """The step of a line; a torn or foreign line counts as later than all others."""
    if not line.endswith(b"\n"):
        return float("inf")
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
