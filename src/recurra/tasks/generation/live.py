"""A language model that is fed text as it comes: how likely it was, and what is likely to follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data.vocabulary import UNKNOWN, Vocabulary
from recurra.decoding import rule_out
from recurra.errors import DataError
from recurra.nn.stepper import stepper
from recurra.tasks.generation.model import LanguageModel
from recurra.tasks.generation.position import START
from recurra.tasks.generation.writing import FORBIDDEN

_SHOWN = 5  # symbols that may follow
_WHERE = "observation"


class LiveLanguageModel:
    """The task's :class:`~recurra.task.Live`.

    An observation is a text. What is said is how many ``symbols`` it has and how many of them are ``unknown``; its
    ``log_probability`` after all that came before, in nats; and the symbols that are likeliest to come ``next``.
    """

    def __init__(self, model: LanguageModel, vocabulary: Vocabulary) -> None:
        self._model, self._vocabulary = model, vocabulary
        self._steppers = [stepper(layer) for layer in model.encoder.stacks]
        table = model.encoder.embedding
        self._table: NDArray[Any] | None = None if table is None else table.detach().numpy()  # [V, E]
        self._read(START)
        self._keep()
        self._scores = self._score()

    @torch.no_grad()
    def feed(self, observation: Any) -> dict[str, Any]:
        """Read a text, symbol by symbol."""
        ids, scores, total = self._encode(observation), self._scores, 0.0
        for number in ids:
            total += float(scores[number])
            scores = self._head(self._read(number))
        if not math.isfinite(total + float(scores.logsumexp(-1))):
            self._undo()
            raise DataError(_WHERE, "what the model says after it must be finite, it is not. Begin a new stream.")
        self._keep()
        self._scores = scores
        return {
            "symbols": len(ids),
            "unknown": ids.count(UNKNOWN),
            "log_probability": total,
            "next": self._likeliest(),
        }

    @property
    def state(self) -> dict[str, Tensor]:
        """Of the recurrent layers, from the lowest on."""
        return {
            f"layers.{layer}.{number}": part
            for layer, one in enumerate(self._steppers)
            for number, part in enumerate(one.state)
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        for name, part in self.state.items():
            part.copy_(state[name])
        self._scores = self._score()

    def _encode(self, observation: Any) -> list[int]:
        if not isinstance(observation, str):
            raise DataError(_WHERE, f"the model reads texts, {observation!r:.40} came. Give a text.")
        ids: list[int] = self._vocabulary.encode(observation).tolist()
        if not ids:
            unit = self._vocabulary.tokens.unit
            raise DataError(_WHERE, f"a text must have a {unit} to read, {observation!r:.40} has none. Leave it out.")
        return ids

    def _read(self, number: int) -> NDArray[Any]:
        """The features [O] after one more symbol."""
        first = self._steppers[0]
        if self._table is None:
            first.input[:] = 0
            first.input[number] = 1
        else:
            first.input[:] = self._table[number]
        features = first.step()
        for layer in self._steppers[1:]:
            layer.input[:] = features
            features = layer.step()
        return features

    def _score(self) -> Tensor:
        """[V] the log-probabilities of what follows; without dropout the features are h of the last layer."""
        return self._head(self._steppers[-1].state[0][-1, 0].numpy())

    @torch.no_grad()
    def _head(self, features: NDArray[Any]) -> Tensor:
        scores: Tensor = self._model.head.log_probabilities(
            torch.from_numpy(features)[None], self._model.encoder.embedding
        )
        return scores[0]

    def _likeliest(self) -> list[dict[str, Any]]:
        allowed = torch.from_numpy(rule_out(self._scores.numpy(), FORBIDDEN))
        scores, ids = allowed.topk(min(_SHOWN, len(allowed) - len(FORBIDDEN)))
        return [
            {"symbol": self._vocabulary.symbol(number), "log_probability": score}
            for number, score in zip(ids.tolist(), scores.tolist(), strict=True)
        ]

    def _keep(self) -> None:
        for one in self._steppers:
            one.keep()

    def _undo(self) -> None:
        for one in self._steppers:
            one.undo()
