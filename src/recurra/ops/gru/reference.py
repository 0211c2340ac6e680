"""The GRU in both forms, as the papers print it: the truth that all kernels must match."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

from recurra.ops.gru.options import GRUOptions, GRUWeights
from recurra.ops.scan import scan
from recurra.types import State

GATES = ("r", "z", "n")


def split(a: Tensor) -> dict[str, Tensor]:
    """The parts of ``a`` under the names of the gates."""
    return dict(zip(GATES, a.chunk(len(GATES), dim=-1), strict=True))


def project(x: Tensor, weights: GRUWeights) -> Tensor:
    """The pre-activations ``[T, B, G]`` of all steps, with the bias of the input only."""
    return linear(x, weights.input, weights.bias_input)


def step(a: Tensor, state: State, weights: GRUWeights, options: GRUOptions, drop_h: Tensor | None = None) -> State:
    """One step from pre-activations ``a [B, G]``; the state is ``(h,)``."""
    (h,) = state
    s = split(a)
    seen = h if drop_h is None else h * drop_h
    u = split(linear(seen, weights.recurrent, weights.bias_recurrent))
    r = torch.sigmoid(s["r"] + u["r"])
    z = torch.sigmoid(s["z"] + u["z"])
    u_n = u["n"] * r if options.reset == "after" else _candidate_product(r * seen, weights)
    n = torch.tanh(s["n"] + u_n)
    return ((1 - z) * n + z * h,)


def _candidate_product(h: Tensor, weights: GRUWeights) -> Tensor:
    bias = weights.bias_recurrent
    return linear(h, weights.recurrent.chunk(3)[GATES.index("n")], None if bias is None else split(bias)["n"])


def loop(
    a: Tensor,
    state: State,
    weights: GRUWeights,
    options: GRUOptions,
    lengths: Tensor | None = None,
    drop_h: Tensor | None = None,
) -> tuple[Tensor, State]:
    """All steps of ``a [T, B, G]``: h ``[T, B, H]`` of every step, and the final state."""
    rows = a.unbind(0)

    def at(t: int, state: State) -> State:
        return step(rows[t], state, weights, options, drop_h)

    (y,), state = scan(at, len(a), state, lengths, collect=1)
    return y, state
