"""An exported tagger."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl

from recurra.runtime.pair import Array, Pair
from recurra.tasks.tagging.chain import Chain, Floats
from recurra.tasks.tagging.decoding import decode
from recurra.tasks.tagging.fitted import FittedTagging
from recurra.tasks.tagging.inputs import Cut

_LETTERS = ("forms", "characters", "character_lengths")


class Tagger:
    """Predicts as the bundle does that it was exported from."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.task = FittedTagging.from_dict(pair.settings)
        K = len(self.task.classes)
        shapes: dict[str, list[Any]] = {"scores": ["B", "T", K], "start": [K], "between": [K, K], "end": [K]}
        if self.task.is_free:
            shapes["probabilities"] = ["B", "T", K]
        pair.require({name: (np.float32, shape) for name, shape in shapes.items()})

    def predict(self, data: Any) -> pl.DataFrame:
        """The table that :meth:`recurra.Bundle.predict` makes of the same data."""
        return self.task.tabulate(data, partial(decode, self._score))

    def _score(self, cut: Cut) -> tuple[Floats, Chain]:
        """What the graph says of words, and of neighbouring tags."""
        said = self._pair.run(inputs_of(cut, self.task))
        exact = {name: array.astype(np.float64) for name, array in said.items()}
        return exact["scores"], Chain(exact["start"], exact["between"], exact["end"])


def inputs_of(cut: Cut, task: FittedTagging) -> dict[str, Array]:
    """The inputs of the graph: letters and marks only where the model reads them."""
    left_out = () if task.settings.characters != "none" else _LETTERS
    if not task.marked:
        left_out = (*left_out, "marks")
    return {name: array for name, array in vars(cut).items() if name not in left_out}
