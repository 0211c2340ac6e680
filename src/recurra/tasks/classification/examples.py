"""Samples as a model reads them, cut into padded batches by index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recurra.data.samples import Samples
from recurra.data.sequence_set import SequenceSet
from recurra.data.sequences import Sequences
from recurra.tasks.classification.inputs import Scale


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
