"""The compiled LSTM: plain, ablations, diagonal peephole, coupled gates, layer norm, projection, clipping, dropout."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from recurra.ops import native, traced
from recurra.ops.lstm import reference
from recurra.ops.lstm.options import GATES, LSTMOptions
from recurra.ops.lstm.weights import LSTMNoise, LSTMWeights
from recurra.ops.scan import reverse_in_time, zero_padding
from recurra.types import State


@lru_cache
def _operator(options: LSTMOptions, dtype: torch.dtype) -> Any:
    rows = tuple(options.rows.index(gate) if gate in options.rows else -1 for gate in GATES)
    return native.module.Operator(
        f64=dtype == torch.float64,
        cell=native.module.Cell.normed_lstm if options.layer_norm else native.module.Cell.lstm,
        input_rows=rows,
        recurrent_rows=rows,
        coupled=options.coupled,
        linear_candidate=options.gates == "NIAF",
        linear_output=options.gates == "NOAF",
        cell_clip=options.cell_clip or 0.0,
        zoneout_h=options.zoneout[0],
        zoneout_c=options.zoneout[1],
    )


@lru_cache
def _call(options: LSTMOptions, dtype: torch.dtype, reverse: bool, return_cells: bool) -> native.Call:
    def by_reference(s: native.Sequence) -> native.Result:
        weights = LSTMWeights(
            input=s.w_input,
            recurrent=s.w_recurrent,
            bias_input=s.bias_input,
            bias_recurrent=s.bias_recurrent,
            peephole=s.peephole,
            norm_input=s.norm_input,
            norm_recurrent=s.norm_recurrent,
            norm_cell=s.norm_cell,
            norm_cell_bias=s.norm_cell_bias,
            projection=s.w_projection,
        )
        assert s.c0 is not None
        noise = LSTMNoise(drop_h=s.drop_h, keep_h=s.keep_h, keep_c=s.keep_c)
        x = zero_padding(s.x, s.lengths)
        x = reverse_in_time(x, s.lengths) if reverse else x
        a = reference.project(x, weights, options)
        y, cells, (h, c) = reference.loop(a, (s.h0, s.c0), weights, options, s.lengths, noise)
        if reverse:
            y, cells = reverse_in_time(y, s.lengths), reverse_in_time(cells, s.lengths)
        return y, h, c, cells if return_cells else None

    return native.Call(_operator(options, dtype), by_reference, reverse, return_cells, _peepholes(options))


def _resolve(form: str) -> Callable[[torch.dtype, bool, bool], native.Call]:
    values = json.loads(form)
    return partial(_call, LSTMOptions(**{**values, "zoneout": tuple(values["zoneout"])}))


traced.register("lstm", _resolve)


def loop(
    x: Tensor,
    state: State,
    weights: LSTMWeights,
    options: LSTMOptions,
    lengths: Tensor | None,
    noise: LSTMNoise | None,
    reverse: bool,
    return_cells: bool,
) -> tuple[Tensor, Tensor | None, State]:
    """All steps of ``x [T, B, D]``: h of every step, c of every step on request, and the final state."""
    sequence = _sequence(x, state, weights, noise or LSTMNoise(), lengths)
    if torch.compiler.is_compiling():
        y, h, c, cells = traced.run(f"lstm:{options.as_text}", sequence, reverse, return_cells)
    else:
        y, h, c, cells = native.run(_call(options, x.dtype, reverse, return_cells), sequence)
    assert c is not None
    return y, cells, (h, c)


def stream(layers: list[LSTMWeights], options: LSTMOptions, storage: native.Storage | None) -> native.Stream:
    """Layers one upon the other, a step at a time, without gradients."""

    def begin(weights: LSTMWeights) -> native.Sequence:
        G, D = weights.input.shape
        nothing = weights.input.new_empty(1, G // len(options.rows))
        return _sequence(weights.input.new_empty(1, 1, D), (nothing, nothing), weights, LSTMNoise(), None)

    operator = _operator(options, layers[0].input.dtype)
    return native.Stream(operator, _peepholes(options), [begin(weights) for weights in layers], storage)


def _peepholes(options: LSTMOptions) -> tuple[int, int, int]:
    rows = options.gate_rows
    i, f, o = (rows.index(gate) if options.peephole and gate in rows else -1 for gate in "ifo")
    return i, f, o


def _sequence(
    x: Tensor, state: State, weights: LSTMWeights, noise: LSTMNoise, lengths: Tensor | None
) -> native.Sequence:
    return native.Sequence(
        x=x,
        h0=state[0],
        c0=state[1],
        w_input=weights.input,
        w_recurrent=weights.recurrent,
        bias_input=weights.bias_input,
        bias_recurrent=weights.bias_recurrent,
        peephole=weights.peephole,
        norm_input=weights.norm_input,
        norm_recurrent=weights.norm_recurrent,
        norm_cell=weights.norm_cell,
        norm_cell_bias=weights.norm_cell_bias,
        w_projection=weights.projection,
        keep_h=noise.keep_h,
        keep_c=noise.keep_c,
        drop_h=noise.drop_h,
        lengths=lengths,
    )
