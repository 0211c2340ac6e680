"""Where a bundle's model is in a text, in a file of plain tensors, so that it can go on later."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from recurra.errors import BundleError
from recurra.files import write_atomically
from recurra.nn.fingerprint import digest
from recurra.tasks.generation.position import KEPT, Position

_FORMAT = 2  # 1 had the generator of torch
_LIMIT = 2**30  # bytes of a file


class Continuation(Position):
    """A position whose state consists of tensors."""

    def save(self, path: str | Path) -> None:
        """Write it to a file, whole or not at all."""
        tensors = {f"state/{number}": part.contiguous() for number, part in enumerate(self.state or ())}
        if self.random is not None:
            tensors["random"] = torch.from_numpy(self.random.copy())
        about = {
            "format": _FORMAT,
            "model": self.model,
            "unread": list(self.unread),
            "recent": list(self.recent),
        }
        sealed = json.dumps({**about, "sha256": _seal(about, tensors)})
        write_atomically(Path(path), safetensors.torch.save(tensors, {"continuation": sealed}))

    @classmethod
    def load(cls, path: str | Path) -> Continuation:
        """Read it from a file, also one from a stranger.

        Raises:
            BundleError: it is damaged, or no such file.
        """
        path = Path(path)
        if not path.is_file():
            raise BundleError(str(path), "a saved state must be there, there is none. Check the path.")
        if path.stat().st_size > _LIMIT:
            raise BundleError(str(path), f"a saved state has {_LIMIT:,} bytes at most, this file has more.")
        try:
            with safetensors.safe_open(path, "pt") as file:
                about = json.loads((file.metadata() or {})["continuation"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
            return cls._of(about, tensors)
        except (safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
            raise BundleError(str(path), f"must be a state that was saved by recurra: {error}. Save it anew.") from None

    @classmethod
    def _of(cls, about: dict[str, Any], tensors: dict[str, Tensor]) -> Continuation:
        if about["format"] != _FORMAT:
            raise ValueError(f"its format is {about['format']}, {_FORMAT} can be read")
        if about.pop("sha256") != _seal(about, tensors):
            raise ValueError("it has changed since (its SHA-256 differs)")
        parts = tuple(tensors[f"state/{number}"] for number in range(sum(name != "random" for name in tensors)))
        unread, recent = tuple(map(int, about["unread"])), tuple(map(int, about["recent"]))
        random = tensors["random"].numpy() if "random" in tensors else None
        if random is not None and (random.dtype != np.uint8 or random.shape != (KEPT,)):
            raise ValueError(f"its generator must have {KEPT} bytes")
        return cls(parts or None, unread, recent, random, str(about["model"]))


def _seal(about: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    return hashlib.sha256(f"{json.dumps(about, sort_keys=True)} {digest(tensors)}".encode()).hexdigest()
