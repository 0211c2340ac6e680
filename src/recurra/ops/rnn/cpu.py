"""The compiled simple recurrent network."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, Literal

import torch
from torch import Tensor

from recurra.ops import native, traced
from recurra.ops.rnn import reference
from recurra.ops.rnn.options import RNNOptions, RNNWeights
from recurra.ops.scan import reverse_in_time, zero_padding
from recurra.types import State


@lru_cache
def _operator(dtype: torch.dtype, nonlinearity: str) -> Any:
    cells = {"tanh": native.module.Cell.rnn_tanh, "relu": native.module.Cell.rnn_relu}
    rows = (0, -1, -1, -1)
    return native.module.Operator(
        f64=dtype == torch.float64, cell=cells[nonlinearity], input_rows=rows, recurrent_rows=rows
    )


@lru_cache
def _call(nonlinearity: Literal["tanh", "relu"], dtype: torch.dtype, reverse: bool, return_cells: bool) -> native.Call:
    assert not return_cells
    options = RNNOptions(nonlinearity=nonlinearity)

    def by_reference(s: native.Sequence) -> native.Result:
        weights = RNNWeights(
            input=s.w_input, recurrent=s.w_recurrent, bias_input=s.bias_input, bias_recurrent=s.bias_recurrent
        )
        x = zero_padding(s.x, s.lengths)
        x = reverse_in_time(x, s.lengths) if reverse else x
        y, (h,) = reference.loop(reference.project(x, weights), (s.h0,), weights, options, s.lengths, s.drop_h)
        return reverse_in_time(y, s.lengths) if reverse else y, h, None, None, None

    return native.Call(_operator(dtype, nonlinearity), by_reference, reverse)


traced.register("rnn", lambda nonlinearity: partial(_call, nonlinearity))


def loop(
    x: Tensor,
    state: State,
    weights: RNNWeights,
    options: RNNOptions,
    lengths: Tensor | None,
    drop_h: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, State]:
    """All steps of ``x [T, B, D]``: h of every step and the final state."""
    sequence = _sequence(x, state, weights, drop_h, lengths)
    if torch.compiler.is_compiling():
        y, h, *_ = traced.run(f"rnn:{options.nonlinearity}", sequence, reverse, return_cells=False)
    else:
        y, h, *_ = native.run(_call(options.nonlinearity, x.dtype, reverse, False), sequence)
    return y, (h,)


def compiled(weights: RNNWeights, options: RNNOptions, reverse: bool) -> tuple[native.Call, native.Sequence]:
    """One layer in one direction for those who call the kernel themselves; its x and state are of no size yet."""
    G, D = weights.input.shape
    nothing = weights.input.new_empty(1, G)
    sequence = _sequence(weights.input.new_empty(1, 1, D), (nothing,), weights, None, None)
    return _call(options.nonlinearity, weights.input.dtype, reverse, False), sequence


def _sequence(
    x: Tensor, state: State, weights: RNNWeights, drop_h: Tensor | None, lengths: Tensor | None
) -> native.Sequence:
    return native.Sequence(
        x=x,
        h0=state[0],
        w_input=weights.input,
        w_recurrent=weights.recurrent,
        bias_input=weights.bias_input,
        bias_recurrent=weights.bias_recurrent,
        drop_h=drop_h,
        lengths=lengths,
    )
