"""The compiled GRU, in both forms."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, Literal

import torch
from torch import Tensor

from recurra.ops import native, traced
from recurra.ops.gru import reference
from recurra.ops.gru.options import GRUOptions, GRUWeights
from recurra.ops.scan import reverse_in_time, zero_padding
from recurra.types import State

Reset = Literal["after", "before"]


@lru_cache
def _operator(reset: Reset, dtype: torch.dtype) -> Any:
    cells = {"after": native.module.Cell.gru, "before": native.module.Cell.gru_in_parts}
    # The candidate's two sums stay apart: the reset gate acts on the recurrent one only.
    return native.module.Operator(
        f64=dtype == torch.float64,
        cell=cells[reset],
        input_rows=(0, 1, 2, -1),
        recurrent_rows=(0, 1, -1, 2),
    )


@lru_cache
def _call(reset: Reset, dtype: torch.dtype, reverse: bool, return_cells: bool) -> native.Call:
    assert not return_cells
    options = GRUOptions(reset=reset)

    def by_reference(s: native.Sequence) -> native.Result:
        weights = GRUWeights(
            input=s.w_input, recurrent=s.w_recurrent, bias_input=s.bias_input, bias_recurrent=s.bias_recurrent
        )
        x = zero_padding(s.x, s.lengths)
        x = reverse_in_time(x, s.lengths) if reverse else x
        y, (h,) = reference.loop(reference.project(x, weights), (s.h0,), weights, options, s.lengths, s.drop_h)
        return reverse_in_time(y, s.lengths) if reverse else y, h, None, None, None

    return native.Call(_operator(reset, dtype), by_reference, reverse)


traced.register("gru", lambda reset: partial(_call, reset))


def loop(
    x: Tensor,
    state: State,
    weights: GRUWeights,
    options: GRUOptions,
    lengths: Tensor | None,
    drop_h: Tensor | None,
    reverse: bool,
    brief: bool = False,
) -> tuple[Tensor, State]:
    """All steps of ``x [T, B, D]``: h of every step and the final state; ``brief``: keep less for backward."""
    sequence = _sequence(x, state, weights, drop_h, lengths)
    if torch.compiler.is_compiling():
        y, h, *_ = traced.run(f"gru:{options.reset}", sequence, reverse, return_cells=False)
    else:
        call = _call(options.reset, x.dtype, reverse, False)
        y, h, *_ = native.run(replace(call, brief=True) if brief else call, sequence)
    return y, (h,)


def compiled(weights: GRUWeights, options: GRUOptions, reverse: bool) -> tuple[native.Call, native.Sequence]:
    """One layer in one direction for those who call the kernel themselves; its x and state are of no size yet."""
    G, D = weights.input.shape
    nothing = weights.input.new_empty(1, G // 3)
    sequence = _sequence(weights.input.new_empty(1, 1, D), (nothing,), weights, None, None)
    return _call(options.reset, weights.input.dtype, reverse, False), sequence


def _sequence(
    x: Tensor, state: State, weights: GRUWeights, drop_h: Tensor | None, lengths: Tensor | None
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
