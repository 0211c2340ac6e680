"""An exported classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.samples import Samples
from recurra.runtime.pair import Pair
from recurra.tasks.classification.fitted import FittedClassification

_CHUNK = 256  # samples at once


class Classifier:
    """Predicts as the bundle does that it was exported from."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.task = FittedClassification.from_dict(pair.settings)
        pair.require({"said": (np.float64, ["B", self.task.answers.size])})

    def predict(self, data: Any) -> pl.DataFrame:
        """The table that :meth:`recurra.Bundle.predict` makes of the same data."""
        return self.task.tabulate(data, self._say)

    def _say(self, samples: Samples) -> NDArray[np.float64]:
        """[N, C] probabilities, or [N, 1] numbers; samples of like length go together."""
        inputs = self.task.inputs(samples)
        order = np.argsort(inputs.lengths, kind="stable")
        said = np.empty((len(inputs), self.task.answers.size))
        for start in range(0, len(order), _CHUNK):
            chosen = order[start : start + _CHUNK]
            values, lengths = inputs.pad(chosen)
            said[chosen] = self._pair.run({"values": self._numbers(values), "lengths": lengths})["said"]
        return said

    def _numbers(self, values: NDArray[Any]) -> NDArray[Any]:
        """Symbols as they are; numbers in float32, and the mean where the settings let one be missing."""
        if self.task.scale is None:
            return values
        mean = np.array(self.task.scale.mean, np.float32)
        return np.where(np.isnan(values), mean, values).astype(np.float32)
