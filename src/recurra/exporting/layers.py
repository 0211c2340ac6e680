"""A recurrent layer alone: its inputs, lengths and state in, its outputs and state out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from recurra.exporting.graph import Graph
from recurra.exporting.recurrent import Layer, recurrent
from recurra.exporting.subject import Trial, draw_lengths, draw_state, spoilt, state_inputs, state_outputs
from recurra.nn import LSTM

STATE_NAMES = ("h", "c", "gates")


@dataclass(frozen=True)
class LayerSubject:
    """Inputs ``x`` and ``lengths [B]``, and the state ``h`` (``c``, ``gates``); outputs ``y`` and ``next_h``, ….

    ``x`` is ``[T, B, D]``, or ``[B, T, D]`` with ``batch_first``, as the layer itself takes it.
    """

    layer: Layer
    kind = "layer"
    streams = True
    steps = (1, 7, 30)

    @property
    def state(self) -> dict[str, tuple[int, int]]:
        """The rows and the width of each part of the state."""
        layer = self.layer
        rows = layer.num_layers * (2 if layer.bidirectional else 1)
        sizes = layer.options.state_sizes(layer.hidden_size) if isinstance(layer, LSTM) else (layer.hidden_size,)
        return {name: (rows, size) for name, size in zip(STATE_NAMES, sizes, strict=False)}

    def write(self, graph: Graph) -> None:
        axes = ("B", "T") if self.layer.batch_first else ("T", "B")
        x = graph.input("x", np.float32, *axes, self.layer.input_size)
        lengths = graph.input("lengths", np.int64, "B")
        state = state_inputs(graph, self.state)
        over = (1, 2) if self.layer.batch_first else (0, 2)
        spoil = spoilt(graph, {x: over} | dict.fromkeys(state, (0, 2))).unsqueeze(-1)  # [B, 1]
        y, final = recurrent(graph, self.layer, self._turned(x), lengths, state)
        graph.output("y", self._turned(y + spoil), *axes, self.layer.output_size)
        state_outputs(graph, self.state, tuple(part + spoil for part in final))

    def _turned(self, value: Any) -> Any:
        return value.transpose(1, 0, 2) if self.layer.batch_first else value

    @torch.no_grad()
    def trial(self, random: np.random.Generator, steps: int, batch: int, begun: bool) -> Trial:
        axes = (batch, steps) if self.layer.batch_first else (steps, batch)
        x = random.normal(size=(*axes, self.layer.input_size)).astype(np.float32)
        lengths, state = draw_lengths(random, steps, batch), draw_state(random, self.state, batch, begun)
        given: Any = tuple(map(torch.from_numpy, state.values()))
        y, final = self.layer(
            torch.from_numpy(x), given if isinstance(self.layer, LSTM) else given[0], lengths=torch.from_numpy(lengths)
        )
        parts = final if isinstance(self.layer, LSTM) else (final,)
        after = {f"next_{name}": part.numpy() for name, part in zip(state, parts, strict=True)}
        return Trial({"x": x, "lengths": lengths, **state}, {"y": y.numpy(), **after})

    def describe(self) -> dict[str, Any]:
        layer = self.layer
        sizes = {"input_size": layer.input_size, "hidden_size": layer.hidden_size, "num_layers": layer.num_layers}
        how = {"bias": layer.bias, "batch_first": layer.batch_first, "bidirectional": layer.bidirectional}
        return {"cell": layer.cell, **sizes, **how, "options": dataclasses.asdict(layer.options)}
