"""All that the next step of a run depends on, and how it is stored and found again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from recurra.errors import CheckpointError
from recurra.files import alone_in
from recurra.training import checkpoint as checkpoints
from recurra.training.checkpoint import Checkpoint
from recurra.training.feed import Feed
from recurra.training.history import Epoch
from recurra.training.optimizers import Plateau, optimizer_tensors, set_optimizer_tensors
from recurra.training.randomness import random_states, set_random_states
from recurra.training.weights import Average, put_back, tensors_of


@dataclass
class State:
    """Where a run is: plain values, which go into the JSON of a checkpoint as they are."""

    step: int = 0
    loss_sum: float = 0.0  # since the last line of the log
    loss_count: int = 0
    seconds: float = 0.0  # of all sittings before this one
    history: list[Epoch] = field(default_factory=list)
    best: Epoch | None = None
    plateau: Plateau = field(default_factory=Plateau)
    stopped: str | None = None

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> State:
        """Build the state that ``dataclasses.asdict`` took apart."""
        history = [Epoch(**epoch) for epoch in values["history"]]
        best = Epoch(**values["best"]) if values["best"] else None
        return cls(**{**values, "history": history, "best": best, "plateau": Plateau(**values["plateau"])})


@dataclass
class Parts:
    """The tensors of a run: the model, what surrounds it, what its data carry, and the best weights so far."""

    model: nn.Module
    optimizer: Optimizer
    average: Average | None
    feed: Feed
    device: torch.device
    best: dict[str, Tensor] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by ``group/name``, not copied."""
        groups = {
            "model": tensors_of(self.model),
            "average": self.average.values if self.average else {},
            "best": self.best,
            "optimizer": optimizer_tensors(self.optimizer),
            "carried": self.feed.tensors(),
            "random": random_states(self.device),
        }
        return {f"{group}/{name}": tensor for group, values in groups.items() for name, tensor in values.items()}

    def load(self, found: Checkpoint) -> None:
        """Take over the values of a checkpoint, down to the state of the random generators."""
        put_back(self.model, found.group("model"))
        self.best = {name: value.to(self.device) for name, value in found.group("best").items()}
        if self.average:
            self.average.load(found.group("average"))
        set_optimizer_tensors(self.optimizer, found.group("optimizer"))
        self.feed.load({name: value.to(self.device) for name, value in found.group("carried").items()})
        set_random_states(found.group("random"), self.device)


@contextmanager
def held(folder: Path, where: str) -> Iterator[None]:
    """Keep every other run out of a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(alone_in(folder))
        except BlockingIOError:
            raise CheckpointError(
                where,
                f"a folder must have one run at a time, another one is at work in {folder}. Wait for it or stop it.",
            ) from None
        yield


@dataclass
class Store:
    """The folder of a run; ``identity`` is what must be the same for the run to go on."""

    folder: Path
    identity: dict[str, Any]
    where: str
    saved_step: int = 0

    def restore(self, parts: Parts, notice: Callable[[str], None]) -> State:
        """Go on from the newest checkpoint, or from the start if there is none."""
        found = checkpoints.load_newest(self.folder, notice)
        if found is None:
            return State()
        self._check_same(found, parts)
        parts.load(found)
        self.saved_step = found.step
        return State.from_json(found.facts["state"])

    def save(self, state: State, parts: Parts, seconds: float) -> None:
        """Write a checkpoint."""
        facts = {"identity": self.identity, "state": dataclasses.asdict(dataclasses.replace(state, seconds=seconds))}
        checkpoints.save(self.folder, Checkpoint(state.step, facts, parts.tensors()))
        self.saved_step = state.step

    def _check_same(self, found: Checkpoint, parts: Parts) -> None:
        now = {**self.identity, **_shapes(parts.tensors())}
        before = {**found.facts["identity"], **_shapes(found.tensors)}
        for name in [*now, *before]:
            if now.get(name) != before.get(name):
                raise CheckpointError(
                    self.where,
                    f"{self.folder} holds a run with {name} = {before.get(name)}, this one has {now.get(name)}. "
                    "Go on with the data and settings it was started with, or train in another folder.",
                )


def _shapes(tensors: dict[str, Tensor]) -> dict[str, list[int]]:
    return {f"shape of {name}": list(tensor.shape) for name, tensor in tensors.items() if name.startswith("model/")}
