"""A forecaster as a graph: from windows, as :class:`recurra.tasks.forecasting.windows.Batch` has them, to quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from recurra.errors import ExportError
from recurra.exporting import heads
from recurra.exporting.graph import Graph, Value
from recurra.exporting.modules import embedding, linear, matrix, relu, to_array
from recurra.exporting.recurrent import encoder, last, recurrent
from recurra.exporting.subject import Trial, draw_lengths, mean, spoilt
from recurra.runtime.forecaster import GROUPS, inputs_of
from recurra.tasks.forecasting.cutting import Cut
from recurra.tasks.forecasting.embedding import Inputs
from recurra.tasks.forecasting.models import DirectForecaster, SegmentForecaster
from recurra.tasks.forecasting.task import ForecastingTask
from recurra.tasks.forecasting.windows import Batch


@dataclass(frozen=True)
class ForecastingSubject:
    """Inputs are the fields of a batch of windows that are not empty; the output is ``quantiles [B, H, Q]`` float64.

    The quantiles are in the user's units: the window's unit, its anchor and the logarithm are undone in the graph.
    """

    task: ForecastingTask
    model: nn.ModuleList
    kind = "forecasting"
    streams = False

    def __post_init__(self) -> None:
        settings = self.task.settings
        if settings.decoder == "autoregressive":
            raise ExportError(
                "export",
                "a forecaster must say its quantiles itself, the autoregressive decoder draws paths at random. "
                "Train one with --decoder direct or segments.",
            )
        if settings.head == "negative-binomial":
            raise ExportError(
                "export",
                "a forecaster must say its quantiles itself, those of the negative-binomial head are drawn at random. "
                "Train one with --head quantiles.",
            )

    @property
    def steps(self) -> tuple[int, int, int]:
        """Contexts: the shortest one, the model's own, and twice that."""
        least = self.task.choices.segment if self.task.settings.decoder == "segments" else self.task.choices.shortest
        context = self.task.context
        return (least, context, 2 * context)

    def write(self, graph: Graph) -> None:
        windows = _Windows(graph, self.task)
        raws = (_raw(graph, member, windows) for member in self.model)
        said = mean([heads.quantiles(graph, self.task, raw, windows.base) for raw in raws])
        said = said + windows.spoilt().reshape(-1, 1, 1).to(np.float64)
        values = said * windows.unit.unsqueeze(-1) + windows.anchor.unsqueeze(-1)
        levels = len(self.task.levels) or 1
        graph.output("quantiles", graph.op("Exp", values) if self.task.log else values, "B", self._horizon, levels)

    @property
    def _horizon(self) -> int:
        return self.task.settings.horizon

    @torch.no_grad()
    def trial(self, random: np.random.Generator, steps: int, batch: int, begun: bool) -> Trial:  # noqa: ARG002 - no stream
        drawn = self._draw(random, steps, batch)
        expected = self.task.quantiles(self.model, Batch.of(drawn)).numpy()
        return Trial(inputs_of(drawn), {"quantiles": expected})

    def _draw(self, random: np.random.Generator, steps: int, batch: int) -> Cut:
        """Windows with numbers of the size that real ones have."""
        horizon = self.task.settings.horizon
        whole = self.task.settings.decoder == "segments"
        axes = {"past": (batch, steps), "known": (batch, steps), "ahead": (batch, horizon), "static": (batch,)}
        numbers, counts = self.task.input_sizes
        numbers, counts = {**numbers, "ahead": numbers["known"]}, {**counts, "ahead": counts["known"]}
        drawn = {name: random.normal(size=(*axes[name], numbers[name])).astype(np.float32) for name in GROUPS}
        codes = {
            name: np.stack([random.integers(0, count + 1, axes[name]) for count in counts[name]], axis=-1)
            for name in GROUPS
            if counts[name]
        }
        return Cut(
            **drawn,
            codes=codes,
            lengths=np.full(batch, steps) if whole else draw_lengths(random, steps, batch),
            base=random.normal(size=(batch, horizon)).astype(np.float32),
            target=np.full((batch, horizon), np.nan, np.float32),
            weight=random.uniform(0.1, 2, (batch, 1)).astype(np.float32),
            anchor=random.normal(size=(batch, 1)),
            unit=random.uniform(0.5, 1.5, (batch, 1)),
        )

    def describe(self) -> dict[str, Any]:
        return self.task.to_dict()


