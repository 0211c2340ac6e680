"""An exported language model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recurra.data.vocabulary import FIRST, PADDING, Vocabulary
from recurra.errors import SettingsError
from recurra.runtime.pair import Pair

State = tuple[NDArray[np.float32], ...]
_START = PADDING  # the id before a text


class Writer:
    """Says which symbol comes next, and goes on with texts."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.vocabulary = Vocabulary.from_dict(pair.settings["vocabulary"])
        self._names = [name for name in pair.inputs if name != "ids"]

    def begin(self) -> tuple[NDArray[np.float64], State]:
        """Log-probabilities ``[V]`` of the first symbol of a text, and the state."""
        shapes = (self._pair.inputs[name] for name in self._names)
        return self.read([_START], tuple(np.zeros((rows, 1, width), np.float32) for rows, _, width in shapes))

    def read(self, text: str | Sequence[int], state: State) -> tuple[NDArray[np.float64], State]:
        """Log-probabilities ``[V]`` of what follows a text, or its ids, that comes after ``state``; the next state."""
        ids = self.vocabulary.encode(text) if isinstance(text, str) else np.array(text, np.int64)
        answers = self._pair.run({"ids": ids[None], **dict(zip(self._names, state, strict=True))})
        after = tuple(answers[f"next_{name}"] for name in self._names)
        return answers["log_probabilities"][0, -1].astype(np.float64), after

    def generate(self, prompt: str = "", *, length: int = 500, temperature: float = 0.8, seed: int = 0) -> str:
        """Go on with a prompt, symbol by symbol; a temperature of 0 takes the likeliest one.

        Draws are those of NumPy, so that they are others than those of the bundle with the same seed.
        """
        if length < 1 or temperature < 0:
            where, came = ("length", length) if length < 1 else ("temperature", temperature)
            raise SettingsError(where, f"must be at least {int(length < 1)}, got {came}. Raise it.")
        random = np.random.default_rng(seed)
        scores, state = self.begin()
        known = self.vocabulary.encode(prompt).tolist()
        if known:
            scores, state = self.read(known, state)
        ids = [*known]
        for number in range(length):
            ids.append(_choose(scores, temperature, random))
            if number < length - 1:
                scores, state = self.read(ids[-1:], state)
        return self.vocabulary.decode(ids)[len(self.vocabulary.decode(known)) :]


def _choose(scores: NDArray[np.float64], temperature: float, random: np.random.Generator) -> int:
    """One symbol; padding and the unknown one are never chosen."""
    allowed = scores[FIRST:]
    if temperature > 0:  # the largest of scores with Gumbel's noise is a draw (Gumbel 1954)
        allowed = allowed / temperature + random.gumbel(size=allowed.shape)
    return FIRST + int(allowed.argmax())
