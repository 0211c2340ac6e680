"""Many sequences of unequal length as one array: nothing is padded before a batch is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.errors import ShapeError

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SequenceSet:
    """N sequences, one after the other.

    >>> some = SequenceSet.join([np.array([1, 2, 3]), np.array([4])])
    >>> some.pad(np.array([1, 0]))
    (array([[4, 0, 0],
           [1, 2, 3]]), array([1, 3]))
    """

    values: NDArray[Any]
    """[S, ...] all steps of all sequences: symbols, or features [S, D]."""
    lengths: Ints
    """[N] steps of each."""

    def __post_init__(self) -> None:
        if int(self.lengths.sum()) != len(self.values):
            raise ShapeError("SequenceSet", f"lengths must add up to {len(self.values)}, got {self.lengths.sum()}.")

    @classmethod
    def join(cls, sequences: Sequence[NDArray[Any]]) -> SequenceSet:
        """Put sequences ``[T, ...]``, alike but for T, one after the other; at least one."""
        return cls(np.concatenate(sequences), np.array([len(one) for one in sequences], dtype=np.int64))

    @cached_property
    def starts(self) -> Ints:
        """[N] where each begins in ``values``."""
        return np.cumsum(self.lengths) - self.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, number: int) -> NDArray[Any]:
        start = self.starts[number]
        return self.values[start : start + self.lengths[number]]

    def steps(self, chosen: Ints) -> Ints:
        """The places in ``values`` of all steps of the chosen sequences, in their order."""
        lengths = self.lengths[chosen]
        inside = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        places: Ints = np.repeat(self.starts[chosen], lengths) + inside
        return places

    def take(self, chosen: Ints) -> SequenceSet:
        """The chosen sequences only, in the order given."""
        return SequenceSet(self.values[self.steps(chosen)], self.lengths[chosen])

    def pad(self, chosen: Ints) -> tuple[NDArray[Any], Ints]:
        """The chosen sequences as one batch ``[B, T, ...]``, zero after their end, and their lengths ``[B]``.

        T is that of the longest, 1 at least.
        """
        lengths = self.lengths[chosen]
        step = np.arange(max(int(lengths.max()), 1))
        real = step < lengths[:, None]  # [B, T]
        batch = np.zeros((*real.shape, *self.values.shape[1:]), dtype=self.values.dtype)
        batch[real] = self.values[self.steps(chosen)]
        return batch, lengths
