"""The compiled LSTM, in every variant."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
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
    rows, cell_rows = _blocks(options.rows), _blocks(_cell_rows(options))
    gate_rows = _blocks(options.gate_rows if options.gates == "FGR" else ())
    return native.module.Operator(
        f64=dtype == torch.float64,
        cell=native.module.Cell.lstm_in_parts if options.in_parts else native.module.Cell.lstm,
        input_rows=rows,
        recurrent_rows=rows,
        cell_rows=cell_rows,
        gate_rows=gate_rows,
        coupled=options.coupled,
        linear_candidate=options.gates == "NIAF",
        linear_output=options.gates == "NOAF",
        layer_norm=options.layer_norm,
        cell_clip=options.cell_clip or 0.0,
        zoneout_h=options.zoneout[0],
        zoneout_c=options.zoneout[1],
    )


def _blocks(rows: tuple[str, ...]) -> tuple[int, ...]:
    """Where among the rows of some weights each gate's are; -1 for none."""
    return tuple(rows.index(gate) if gate in rows else -1 for gate in GATES)


def _cell_rows(options: LSTMOptions) -> tuple[str, ...]:
    """What sees the cell state through matrices: the full peepholes' rows, then the candidate's own."""
    return options.peephole_rows * (options.peephole == "full") + ("g",) * (options.candidate == "cell")


@lru_cache
def _call(options: LSTMOptions, dtype: torch.dtype, reverse: bool, return_cells: bool) -> native.Call:
    def by_reference(s: native.Sequence) -> native.Result:
        weights = LSTMWeights(
            input=s.w_input,
            recurrent=s.w_recurrent,
            bias_input=s.bias_input,
            bias_recurrent=s.bias_recurrent,
            norm_input=s.norm_input,
            norm_recurrent=s.norm_recurrent,
            norm_cell=s.norm_cell,
            norm_cell_bias=s.norm_cell_bias,
            projection=s.w_projection,
            gate_recurrence=s.w_gates,
            **_apart(s, options),
        )
        noise = LSTMNoise(drop_h=s.drop_h, keep_h=s.keep_h, keep_c=s.keep_c)
        x = zero_padding(s.x, s.lengths)
        x = reverse_in_time(x, s.lengths) if reverse else x
        a = reference.project(x, weights, options)
        state = tuple(part for part in (s.h0, s.c0, s.gates0) if part is not None)
        y, cells, (h, c, *gates) = reference.loop(a, state, weights, options, s.lengths, noise)
        if reverse:
            y, cells = reverse_in_time(y, s.lengths), reverse_in_time(cells, s.lengths)
        return y, h, c, gates[0] if gates else None, cells if return_cells else None

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
    brief: bool = False,
) -> tuple[Tensor, Tensor | None, State]:
    """All steps of ``x [T, B, D]``: h of every step, c of every step on request, and the final state.

    ``brief``: keep what backward needs as bfloat16.
    """
    sequence = _sequence(x, state, weights, options, noise or LSTMNoise(), lengths)
    if torch.compiler.is_compiling():
        y, h, c, gates, cells = traced.run(f"lstm:{options.as_text}", sequence, reverse, return_cells)
    else:
        call = _call(options, x.dtype, reverse, return_cells)
        y, h, c, gates, cells = native.run(replace(call, brief=True) if brief else call, sequence)
    return y, cells, tuple(part for part in (h, c, gates) if part is not None)


def compiled(weights: LSTMWeights, options: LSTMOptions, reverse: bool) -> tuple[native.Call, native.Sequence]:
    """One layer in one direction for those who call the kernel themselves; its x and state are of no size yet."""
    G, D = weights.input.shape
    state = tuple(weights.input.new_empty(1, size) for size in options.state_sizes(G // len(options.rows)))
    sequence = _sequence(weights.input.new_empty(1, 1, D), state, weights, options, LSTMNoise(), None)
    return _call(options, weights.input.dtype, reverse, False), sequence


def _peepholes(options: LSTMOptions) -> tuple[int, int, int]:
    rows = options.gate_rows
    i, f, o = (rows.index(gate) if options.peephole == "diagonal" and gate in rows else -1 for gate in "ifo")
    return i, f, o


def _of_the_cell(weights: LSTMWeights, options: LSTMOptions) -> tuple[Tensor | None, Tensor | None]:
    """The full peepholes and the candidate's own weights as one matrix ``[C, H]``, and their bias."""
    peephole = weights.peephole if options.peephole == "full" else None
    w, b = weights.candidate, weights.candidate_bias
    if peephole is None or w is None:
        return w if peephole is None else peephole, b
    return torch.cat([peephole, w]), None if b is None else torch.cat([b.new_zeros(len(peephole)), b])


def _apart(s: native.Sequence, options: LSTMOptions) -> dict[str, Tensor | None]:
    """The same backwards: each weight under its name."""
    if s.w_cell is None or options.peephole != "full":
        return {"peephole": s.peephole, "candidate": s.w_cell, "candidate_bias": s.bias_cell}
    rows = len(options.peephole_rows) * s.w_cell.shape[1]
    own = {"candidate": s.w_cell[rows:], "candidate_bias": None if s.bias_cell is None else s.bias_cell[rows:]}
    return {"peephole": s.w_cell[:rows]} | (own if options.candidate else {})


def _sequence(
    x: Tensor, state: State, weights: LSTMWeights, options: LSTMOptions, noise: LSTMNoise, lengths: Tensor | None
) -> native.Sequence:
    w_cell, bias_cell = _of_the_cell(weights, options)
    return native.Sequence(
        x=x,
        h0=state[0],
        c0=state[1],
        w_input=weights.input,
        w_recurrent=weights.recurrent,
        bias_input=weights.bias_input,
        bias_recurrent=weights.bias_recurrent,
        peephole=weights.peephole if options.peephole == "diagonal" else None,
        norm_input=weights.norm_input,
        norm_recurrent=weights.norm_recurrent,
        norm_cell=weights.norm_cell,
        norm_cell_bias=weights.norm_cell_bias,
        w_projection=weights.projection,
        w_cell=w_cell,
        bias_cell=bias_cell,
        w_gates=weights.gate_recurrence,
        gates0=state[2] if options.gates == "FGR" else None,
        keep_h=noise.keep_h,
        keep_c=noise.keep_c,
        drop_h=noise.drop_h,
        lengths=lengths,
    )
