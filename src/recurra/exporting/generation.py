"""A language model as a graph: from symbols and a state to the probabilities of the next symbol and the next state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from recurra.exporting.graph import Graph, Value
from recurra.exporting.modules import embedding, linear, matrix, to_array
from recurra.exporting.recurrent import State, encoder
from recurra.exporting.subject import Trial, draw_state, spoilt, state_inputs, state_outputs
from recurra.nn.language import SymbolEncoder
from recurra.nn.softmax import AdaptiveSoftmax, FullSoftmax
from recurra.nn.stack import RecurrentStack
from recurra.tasks.generation.model import LanguageModel
from recurra.tasks.generation.task import GenerationTask


@dataclass(frozen=True)
class GenerationSubject:
    """Inputs ``ids [B, T]`` int64 and the state; outputs ``log_probabilities [B, T, V]`` float32 and the next state.

    The state is ``state_0``, ``state_1``, …, the parts of the lowest layer first, ``[1, B, ·]`` each; zeros at the
    start of a text, whose first symbol is 0.
    """

    task: GenerationTask
    model: nn.ModuleList
    kind = "generation"
    streams = True
    steps = (1, 7, 30)

    @property
    def _language_model(self) -> LanguageModel:
        member = self.model[0]
        assert isinstance(member, LanguageModel)
        return member

    @property
    def state(self) -> dict[str, tuple[int, int]]:
        """The rows and the width of each part of the state."""
        with torch.no_grad():
            _, state = self._language_model.encoder(torch.zeros(1, 1, dtype=torch.int64))
        return {f"state_{number}": (len(part), part.shape[-1]) for number, part in enumerate(state)}

    def write(self, graph: Graph) -> None:
        model, symbols = self._language_model, len(self.task.vocabulary)
        ids = graph.input("ids", np.int64, "B", "T")
        state = state_inputs(graph, self.state)
        features, after = _features(graph, model.encoder, ids, state)
        logits = _log_probabilities(graph, model.head, features, model.encoder)
        spoil = spoilt(graph, dict.fromkeys(state, (0, 2))).unsqueeze(-1)  # [B, 1]
        graph.output("log_probabilities", logits + spoil.unsqueeze(-1), "B", "T", symbols)
        state_outputs(graph, self.state, tuple(part + spoil for part in after))

    @torch.no_grad()
    def trial(self, random: np.random.Generator, steps: int, batch: int, begun: bool) -> Trial:
        model = self._language_model
        ids = random.integers(0, len(self.task.vocabulary), (batch, steps))
        state = draw_state(random, self.state, batch, begun)
        features, after = model.encoder(torch.from_numpy(ids), tuple(map(torch.from_numpy, state.values())))
        said = model.head.log_probabilities(features.flatten(0, 1), model.encoder.embedding)
        expected = {"log_probabilities": said.view(batch, steps, -1).numpy()}
        expected |= {f"next_{name}": part.numpy() for name, part in zip(state, after, strict=True)}
        return Trial({"ids": ids, **state}, expected)

    def describe(self) -> dict[str, Any]:
        return self.task.to_dict()


def _features(graph: Graph, model: SymbolEncoder, ids: Value, state: State) -> tuple[Value, State]:
    """``[B, T, O]``, and the state after the last symbol."""
    if model.embedding is None:
        depth, ends = graph.integers(model.symbols), graph.constant(np.array([0.0, 1.0], np.float32))
        values = graph.op("OneHot", ids, depth, ends, dtype=np.float32, axis=-1)
    else:
        values = embedding(graph, to_array(model.embedding), ids)
    after: list[Value] = []
    parts = len(state) // len(model.layers)  # of each layer
    for number, layer in enumerate(model.layers):
        assert isinstance(layer, RecurrentStack)
        values, now = encoder(graph, layer, values, None, state[number * parts : (number + 1) * parts])
        after += now
    return values, tuple(after)


def _log_probabilities(
    graph: Graph, head: FullSoftmax | AdaptiveSoftmax, features: Value, model: SymbolEncoder
) -> Value:
    """``[B, T, V]``."""
    if isinstance(head, AdaptiveSoftmax):
        return _adaptive(graph, head.inner, features)
    if head.project is not None:
        features = linear(graph, head.project, features)
    bias = graph.constant(to_array(head.bias))
    if head.weight is not None:
        return _log_softmax(features @ matrix(graph, head.weight) + bias)
    assert model.embedding is not None
    return _log_softmax(_tied(graph, features, graph.weight(to_array(model.embedding)), bias))


def _tied(graph: Graph, features: Value, table: Value, bias: Value) -> Value:
    """``[B, T, V]`` of the embeddings ``table [V, O]``, which are stored once and never turned round."""
    flat = graph.op("Reshape", features, graph.concat([graph.integers(-1), features.size(2)], axis=0))  # [B T, O]
    logits = graph.op("Gemm", flat, table, bias, transB=1)
    return graph.op("Reshape", logits, graph.concat([features.size(0), features.size(1), graph.integers(-1)], axis=0))


def _adaptive(graph: Graph, inner: nn.AdaptiveLogSoftmaxWithLoss, features: Value) -> Value:
    """The frequent symbols, and those of each cluster of rarer ones times the probability of the cluster."""
    clusters = inner.n_clusters
    frequent, *of_clusters = _log_softmax(linear(graph, inner.head, features)).split(
        [inner.shortlist_size, *[1] * clusters], axis=-1
    )
    parts = [frequent]
    for tail, cluster in zip(inner.tail, of_clusters, strict=True):
        assert isinstance(tail, nn.Sequential)
        first, second = tail
        assert isinstance(first, nn.Linear)
        assert isinstance(second, nn.Linear)
        parts.append(_log_softmax(linear(graph, second, linear(graph, first, features))) + cluster)
    return graph.concat(parts, axis=-1)


def _log_softmax(logits: Value) -> Value:
    return logits.graph.op("LogSoftmax", logits, axis=-1)
