"""An exported language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.vocabulary import Vocabulary
from recurra.decoding import Ids, Scores
from recurra.runtime.pair import Pair, states_of
from recurra.settings import Sampling, from_dict
from recurra.tasks.generation.position import START, Position
from recurra.tasks.generation.writing import Generated, require_model, write

State = tuple[NDArray[np.float32], ...]


class Writer:
    """Says which symbol comes next, and goes on with texts."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.vocabulary = Vocabulary.from_dict(pair.settings["vocabulary"])
        pair.require({"log_probabilities": (np.float32, ["B", "T", len(self.vocabulary)])}, states_of(pair))
        self._reader = _Reader(pair)

    def begin(self) -> tuple[NDArray[np.float64], State]:
        """Log-probabilities ``[V]`` of the first symbol of a text, and the state."""
        return self.read([START], self._reader.zeros(1))

    def read(self, text: str | Sequence[int], state: State) -> tuple[NDArray[np.float64], State]:
        """Log-probabilities ``[V]`` of what follows a text, or its ids, that comes after ``state``; the next state."""
        ids = self.vocabulary.encode(text) if isinstance(text, str) else np.array(text, np.int64)
        scores, after = self._reader.run(ids[None], state)
        return scores[0, -1].astype(np.float64), after

    def generate(
        self,
        prompt: str = "",
        *,
        state: Position | None = None,
        show: Callable[[str], None] | None = None,
        **sampling: Any,
    ) -> Generated:
        """Go on with a text, as :meth:`recurra.Bundle.generate` does: the same seed writes the same text.

        Args:
            prompt: the text to go on with; empty to begin anew, or to go on from ``state`` as it is.
            state: where to go on: the ``state`` of what an earlier call returned.
            show: is called with each piece of the text as soon as it is made.
            sampling: as in :class:`recurra.Sampling`, such as ``length=200, temperature=0.7``.

        Returns what was written: ``text``, ``symbols``, ``stopped``, ``notices``, and the ``state`` to go on from.

        Raises:
            SettingsError: the sampling settings contradict each other.
            DataError: the state is of another model.
        """
        start = state or Position(model=self._pair.sha256)
        require_model(start, self._pair.sha256)
        return write(self._reader, self.vocabulary, prompt, from_dict(Sampling, sampling), start, show)


class _Reader:
    """The graph as a :class:`recurra.tasks.generation.writing.Reader`."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._names = states_of(pair)

    def zeros(self, batch: int) -> State:
        """The state before a text."""
        shapes = (self._pair.inputs[name] for name in self._names)
        return tuple(np.zeros((rows, batch, width), np.float32) for rows, _, width in shapes)

    def run(self, ids: Ids, state: State) -> tuple[Scores, State]:
        """Log-probabilities ``[B, T, V]`` of what follows each of ``ids [B, T]``, and the next state."""
        answers = self._pair.run({"ids": ids, **dict(zip(self._names, state, strict=True))})
        return answers["log_probabilities"], tuple(answers[f"next_{name}"] for name in self._names)

    def read(self, ids: Ids, state: State | None) -> State:
        return self.run(ids, state or self.zeros(len(ids)))[1]

    def step(self, ids: Ids, state: State | None) -> tuple[Scores, State]:
        scores, after = self.run(ids[:, None], state or self.zeros(len(ids)))
        return scores[:, -1], after
