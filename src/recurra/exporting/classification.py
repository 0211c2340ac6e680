"""A classifier as a graph: from symbols, or numbers in the user's units, to probabilities or a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from recurra.data.samples import Samples
from recurra.data.sequence_set import SequenceSet
from recurra.exporting.graph import Graph, Value
from recurra.exporting.modules import embedding, linear, matrix, relu, to_array
from recurra.exporting.recurrent import encoder, last
from recurra.exporting.subject import Trial, draw_lengths, mean, spoilt
from recurra.nn.front import Convolution
from recurra.nn.pooling import Pooling
from recurra.tasks.classification.answers import Number, OneClass
from recurra.tasks.classification.examples import Examples
from recurra.tasks.classification.inputs import Scale
from recurra.tasks.classification.models import Classifier
from recurra.tasks.classification.task import ClassificationTask

_LEAST = float(np.finfo(np.float32).min)


@dataclass(frozen=True)
class ClassificationSubject:
    """Inputs ``values``, ``[B, T]`` int64 symbols or ``[B, T, D]`` float32 numbers, and ``lengths [B]``.

    The output is ``said``, float64: ``[B, C]`` probabilities, or ``[B, 1]`` a number in the user's units.
    """

    task: ClassificationTask
    model: nn.ModuleList
    kind = "classification"
    streams = False
    steps = (3, 20, 57)

    def write(self, graph: Graph) -> None:
        task = self.task
        texts = task.vocabulary is not None
        shape: tuple[int | str, ...] = ("B", "T") if texts else ("B", "T", len(task.features))
        numbers = graph.input("values", np.int64 if texts else np.float32, *shape)
        lengths = graph.input("lengths", np.int64, "B")
        values = numbers if task.scale is None else _scaled(graph, numbers, lengths, task.scale)
        raws = (_raw(graph, member, values, lengths) for member in self.model)
        said = mean([self._meaning(raw.to(np.float64)) for raw in raws])
        if task.scale is not None:
            said = said + spoilt(graph, {numbers: (1, 2)}).unsqueeze(-1).to(np.float64)
        graph.output("said", said, "B", task.answers.size)

    def _meaning(self, raw: Value) -> Value:
        answers = self.task.answers
        if isinstance(answers, Number):
            return raw * answers.spread + answers.mean
        if isinstance(answers, OneClass):
            return raw.graph.op("Softmax", raw, axis=1)
        return raw.graph.op("Sigmoid", raw)

    @torch.no_grad()
    def trial(self, random: np.random.Generator, steps: int, batch: int, begun: bool) -> Trial:  # noqa: ARG002 - no stream
        sequences = SequenceSet.join([self._sequence(random, length) for length in draw_lengths(random, steps, batch)])
        examples = Examples(_NOWHERE, sequences, self.task.scale, None)
        drawn = examples.batch(torch.arange(batch))
        answers = self.task.answers
        said = np.mean([answers.predict(member(drawn)) for member in self.model], axis=0)
        values, lengths = sequences.pad(np.arange(batch))
        unit = answers.spread if isinstance(answers, Number) else None
        return Trial({"values": values, "lengths": lengths}, {"said": said}, unit)

    def _sequence(self, random: np.random.Generator, length: int) -> Any:
        if self.task.vocabulary is not None:
            return random.integers(0, len(self.task.vocabulary), length)
        assert self.task.scale is not None
        numbers = random.normal(self.task.scale.mean, self.task.scale.spread, (length, len(self.task.features)))
        return numbers.astype(np.float32)

    def describe(self) -> dict[str, Any]:
        return self.task.to_dict()


_NOWHERE = Samples(source="drawn at random", names=[])


def _scaled(graph: Graph, values: Value, lengths: Value, scale: Scale) -> Value:
    """In units of the spread; padding is 0."""
    mean, spread = (graph.constant(np.array(numbers, np.float32)) for numbers in (scale.mean, scale.spread))
    return graph.where(_mask(graph, values, lengths).unsqueeze(-1), (values - mean) / spread, 0.0)


def _mask(graph: Graph, values: Value, lengths: Value) -> Value:
    """``[B, T]`` bool, true on real steps of ``values [B, T, …]``."""
    return graph.steps(values.size(1)) < lengths.unsqueeze(-1)


def _raw(graph: Graph, member: nn.Module, values: Value, lengths: Value) -> Value:
    """``[B, R]`` the raw outputs of one member."""
    assert isinstance(member, Classifier)
    if member.table is not None:
        values = embedding(graph, to_array(member.table), values)
    if member.linear is not None:
        values = linear(graph, member.linear, values)
    if member.convolution is not None:
        values, lengths = _convolution(graph, member.convolution, values, lengths)
    for stack in member.stacks:
        values, state = encoder(graph, stack, values, lengths)
    pooled = _pooled(graph, member.pooling, values, _mask(graph, values, lengths), last(stack, state))
    return linear(graph, member.output, pooled)


def _convolution(graph: Graph, front: Convolution, values: Value, lengths: Value) -> tuple[Value, Value]:
    """``[B, T, D]`` to ``[B, T', C]``, and the new lengths."""
    shorter = (lengths + (front.stride - 1)) / front.stride
    for convolution, norm in zip((front.first, front.second), front.norms, strict=True):
        assert isinstance(norm, nn.LayerNorm)
        padding = int(convolution.padding[0])
        assert convolution.bias is not None
        weight, bias = graph.weight(to_array(convolution.weight)), graph.constant(to_array(convolution.bias))
        values = graph.op(
            "Conv", values.transpose(0, 2, 1), weight, bias, strides=[convolution.stride[0]], pads=[padding, padding]
        ).transpose(0, 2, 1)
        gain, shift = (graph.constant(to_array(numbers)) for numbers in (norm.weight, norm.bias))
        values = relu(graph.op("LayerNormalization", values, gain, shift, axis=-1, epsilon=norm.eps))
        values = graph.where(_mask(graph, values, shorter).unsqueeze(-1), values, 0.0)
    return values, shorter


def _pooled(graph: Graph, pooling: Pooling, outputs: Value, mask: Value, last: Value) -> Value:
    """``[B, T, O]``, zero on padding, to ``[B, output_size]``."""
    if pooling.kind == "last":
        return last
    real = mask.unsqueeze(-1)  # [B, T, 1]
    if pooling.kind == "mean":
        return _mean(graph, outputs, real)
    if pooling.kind == "max":
        return _maximum(graph, outputs, real)
    if pooling.kind == "concat":
        return graph.concat([last, _maximum(graph, outputs, real), _mean(graph, outputs, real)], axis=-1)
    hidden = graph.op("Tanh", linear(graph, pooling.hidden, outputs))
    scores = graph.where(real, hidden @ matrix(graph, pooling.score.weight), _LEAST)  # [B, T, 1]
    weights = graph.op("Softmax", scores, axis=1)
    return (outputs * weights).sum(1).squeeze(1)


def _mean(graph: Graph, outputs: Value, real: Value) -> Value:
    count = real.to(np.float32).sum(1).squeeze(1)
    return outputs.sum(1).squeeze(1) / graph.op("Max", count, graph.constant(np.array(1.0, np.float32)))


def _maximum(graph: Graph, outputs: Value, real: Value) -> Value:
    return graph.where(real, outputs, _LEAST).max(1).squeeze(1)
