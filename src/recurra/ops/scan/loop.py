"""The loop over time of every reference kernel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from recurra.ops.scan.lengths import real_steps
from recurra.types import State

Step = Callable[[int, State], State]


def scan(
    step: Step, steps: int, state: State, lengths: Tensor | None, collect: int
) -> tuple[tuple[Tensor, ...], State]:
    """Apply ``step(t, state)`` for all t, and return the first ``collect`` parts of the state at all steps.

    The state of a sequence freezes after its last real step; what is collected is zero on padding.
    Collected parts are ``[T, B, ·]``.
    """
    mask = None if lengths is None else real_steps(steps, lengths)
    history: list[State] = []
    for t in range(steps):
        new = step(t, state)
        if mask is not None:
            new = tuple(torch.where(mask[t], now, before) for now, before in zip(new, state, strict=True))
        state = new
        history.append(state)
    return tuple(_stack([past[part] for past in history], state[part], mask) for part in range(collect)), state


def _stack(history: list[Tensor], like: Tensor, mask: Tensor | None) -> Tensor:
    if not history:
        return like.new_zeros((0, *like.shape))
    stacked = torch.stack(history)
    return stacked if mask is None else stacked.masked_fill(~mask, 0)