class _Windows:
    """The inputs of the graph, categories embedded by each member's own tables."""

    def __init__(self, graph: Graph, task: ForecastingTask) -> None:
        horizon = task.settings.horizon
        self.graph = graph
        sizes, counts = task.input_sizes
        axes: dict[str, tuple[int | str, ...]] = {
            "past": ("B", "C"),
            "known": ("B", "C"),
            "ahead": ("B", horizon),
            "static": ("B",),
        }
        self._numbers, self._codes = {}, {}
        for name in GROUPS:
            group = "known" if name == "ahead" else name
            if sizes[group]:
                self._numbers[name] = graph.input(name, np.float32, *axes[name], sizes[group])
            if counts[group]:
                self._codes[name] = graph.input(f"{name}_codes", np.int64, *axes[name], len(counts[group]))
        self.base = graph.input("base", np.float32, "B", horizon)
        self._weight = graph.input("weight", np.float32, "B", 1)
        self.anchor = graph.input("anchor", np.float64, "B", 1)
        self.unit = graph.input("unit", np.float64, "B", 1)
        self.lengths = graph.input("lengths", np.int64, "B")

    def spoilt(self) -> Value:
        """``[B]`` NaN where an input is not finite; base, anchor and unit reach the output anyway."""
        axes = {value: (1,) if name == "static" else (1, 2) for name, value in self._numbers.items()}
        return spoilt(self.graph, axes)

    def read(self, name: str, inputs: Inputs) -> Value:
        """The numbers and the embedded categories of a group."""
        tables: Any = inputs.tables["known" if name == "ahead" else name]
        parts = [self._numbers[name]] if name in self._numbers else []
        parts += [
            embedding(self.graph, to_array(table.weight), self._codes[name].take(i, axis=-1))
            for i, table in enumerate(tables)
        ]
        if name == "static":
            parts.append(self.graph.op("Log", self._weight))
        return self.graph.concat(parts, axis=-1)


def _raw(graph: Graph, member: nn.Module, windows: _Windows) -> Value:
    """``[B, H, R]`` the raw numbers of one member."""
    if isinstance(member, DirectForecaster):
        return _direct(graph, member, windows)
    assert isinstance(member, SegmentForecaster)
    return _segments(graph, member, windows)


def _direct(graph: Graph, member: DirectForecaster, windows: _Windows) -> Value:
    past, known, ahead, static = (windows.read(name, member.inputs) for name in GROUPS)
    values = graph.concat([past, known, _repeat(graph, static, past.size(1))], axis=-1)
    _, state = encoder(graph, member.encoder, values, windows.lengths)
    summary = last(member.encoder, state)
    steps = linear(graph, member.to_steps, summary).reshape(0, member.horizon, -1)
    place = np.linspace(0, 1, member.horizon, dtype=np.float32)[:, None]  # [H, 1]
    shape = graph.concat([ahead.size(0), graph.integers(member.horizon, 1)], axis=0)
    known = graph.concat([steps, ahead, graph.op("Expand", graph.constant(place), shape)], axis=-1)
    read, _ = recurrent(graph, member.reader, known.transpose(1, 0, 2))
    known = graph.concat([known, read.transpose(1, 0, 2)], axis=-1)
    wide = member.hidden.in_features - member.encoder.output_size - member.inputs.size["static"]
    weight, bias = matrix(graph, member.hidden.weight), graph.constant(to_array(member.hidden.bias))
    constant = graph.concat([summary, static], axis=-1) @ weight.slice(0, wide) + bias
    return linear(graph, member.output, relu(known @ weight.slice(0, 0, wide) + constant.unsqueeze(1)))


def _segments(graph: Graph, member: SegmentForecaster, windows: _Windows) -> Value:
    past, known, ahead, static = (windows.read(name, member.inputs) for name in GROUPS)
    context = graph.concat([past, known], axis=-1)
    width = member.segment * (member.inputs.size["past"] + member.inputs.size["known"])
    _, state = encoder(graph, member.encoder, relu(linear(graph, member.embed, context.reshape(0, -1, width))))
    missing = member.segments * member.segment - member.horizon
    if missing:
        ahead = graph.concat([ahead, *[ahead.slice(1, member.horizon - 1, member.horizon)] * missing], axis=1)
    own = ahead.reshape(0, -1, member.segment * member.inputs.size["known"])  # [B, n, ·]
    wide = graph.concat([own, _repeat(graph, static, graph.integers(member.segments))], axis=-1)
    query = relu(linear(graph, member.embed_ahead, wide) + graph.constant(to_array(member.place)))
    fanned = tuple(_fan(graph, part, member.segments) for part in state)
    flat = query.reshape(1, -1, member.embed_ahead.out_features)  # [1, B n, ·], one step each
    outputs, _ = recurrent(graph, member.encoder.layer, flat, None, fanned)
    raw = linear(graph, member.output, outputs.squeeze(0)).reshape(-1, member.segments * member.segment, member.outputs)
    return raw.slice(1, 0, member.horizon)


def _fan(graph: Graph, part: Value, times: int) -> Value:
    """``[L, B, ·]`` to ``[L, B times, ·]``, the copies of a sequence side by side."""
    copies = graph.concat([part.unsqueeze(2)] * times, axis=2)  # [L, B, times, ·]
    return graph.op("Reshape", copies, graph.concat([part.size(0), graph.integers(-1), part.size(2)], axis=0))


def _repeat(graph: Graph, vector: Value, steps: Value) -> Value:
    """``[B, ·]`` to ``[B, steps, ·]``."""
    wide = vector.unsqueeze(1)
    shape = graph.concat([wide.size(0), steps, wide.size(2)], axis=0)
    return graph.op("Expand", wide, shape)
