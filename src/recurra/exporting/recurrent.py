"""Recurrent layers as ONNX's own LSTM, GRU and RNN operators, where these can express them; else as a loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recurra.exporting import loop
from recurra.exporting.graph import Array, Graph, Value
from recurra.exporting.modules import to_array
from recurra.nn import GRU, LSTM, RNN
from recurra.nn.stack import RecurrentStack
from recurra.ops.gru.reference import GATES as GRU_GATES
from recurra.ops.lstm import LSTMOptions

Layer = LSTM | GRU | RNN
State = tuple[Value, ...]
ORDER = {"LSTM": ("i", "o", "f", "g"), "GRU": ("z", "r", "n"), "RNN": ("h",)}
"""ONNX's order of the gates, under our names."""
PEEPHOLE_ORDER = ("i", "o", "f")


def recurrent(
    graph: Graph, layer: Layer, x: Value, lengths: Value | None = None, state: State | None = None
) -> tuple[Value, State]:
    """All layers and directions over ``x [T, B, D]``: the outputs ``[T, B, O]``, zero on padding, and the final state.

    Args:
        graph: to write to.
        layer: whose weights are read; its ``batch_first`` does not matter here.
        x: the inputs.
        lengths: [B] int64 real steps, 0 is legal; None if all are.
        state: to begin with, parts ``[L, B, ·]`` where L counts layers times directions; None for zeros.
    """
    directions = 2 if layer.bidirectional else 1
    parts = [part.split([directions] * layer.num_layers, axis=0) for part in state or ()]
    finals = []
    for number in range(layer.num_layers):
        before = tuple(part[number] for part in parts) or None
        if has_operator(layer):
            x, after = _operator(graph, layer, number, x, lengths, before)
        else:
            assert isinstance(layer, LSTM)
            x, after = loop.lstm(graph, layer, number, x, lengths, before)
        finals.append(after)
    return x, tuple(graph.concat(some, axis=0) for some in zip(*finals, strict=True))


def encoder(
    graph: Graph, stack: RecurrentStack, values: Value, lengths: Value | None = None, state: State | None = None
) -> tuple[Value, State]:
    """The same of ``values [B, T, D]``: the outputs ``[B, T, O]`` and the final state."""
    outputs, final = recurrent(graph, stack.layer, values.transpose(1, 0, 2), lengths, state)
    return outputs.transpose(1, 0, 2), final


def last(stack: RecurrentStack, state: State) -> Value:
    """``[B, O]``: h of the last layer after its last step, both directions side by side."""
    if not stack.layer.bidirectional:
        return state[0].take(-1, axis=0)
    return state[0].slice(0, -2).transpose(1, 0, 2).reshape(0, -1)


def has_operator(layer: Layer) -> bool:
    """Whether an operator of ONNX computes the form of the layer.

    ONNX's ``clip`` bounds what goes into the activations, not the cell state, so that ``cell_clip`` is no such form.
    """
    options = layer.options
    if not isinstance(options, LSTMOptions):
        return True
    other = (options.candidate, options.gates, options.cell_clip)
    plain = options.peephole != "full" and not options.layer_norm and not options.proj_size and not any(options.zoneout)
    return plain and other == (None,) * 3


def _operator(
    graph: Graph, layer: Layer, number: int, x: Value, lengths: Value | None, state: State | None
) -> tuple[Value, State]:
    """One layer, in all its directions, as one node."""
    suffixes = [f"_l{number}", f"_l{number}_reverse"][: 2 if layer.bidirectional else 1]
    weights = [_in_onnx_order(layer, suffix) for suffix in suffixes]
    joined = {name: np.stack([one[name] for one in weights]) for name in weights[0]}  # [directions, ·]
    stacked = {
        name: graph.weight(array, 0, 1) if array.ndim > 2 else graph.constant(array) for name, array in joined.items()
    }
    before = list(state or ()) + [None] * (2 - len(state or ()))
    y, *final = graph.ops(
        layer.cell,
        x,
        stacked["W"],
        stacked["R"],
        stacked.get("B"),
        None if lengths is None else lengths.to(np.int32),
        *before,
        stacked.get("P"),
        outputs=3 if isinstance(layer, LSTM) else 2,
        hidden_size=layer.hidden_size,
        direction="bidirectional" if layer.bidirectional else "forward",
        **_attributes(layer),
    )  # y [T, directions, B, H]
    if lengths is not None and state is not None:  # ONNX Runtime forgets the state of a sequence without steps
        real = (lengths > 0).unsqueeze(-1)  # [B, 1]
        final = [graph.where(real, now, then) for now, then in zip(final, state, strict=True)]
    return y.transpose(0, 2, 1, 3).reshape(0, 0, -1), tuple(final)


def _attributes(layer: Layer) -> dict[str, Any]:
    if isinstance(layer, LSTM):
        return {"input_forget": int(layer.options.coupled)}
    if isinstance(layer, GRU):
        return {"linear_before_reset": int(layer.options.reset == "after")}
    return {"activations": [layer.options.nonlinearity.capitalize()] * (2 if layer.bidirectional else 1)}


def _in_onnx_order(layer: Layer, suffix: str) -> dict[str, Array]:
    """W ``[G, D]``, R ``[G, H]``, B ``[2 G]`` and P ``[3 H]`` of one direction."""
    order, rows = ORDER[layer.cell], _rows(layer)

    def gates(name: str) -> Array:
        parts = dict(zip(rows, np.split(to_array(getattr(layer, name + suffix)), len(rows)), strict=True))
        return _join(parts, order)

    found = {"W": gates("weight_ih"), "R": gates("weight_hh")}
    if layer.bias:
        found["B"] = np.concatenate([gates("bias_ih"), gates("bias_hh")])
    if isinstance(layer, LSTM) and layer.options.peephole is not None:
        peephole = to_array(getattr(layer, "peephole" + suffix))
        found["P"] = _join(dict(zip(layer.options.peephole_rows, peephole, strict=True)), PEEPHOLE_ORDER)
    return found


def _rows(layer: Layer) -> Sequence[str]:
    if isinstance(layer, LSTM):
        return layer.options.rows
    return GRU_GATES if isinstance(layer, GRU) else ("h",)


def _join(parts: Mapping[str, Array], order: Sequence[str]) -> Array:
    """The parts of the gates in the order given; a gate that is tied to another has rows of zeros."""
    nothing = np.zeros_like(next(iter(parts.values())))
    return np.concatenate([parts.get(gate, nothing) for gate in order])
