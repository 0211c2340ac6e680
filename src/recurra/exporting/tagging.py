"""A tagger as a graph: from words, their letters and marks to the scores that tags are decoded from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from recurra.exporting.graph import Graph, Value
from recurra.exporting.modules import embedding, linear, to_array
from recurra.exporting.recurrent import encoder, last
from recurra.exporting.subject import Trial, draw_lengths, mean
from recurra.nn.characters import CharacterEncoder
from recurra.nn.crf import Transitions, forbid
from recurra.nn.front import SymbolEmbedding
from recurra.runtime.tagger import inputs_of
from recurra.tasks.tagging.chain import Chain
from recurra.tasks.tagging.examples import Batch
from recurra.tasks.tagging.inputs import Cut
from recurra.tasks.tagging.models import LanguageEmbedding, Tagger
from recurra.tasks.tagging.scoring import emissions, transitions
from recurra.tasks.tagging.task import TaggingTask

_LEAST = float(np.finfo(np.float32).min)
_LONGEST = 12  # letters of the words that are drawn


@dataclass(frozen=True)
class TaggingSubject:
    """Inputs are the fields of :class:`recurra.tasks.tagging.inputs.Cut` that the model reads.

    The outputs are ``scores [B, T, K]``, and those of neighbouring tags, ``start [K]``, ``between [K, K]`` and
    ``end [K]``. Where each tag stands for itself, ``probabilities [B, T, K]`` say all, without decoding.
    """

    task: TaggingTask
    model: nn.ModuleList
    kind = "tagging"
    streams = False
    steps = (1, 20, 57)

    def write(self, graph: Graph) -> None:
        given = _inputs(graph, self.task)
        scores = mean([_scores(graph, member, given) for member in self._members])
        K = len(self.task.classes)
        graph.output("scores", scores, "B", "T", K)
        if self.task.is_free:
            graph.output("probabilities", graph.op("Softmax", scores, axis=-1), "B", "T", K)
        for name, shape, value in zip(Chain._fields, ((K,), (K, K), (K,)), self._transitions(graph), strict=True):
            graph.output(name, value, *shape)

    @property
    def _members(self) -> list[Any]:
        return list(self.model)

    def _transitions(self, graph: Graph) -> list[Value]:
        """Those of all members together, and what is not legal far below."""
        if not self.task.has_crf:
            return [graph.constant(to_array(part)) for part in transitions(self._members, self.task.legal)]
        parts = [[getattr(member.crf, name) for member in self._members] for name in Chain._fields]
        values = [mean([graph.weight(to_array(one)) for one in of_members]) for of_members in parts]
        if self.task.legal is None:
            return values
        below = forbid(Transitions(*(torch.zeros(flags.shape) for flags in self.task.legal)), self.task.legal)
        return [value + graph.constant(to_array(part)) for value, part in zip(values, below, strict=True)]

    @torch.no_grad()
    def trial(self, random: np.random.Generator, steps: int, batch: int, begun: bool) -> Trial:  # noqa: ARG002 - no stream
        cut = self._cut(random, steps, batch)
        scores = emissions(self._members, Batch.of(cut))
        expected = {"scores": scores.numpy()}
        if self.task.is_free:
            expected["probabilities"] = scores.softmax(dim=-1).numpy()
        parts = transitions(self._members, self.task.legal)._asdict()
        return Trial(inputs_of(cut, self.task), expected | {name: to_array(part) for name, part in parts.items()})

    def _cut(self, random: np.random.Generator, steps: int, batch: int) -> Cut:
        """Sentences of words that are drawn letter by letter."""
        lengths, words = draw_lengths(random, steps, batch), steps + 2
        real = np.arange(steps) < lengths[:, None]  # [B, T]
        character_lengths = draw_lengths(random, _LONGEST, words)
        characters = random.integers(1, len(self.task.characters), (words, _LONGEST))
        return Cut(
            words=random.integers(1, len(self.task.words), real.shape) * real,
            lengths=lengths,
            forms=random.integers(0, words, real.shape),
            characters=characters * (np.arange(_LONGEST) < character_lengths[:, None]),
            character_lengths=character_lengths,
            marks=random.integers(0, 2, real.shape) * real,
        )

    def describe(self) -> dict[str, Any]:
        return self.task.to_dict()


def _inputs(graph: Graph, task: TaggingTask) -> dict[str, Value]:
    """The inputs by their names: letters and marks only where they are read."""
    shapes: dict[str, tuple[str, ...]] = {"words": ("B", "T"), "lengths": ("B",)}
    if task.settings.characters != "none":
        shapes |= {"forms": ("B", "T"), "characters": ("U", "C"), "character_lengths": ("U",)}
    if task.marked:
        shapes["marks"] = ("B", "T")
    return {name: graph.input(name, np.int64, *shape) for name, shape in shapes.items()}


def _scores(graph: Graph, member: nn.Module, given: dict[str, Value]) -> Value:
    """``[B, T, K]`` those of one member; without a CRF they are logarithms of probabilities."""
    assert isinstance(member, Tagger)
    outputs, _ = encoder(graph, member.encoder, _embedded(graph, member, given), given["lengths"])
    scores = linear(graph, member.output, outputs)
    return scores if member.crf is not None else graph.op("LogSoftmax", scores, axis=-1)


def _embedded(graph: Graph, member: Tagger, given: dict[str, Value]) -> Value:
    """``[B, T, E + …]`` what is known of each word by itself."""
    parts = [_words(graph, member.embedding, given)]
    if member.letters is not None:
        of_forms = _letters(graph, member.letters, given["characters"], given["character_lengths"])
        parts.append(graph.op("Gather", of_forms, given["forms"], axis=0))
    words = graph.concat(parts, axis=-1)
    if member.mark is None:
        return words
    marks = given["marks"].to(np.float32)
    one = graph.constant(np.array(1.0, np.float32))
    shares = marks / graph.op("Max", marks.sum(1), one)  # [B, T]
    of_marked = (words * shares.unsqueeze(-1)).sum(1)  # [B, 1, E]
    everywhere = graph.op("Expand", of_marked, graph.op("Shape", words, dtype=np.int64))
    return graph.concat([words, everywhere, embedding(graph, to_array(member.mark.weight), given["marks"])], axis=-1)


def _words(graph: Graph, front: SymbolEmbedding | LanguageEmbedding, given: dict[str, Value]) -> Value:
    """``[B, T, E]`` the vectors of words, or ``[B, T, E + O]`` with what a language model makes of them."""
    if isinstance(front, SymbolEmbedding):
        return embedding(graph, to_array(front.table.weight), given["words"])
    assert front.encoder.embedding is not None
    vectors = values = embedding(graph, to_array(front.encoder.embedding), given["words"])
    for stack in front.encoder.stacks:
        values, _ = encoder(graph, stack, values)
    return graph.concat([vectors, values], axis=-1)


def _letters(graph: Graph, letters: CharacterEncoder, characters: Value, lengths: Value) -> Value:
    """``[U, size]`` of ``characters [U, C]``."""
    values = embedding(graph, to_array(letters.embedding.table.weight), characters)
    if letters.recurrent is not None:
        _, state = encoder(graph, letters.recurrent, values, lengths)
        return last(letters.recurrent, state)
    return _maxima(graph, letters.convolution, values, lengths)


def _maxima(graph: Graph, convolution: nn.Conv1d | None, values: Value, lengths: Value) -> Value:
    """``[U, size]`` the largest of each map over the letters of a word."""
    assert convolution is not None
    assert convolution.bias is not None
    weight, bias = graph.weight(to_array(convolution.weight)), graph.constant(to_array(convolution.bias))
    padding = int(convolution.padding[0])
    maps = graph.op("Conv", values.transpose(0, 2, 1), weight, bias, pads=[padding, padding])  # [U, size, C]
    real = graph.steps(values.size(1)) < lengths.unsqueeze(-1)  # [U, C]
    return graph.where(real.unsqueeze(1), maps, _LEAST).max(2).squeeze(2)
