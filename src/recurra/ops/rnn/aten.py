"""Torch's fused RNN, on padded input."""

from __future__ import annotations

import torch
from torch import Tensor

from recurra.ops.rnn.options import RNNOptions, RNNWeights
from recurra.ops.scan import last_real, real_steps, zero_padding
from recurra.types import State


def loop(
    x: Tensor, state: State, weights: RNNWeights, options: RNNOptions, lengths: Tensor | None
) -> tuple[Tensor, State]:
    """All steps of the raw input ``x [T, B, D]``: h ``[T, B, H]`` and the final state."""
    (h,) = state
    w_input = weights.input
    if lengths is not None and options.nonlinearity == "relu":
        x, w_input = _silencing(x, w_input, lengths)
    given = (w_input, weights.recurrent, weights.bias_input, weights.bias_recurrent)
    parameters = [weight for weight in given if weight is not None]
    y, (last,) = stack(x, (h[None],), parameters, weights.bias_input is not None, options=options)
    if lengths is None:
        return y, (last[0],)
    return zero_padding(y, lengths), (last_real(y, h, lengths),)


def _silencing(x: Tensor, w_input: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Add an input that is 1 on padding and drives h to 0 there.

    Relu is unbounded: h could grow to inf over a long padding, and turn the weights' gradient into NaN.
    """
    drive = 2.0**14 if x.dtype == torch.float16 else 2.0**60
    padding = (~real_steps(len(x), lengths)).to(x.dtype)  # [T, B, 1]
    return torch.cat([x, padding], dim=-1), torch.cat([w_input, w_input.new_full((len(w_input), 1), -drive)], dim=1)


def stack(
    x: Tensor,
    state: State,
    parameters: list[Tensor],
    bias: bool,
    num_layers: int = 1,
    dropout: float = 0.0,
    bidirectional: bool = False,
    options: RNNOptions = RNNOptions(),  # noqa: B008 - it is frozen
) -> tuple[Tensor, State]:
    """All plain layers in one call: ``x [T, B, D]``, the state ``([L, B, H],)``, the weights in torch's order."""
    # train is not for dropout only: cuDNN refuses the backward pass without it, in a model in eval mode too.
    train = torch.is_grad_enabled() or dropout > 0
    fused = torch._VF.rnn_tanh if options.nonlinearity == "tanh" else torch._VF.rnn_relu
    y, h = fused(x, state[0], parameters, bias, num_layers, dropout, train, bidirectional, False)
    return y, (h,)
