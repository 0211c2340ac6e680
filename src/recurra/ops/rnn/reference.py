"""The simple recurrent network: the truth that all kernels must match."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

from recurra.ops.rnn.options import RNNOptions, RNNWeights
from recurra.ops.scan import scan
from recurra.types import State

GATES = ("h",)


def project(x: Tensor, weights: RNNWeights) -> Tensor:
    """The pre-activations ``[T, B, H]`` of all steps: one matrix product, and both biases."""
    a = linear(x, weights.input)
    if weights.bias_input is not None and weights.bias_recurrent is not None:
        a = a + (weights.bias_input + weights.bias_recurrent)
    return a


def step(a: Tensor, state: State, weights: RNNWeights, options: RNNOptions, drop_h: Tensor | None = None) -> State:
    """One step from pre-activations ``a [B, H]``; the state is ``(h,)``."""
    (h,) = state
    s = a + linear(h if drop_h is None else h * drop_h, weights.recurrent)
    return (torch.tanh(s) if options.nonlinearity == "tanh" else torch.relu(s),)


def loop(
    a: Tensor,
    state: State,
    weights: RNNWeights,
    options: RNNOptions,
    lengths: Tensor | None = None,
    drop_h: Tensor | None = None,
) -> tuple[Tensor, State]:
    """All steps of ``a [T, B, H]``: h ``[T, B, H]`` of every step, and the final state."""
    rows = a.unbind(0)

    def at(t: int, state: State) -> State:
        return step(rows[t], state, weights, options, drop_h)

    (y,), state = scan(at, len(a), state, lengths, collect=1)
    return y, state
