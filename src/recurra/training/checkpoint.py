"""Checkpoints that survive a kill at any moment. They hold tensors and JSON, never a pickle.

A checkpoint is two files, ``checkpoint-<step>.safetensors`` and ``checkpoint-<step>.json``; the JSON holds the SHA-256
of the tensors and of itself. ``latest.json`` names the newest one and is written last: what it does not name is not
yet a checkpoint. Each file is whole or absent (:mod:`recurra.files`), and the newest two checkpoints are kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from recurra.errors import CheckpointError
from recurra.files import sweep, write_atomically

FORMAT = 1
_KEPT = 2
_NAME = re.compile(r"checkpoint-(\d+)\.(json|safetensors)")


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on exactly: ``facts`` are plain JSON values, ``tensors`` lie on the CPU."""

    step: int
    facts: dict[str, Any]
    tensors: dict[str, Tensor]

    def group(self, prefix: str) -> dict[str, Tensor]:
        """The tensors named ``prefix/…``, without the prefix, each in memory of its own."""
        start = f"{prefix}/"
        return {name.removeprefix(start): t.clone() for name, t in self.tensors.items() if name.startswith(start)}


class _TornError(Exception):
    """A file is missing, cut short or altered."""


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; a kill at any moment leaves either it or the one before as the latest."""
    stem = f"checkpoint-{checkpoint.step}"
    tensors = safetensors.torch.save({name: _storable(tensor) for name, tensor in checkpoint.tensors.items()})
    body = {"step": checkpoint.step, "tensors_sha256": hashlib.sha256(tensors).hexdigest(), **checkpoint.facts}
    write_atomically(folder / f"{stem}.safetensors", tensors)
    write_atomically(folder / f"{stem}.json", _sealed(body))
    write_atomically(folder / "latest.json", _sealed({"checkpoint": stem}))
    _delete(folder, [step for step in _steps(folder) if step != checkpoint.step][_KEPT - 1 :])


def load_newest(folder: Path, notice: Callable[[str], None]) -> Checkpoint | None:
    """Read the newest valid checkpoint, or None where there is none, and sweep what is not part of one.

    Damaged files are passed over with a notice, never read.

    Raises:
        CheckpointError: a checkpoint is of another format version.
    """
    sweep(folder)
    loaded = _first_valid(folder, notice)
    newest = loaded.step if loaded else -1
    _delete(folder, [step for step in _steps(folder) if step > newest])
    return loaded


def _first_valid(folder: Path, notice: Callable[[str], None]) -> Checkpoint | None:
    for step in _candidates(folder):
        try:
            return _read(folder, step)
        except _TornError as damage:
            notice(f"The checkpoint of step {step} in {folder} is damaged and is passed over: {damage}.")
    return None


def _candidates(folder: Path) -> Iterator[int]:
    """The step that the pointer names, then the older ones; all of them, newest first, if there is no pointer."""
    steps = _steps(folder)
    try:
        pointed = int(_unsealed(folder / "latest.json")["checkpoint"].removeprefix("checkpoint-"))
    except (_TornError, KeyError, ValueError):
        yield from steps
        return
    yield pointed
    yield from (step for step in steps if step != pointed)


def _read(folder: Path, step: int) -> Checkpoint:
    facts = _unsealed(folder / f"checkpoint-{step}.json")
    path = folder / f"checkpoint-{step}.safetensors"
    content = _bytes(path)
    if hashlib.sha256(content).hexdigest() != facts.pop("tensors_sha256", None):
        raise _TornError(f"{path.name} is not the file that was written")
    try:
        return Checkpoint(facts.pop("step"), facts, safetensors.torch.load(content))
    except SafetensorError as error:
        raise _TornError(f"{path.name}: {error}") from None


def _sealed(body: dict[str, Any]) -> bytes:
    """JSON that knows its own SHA-256 and the version of the format."""
    return _written({"format": FORMAT, "sha256": _seal(FORMAT, body), "body": body})


def _unsealed(path: Path) -> dict[str, Any]:
    content = _bytes(path)
    try:
        document = json.loads(content)
        version, body = document["format"], document["body"]
        seal = _seal(version, body)
    except (ValueError, KeyError, TypeError):
        raise _TornError(f"{path.name} is not a whole JSON file") from None
    # The seal is that of the values; the last digit of a number may change and leave the value as it was.
    if seal != document.get("sha256") or content != _written(document):
        raise _TornError(f"{path.name} is not the file that was written")
    if version != FORMAT:
        raise CheckpointError(
            str(path),
            f"the format must be version {FORMAT}, got {version!r}. Go on with the version of Recurra that wrote it.",
        )
    return dict(body)


def _written(document: dict[str, Any]) -> bytes:
    return json.dumps(document, allow_nan=False, indent=1).encode()


def _seal(version: int, body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([version, body], sort_keys=True, allow_nan=False).encode()).hexdigest()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _TornError(f"{path.name} is missing") from None


def _storable(tensor: Tensor) -> Tensor:
    """A copy of its own: safetensors takes no views, and tensors of a model may share memory."""
    return tensor.detach().clone().contiguous().cpu()


def _steps(folder: Path) -> list[int]:
    """The steps of which there is any file, newest first."""
    found = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted({int(match[1]) for match in found if match}, reverse=True)


def _delete(folder: Path, steps: list[int]) -> None:
    for step in steps:
        for ending in ("json", "safetensors"):
            (folder / f"checkpoint-{step}.{ending}").unlink(missing_ok=True)
