"""What a model reads of samples: symbols, or numbers on a scale. No torch here: exported models are fed by it, too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.data.sequence_set import SequenceSet
from recurra.data.vocabulary import UNKNOWN, Vocabulary

_SHARED = np.uint8
"""The type of pixels, which share one scale: a column of an image is no feature of its own."""


@dataclass(frozen=True)
class Scale:
    """What is subtracted from each of D features, and what it is divided by."""

    mean: tuple[float, ...]
    spread: tuple[float, ...]

    @classmethod
    def learn(cls, numbers: SequenceSet) -> Scale:
        """Mean and standard deviation of each feature, without what is missing; of bytes those of all together.

        A feature that never changes is divided by 1.

        >>> Scale.learn(SequenceSet(np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([2])))
        Scale(mean=(2.0, 5.0), spread=(1.0, 1.0))
        """
        values, D = numbers.values, numbers.values.shape[1]
        if values.dtype == _SHARED:
            return cls((float(values.mean()),) * D, (float(values.std()) or 1.0,) * D)
        known = ~np.isnan(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0).sum(axis=0, dtype=np.float64) / count
        spread = np.sqrt((np.where(known, values - mean, 0) ** 2).sum(axis=0, dtype=np.float64) / count)
        spread[spread < 1e-6 * np.maximum(np.abs(mean), 1e-30)] = 1.0
        return cls(tuple(mean.tolist()), tuple(spread.tolist()))

    def apply(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """``[..., D]`` in units of the spread; what is missing becomes the mean, 0."""
        scaled = (values - np.array(self.mean, np.float32)) / np.array(self.spread, np.float32)
        known: NDArray[np.float32] = np.nan_to_num(scaled.astype(np.float32, copy=False), copy=False, nan=0.0)
        return known


def encode_texts(texts: list[str], vocabulary: Vocabulary) -> SequenceSet:
    """The symbols of each text."""
    return SequenceSet.join([vocabulary.encode(text) for text in texts])


def unknown_share(inputs: SequenceSet) -> float:
    """The share of symbols that are not in the vocabulary."""
    return float((inputs.values == UNKNOWN).mean()) if len(inputs.values) else 0.0
