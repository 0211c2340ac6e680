"""Torch's fused LSTM, for the plain form, on padded input."""

from __future__ import annotations

import torch
from torch import Tensor

from recurra.ops.lstm.weights import LSTMWeights
from recurra.ops.scan import last_real, real_steps, zero_padding
from recurra.types import State


def loop(x: Tensor, state: State, weights: LSTMWeights, lengths: Tensor | None) -> tuple[Tensor, State]:
    """All steps of the raw input ``x [T, B, D]``: h ``[T, B, P]`` and the final state."""
    if lengths is None:
        y, h, c = _fused(x, state, weights.input, weights)
        return y, (h, c)
    y, _, c = _fused(*_freezing(x, state, weights, lengths), weights)
    return zero_padding(y, lengths), (last_real(y, state[0], lengths), c)


def _freezing(x: Tensor, state: State, weights: LSTMWeights, lengths: Tensor) -> tuple[Tensor, State, Tensor]:
    """Add an input that is 1 on padding and drives i to exactly 0 and f to exactly 1 there.

    The fused kernel returns c after step T only, but it is wanted after each sequence's last real step. Packed
    sequences give that at 4 to 50 times the cost. This extra column keeps c as it is over the padding, bit for bit,
    and its gradient too, because the logistic function and its slope round to exactly 0 or 1 so far out.
    """
    drive = 2.0**14 if x.dtype == torch.float16 else 2.0**20
    column = x.new_tensor([-drive, drive, 0.0, 0.0]).repeat_interleave(state[1].shape[-1])  # i f g o
    padding = (~real_steps(len(x), lengths)).to(x.dtype)  # [T, B, 1]
    return torch.cat([x, padding], dim=-1), state, torch.cat([weights.input, column[:, None]], dim=1)


def _fused(x: Tensor, state: State, w_input: Tensor, weights: LSTMWeights) -> tuple[Tensor, Tensor, Tensor]:
    given = (w_input, weights.recurrent, weights.bias_input, weights.bias_recurrent, weights.projection)
    parameters = [weight for weight in given if weight is not None]
    y, (h, c) = stack(x, (state[0][None], state[1][None]), parameters, weights.bias_input is not None)
    return y, h[0], c[0]


def stack(
    x: Tensor,
    state: State,
    parameters: list[Tensor],
    bias: bool,
    num_layers: int = 1,
    dropout: float = 0.0,
    bidirectional: bool = False,
) -> tuple[Tensor, State]:
    """All plain layers in one call: ``x [T, B, D]``, the state's parts ``[L, B, ·]``, the weights in torch's order."""
    # train is not for dropout only: cuDNN refuses the backward pass without it, in a model in eval mode too.
    train = torch.is_grad_enabled() or dropout > 0
    y, h, c = torch._VF.lstm(x, state, parameters, bias, num_layers, dropout, train, bidirectional, False)
    return y, (h, c)
