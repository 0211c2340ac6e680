"""Torch's fused GRU, for the plain form, on padded input."""

from __future__ import annotations

import torch
from torch import Tensor

from recurra.ops.gru.options import GRUWeights
from recurra.ops.scan import last_real, zero_padding
from recurra.types import State


def loop(x: Tensor, state: State, weights: GRUWeights, lengths: Tensor | None) -> tuple[Tensor, State]:
    """All steps of the raw input ``x [T, B, D]``: h ``[T, B, H]`` and the final state."""
    (h,) = state
    given = (weights.input, weights.recurrent, weights.bias_input, weights.bias_recurrent)
    parameters = [weight for weight in given if weight is not None]
    y, (last,) = stack(x, (h[None],), parameters, weights.bias_input is not None)
    if lengths is None:
        return y, (last[0],)
    return zero_padding(y, lengths), (last_real(y, h, lengths),)


def stack(
    x: Tensor,
    state: State,
    parameters: list[Tensor],
    bias: bool,
    num_layers: int = 1,
    dropout: float = 0.0,
    bidirectional: bool = False,
) -> tuple[Tensor, State]:
    """All plain layers in one call: ``x [T, B, D]``, the state ``([L, B, H],)``, the weights in torch's order."""
    # train is not for dropout only: cuDNN refuses the backward pass without it, in a model in eval mode too.
    train = torch.is_grad_enabled() or dropout > 0
    y, h = torch._VF.gru(x, state[0], parameters, bias, num_layers, dropout, train, bidirectional, False)
    return y, (h,)
