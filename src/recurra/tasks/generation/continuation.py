"""Where a model is in a text, so that it can go on later: in memory, or in a file of plain tensors."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from recurra.errors import BundleError
from recurra.files import write_atomically
from recurra.nn.fingerprint import digest
from recurra.tasks.generation.parts import START
from recurra.types import State

_FORMAT = 1
_LIMIT = 2**30  # bytes of a file


@dataclass(frozen=True, eq=False)
class Continuation:
    """All that the next symbol depends on.

    >>> Continuation().unread
    (0,)
    """

    state: State | None = None
    """Of the recurrent layers, after all that was read."""
    unread: tuple[int, ...] = (START,)
    """Ids that were chosen or given but not yet read."""
    recent: tuple[int, ...] = ()
    """The last ids of the text, for the repetition penalty and for the joint to the text to come."""
    random: Tensor | None = None
    """The state of the generator of random numbers, ``[n]`` uint8; None before the first draw."""
    model: str = field(default="")
    """The fingerprint of the model it belongs to."""

    def save(self, path: str | Path) -> None:
        """Write it to a file, whole or not at all."""
        tensors = {f"state/{number}": part.contiguous() for number, part in enumerate(self.state or ())}
        if self.random is not None:
            tensors["random"] = self.random
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
        return cls(parts or None, unread, recent, tensors.get("random"), str(about["model"]))


def _seal(about: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    return hashlib.sha256(f"{json.dumps(about, sort_keys=True)} {digest(tensors)}".encode()).hexdigest()
