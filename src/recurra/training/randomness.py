"""Seeds. Every random number of a run comes from torch's generator, which the caller gets back as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

CPU = torch.device("cpu")


def mix(seed: int, *purpose: str | int) -> int:
    """Derive the seed of one purpose, so that no two purposes share a stream of random numbers."""
    text = ":".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


@contextmanager
def seeded(seed: int, device: torch.device = CPU) -> Iterator[None]:
    """Run a block under a seed; afterwards the generators of the CPU and of ``device`` are as they were.

    >>> with seeded(3):
    ...     first = torch.nn.LSTM(1, 4)
    >>> with seeded(3):
    ...     second = torch.nn.LSTM(1, 4)
    >>> torch.equal(first.weight_hh_l0, second.weight_hh_l0)
    True
    """
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng([device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Read the state of every generator that a run on ``device`` draws from: ``[n]`` uint8 each, on the CPU."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_states(states: dict[str, Tensor], device: torch.device) -> None:
    """Put the generators back into the states that :func:`random_states` read."""
    torch.set_rng_state(states["cpu"].clone())
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"].clone(), device)
