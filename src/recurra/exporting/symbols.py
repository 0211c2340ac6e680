"""The layers of a language model, as nodes: in a language model, and in what began with one."""

from __future__ import annotations

import numpy as np

from recurra.exporting.graph import Graph, Value
from recurra.exporting.modules import embedding, to_array
from recurra.exporting.recurrent import State, encoder
from recurra.nn.language import SymbolEncoder


def symbol_encoder(
    graph: Graph, model: SymbolEncoder, ids: Value, lengths: Value | None = None, state: State | None = None
) -> tuple[Value, State]:
    """The features ``[B, T, O]`` of ``ids [B, T]`` after ``state``, and the state after the last real symbol."""
    if model.embedding is None:
        depth, ends = graph.integers(model.symbols), graph.constant(np.array([0.0, 1.0], np.float32))
        values = graph.op("OneHot", ids, depth, ends, dtype=np.float32, axis=-1)
    else:
        values = embedding(graph, to_array(model.embedding), ids)
    after: list[Value] = []
    parts = len(state or ()) // len(model.layers)  # of each layer
    for number, stack in enumerate(model.stacks):
        before = None if state is None else state[number * parts : (number + 1) * parts]
        values, now = encoder(graph, stack, values, lengths, before)
        after += now
    return values, tuple(after)
