"""What a training run tells about itself: one line per epoch, and the result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One line of the log: the state of the run at a validation."""

    epoch: int  # counts from 1
    step: int  # optimiser steps done
    loss: float  # mean training loss since the last line
    validation: float | None  # lower is better
    learning_rate: float  # of the last step
    seconds: float  # spent on training so far, all sittings together


@dataclass(frozen=True)
class Trained:
    """The result of a run; ``best`` is the epoch whose weights the model now has."""

    history: tuple[Epoch, ...]
    best: Epoch
    steps: int
    seconds: float
    stopped: str  # "finished" or "no gain for 8 validations"
