"""What is classified: texts or sequences of numbers, each with an answer, and how people find it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.sequence_set import SequenceSet

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Samples:
    """N examples as the user gave them, before anything is learned from them."""

    source: str
    names: Sequence[str]
    """[N] where each comes from: ``"line 17"``, ``"sequence 'a7'"``."""
    texts: Sequence[str] | None = None
    """[N] for text."""
    numbers: SequenceSet | None = None
    """[S, D] the steps of N sequences, for numbers; NaN never."""
    features: tuple[str, ...] = ()
    """[D] the names of the features."""
    answers: Sequence[Any] | None = None
    """[N] labels, tuples of labels or numbers; None where they are not known."""
    groups: Sequence[str] | None = None
    """[N] such as the person each comes from: a group is never divided."""
    identities: Sequence[Any] | None = None
    """[N] the user's own name of each sequence."""
    notices: tuple[str, ...] = ()
    """What was repaired."""

    def __len__(self) -> int:
        return len(self.names)

    def where(self, number: int) -> str:
        """The place of an error."""
        return f"{self.source}, {self.names[number]}"

    def take(self, chosen: Ints) -> Samples:
        """The chosen examples only."""

        def some(values: Sequence[Any] | None) -> Sequence[Any] | None:
            return None if values is None else [values[i] for i in chosen]

        return replace(
            self,
            names=[self.names[i] for i in chosen],
            texts=some(self.texts),
            numbers=None if self.numbers is None else self.numbers.take(chosen),
            answers=some(self.answers),
            groups=some(self.groups),
            identities=some(self.identities),
        )

    def noticing(self, *notices: str) -> Samples:
        """The same with more notices."""
        return replace(self, notices=(*self.notices, *notices))
