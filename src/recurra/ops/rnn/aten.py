"""Torch's fused RNN, on padded input."""

from __future__ import annotations

import torch
from torch import Tensor

from recurra.ops.rnn.options import RNNOptions, RNNWeights
from recurra.ops.scan import last_real, zero_padding
from recurra.types import State


def loop(
    x: Tensor, state: State, weights: RNNWeights, options: RNNOptions, lengths: Tensor | None
) -> tuple[Tensor, State]:
    """All steps of the raw input ``x [T, B, D]``: h ``[T, B, H]`` and the final state."""
    (h,) = state
    parameters = [weights.input, weights.recurrent]
    if weights.bias_input is not None and weights.bias_recurrent is not None:
        parameters += [weights.bias_input, weights.bias_recurrent]
    has_bias = weights.bias_input is not None
    fused = torch._VF.rnn_tanh if options.nonlinearity == "tanh" else torch._VF.rnn_relu
    # train=grad enabled: without it cuDNN refuses the backward pass of a model in eval mode. No dropout in here.
    y, last = fused(x, h[None], parameters, has_bias, 1, 0.0, torch.is_grad_enabled(), False, False)
    if lengths is None:
        return y, (last[0],)
    return zero_padding(y, lengths), (last_real(y, h, lengths),)
