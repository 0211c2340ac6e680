"""A forecaster that says all steps at once as a graph: from windows to quantiles, or to what these are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from recurra.exporting import heads
from recurra.exporting.autoregressive import AutoregressiveSubject
from recurra.exporting.graph import Graph, Value
from recurra.exporting.modules import linear, relu, to_array
from recurra.exporting.recurrent import encoder, last, recurrent
from recurra.exporting.subject import Subject, Trial, draw_lengths, mean
from recurra.exporting.windows import Windows, draw_windows, repeat
from recurra.runtime.forecaster import GROUPS, inputs_of
from recurra.tasks.forecasting.models import DirectForecaster, SegmentForecaster
from recurra.tasks.forecasting.task import ForecastingTask
from recurra.tasks.forecasting.windows import Batch


def forecaster(task: ForecastingTask, model: nn.ModuleList) -> Subject:
    """A forecaster of any kind."""
    stepwise = task.settings.decoder == "autoregressive"
    return AutoregressiveSubject(task, model) if stepwise else ForecastingSubject(task, model)


@dataclass(frozen=True)
class ForecastingSubject:
    """Inputs are the fields of a batch of windows that are not empty; the output is ``quantiles [B, H, Q]`` float64.

    The quantiles are in the user's units: the window's unit, its anchor and the logarithm are undone in the graph.
    Those of counts have no closed form: of them the output is ``parameters [M, B, H, 2]`` float64 of the M members.
    """

    task: ForecastingTask
    model: nn.ModuleList
    kind = "forecasting"
    streams = False

    @property
    def steps(self) -> tuple[int, int, int]:
        """Contexts: the shortest one, the model's own, and twice that."""
        least = self.task.choices.segment if self.task.settings.decoder == "segments" else self.task.choices.shortest
        context = self.task.context
        return (least, context, 2 * context)

    def write(self, graph: Graph) -> None:
        windows = Windows(graph, self.task, self._horizon)
        raws = (_raw(graph, member, windows) for member in self.model)
        if self.task.is_drawn:
            heads.write_parameters(graph, self.task, raws, windows, windows.spoilt())
            return
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
        whole = self.task.settings.decoder == "segments"
        lengths = np.full(batch, steps) if whole else draw_lengths(random, steps, batch)
        drawn = draw_windows(random, self.task, lengths, self._horizon)
        given = Batch.of(drawn)
        if self.task.is_drawn:
            raws = [member(given) for member in self.model]
            return Trial(inputs_of(drawn), {"parameters": heads.expected_parameters(self.task, raws, given)})
        return Trial(inputs_of(drawn), {"quantiles": self.task.quantiles(self.model, given).numpy()})

    def describe(self) -> dict[str, Any]:
        return self.task.to_dict()


def _raw(graph: Graph, member: nn.Module, windows: Windows) -> Value:
    """``[B, H, R]`` the raw numbers of one member."""
    if isinstance(member, DirectForecaster):
        return _direct(graph, member, windows)
    assert isinstance(member, SegmentForecaster)
    return _segments(graph, member, windows)


def _direct(graph: Graph, member: DirectForecaster, windows: Windows) -> Value:
    past, known, ahead, static = (windows.read(name, member.inputs) for name in GROUPS)
    values = graph.concat([past, known, repeat(graph, static, past.size(1))], axis=-1)
    _, state = encoder(graph, member.encoder, values, windows.lengths)
    summary = last(member.encoder, state)
    steps = linear(graph, member.to_steps, summary).reshape(0, member.horizon, -1)
    place = np.linspace(0, 1, member.horizon, dtype=np.float32)[:, None]  # [H, 1]
    shape = graph.concat([ahead.size(0), graph.integers(member.horizon, 1)], axis=0)
    known = graph.concat([steps, ahead, graph.op("Expand", graph.constant(place), shape)], axis=-1)
    read, _ = recurrent(graph, member.reader, known.transpose(1, 0, 2))
    known = graph.concat([known, read.transpose(1, 0, 2)], axis=-1)
    wide = member.hidden.in_features - member.encoder.output_size - member.inputs.size["static"]
    of_known, of_summary = graph.weight_parts(to_array(member.hidden.weight).T, 1, axis=0, at=wide)
    constant = graph.concat([summary, static], axis=-1) @ of_summary + graph.constant(to_array(member.hidden.bias))
    return linear(graph, member.output, relu(known @ of_known + constant.unsqueeze(1)))


def _segments(graph: Graph, member: SegmentForecaster, windows: Windows) -> Value:
    past, known, ahead, static = (windows.read(name, member.inputs) for name in GROUPS)
    context = graph.concat([past, known], axis=-1)
    width = member.segment * (member.inputs.size["past"] + member.inputs.size["known"])
    _, state = encoder(graph, member.encoder, relu(linear(graph, member.embed, context.reshape(0, -1, width))))
    missing = member.segments * member.segment - member.horizon
    if missing:
        ahead = graph.concat([ahead, *[ahead.slice(1, member.horizon - 1, member.horizon)] * missing], axis=1)
    own = ahead.reshape(0, -1, member.segment * member.inputs.size["known"])  # [B, n, ·]
    wide = graph.concat([own, repeat(graph, static, graph.integers(member.segments))], axis=-1)
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
