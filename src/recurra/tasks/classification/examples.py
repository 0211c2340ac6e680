"""Samples as a model reads them, cut into padded batches by index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data.samples import Samples
from recurra.data.sequence_set import SequenceSet
from recurra.data.sequences import Sequences
from recurra.data.vocabulary import UNKNOWN, Vocabulary

_SHARED = np.uint8
"""The type of pixels, which share one scale: a column of an image is no feature of its own."""


@dataclass(frozen=True)
class Batch:
    """B samples: their sequences ``[B, T]`` of symbols or ``[B, T, D]`` of numbers, and what is to be said of them."""

    values: Tensor
    lengths: Tensor
    target: Tensor | None

    @property
    def mask(self) -> Tensor:
        """``[B, T]``, true on real steps."""
        return Sequences(self.values, self.lengths).mask


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


class Examples:
    """Encoded samples: the task's :class:`~recurra.task.Examples`.

    Args:
        samples: where they come from.
        inputs: their symbols, or their numbers as they were read.
        scale: of the numbers; None for symbols.
        target: ``[N, ...]`` what is to be learned; None to predict only.
    """

    def __init__(self, samples: Samples, inputs: SequenceSet, scale: Scale | None, target: Tensor | None) -> None:
        self.samples, self.inputs, self.scale, self.target = samples, inputs, scale, target
        self.lengths = torch.from_numpy(inputs.lengths)

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, index: Tensor) -> Batch:
        """Cut and pad the samples ``index`` ``[B]``."""
        values, lengths = self.inputs.pad(index.numpy())
        if self.scale is not None:
            values = self.scale.apply(values)
            values[np.arange(values.shape[1]) >= lengths[:, None]] = 0.0  # padding was scaled, too
        target = None if self.target is None else self.target[index]
        return Batch(torch.from_numpy(values), torch.from_numpy(lengths), target)

    def name(self, index: int) -> str:
        """Name one sample by its place in the user's data."""
        return self.samples.where(index)


def encode_texts(texts: list[str], vocabulary: Vocabulary) -> SequenceSet:
    """The symbols of each text."""
    return SequenceSet.join([vocabulary.encode(text) for text in texts])


def unknown_share(inputs: SequenceSet) -> float:
    """The share of symbols that are not in the vocabulary."""
    return float((inputs.values == UNKNOWN).mean()) if len(inputs.values) else 0.0
