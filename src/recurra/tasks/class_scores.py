"""How single classes fare: what the scores of several tasks are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ClassScore:
    """How one class, or label, fares."""

    name: str
    actual: int
    """How many things have it."""
    predicted: int
    """How many are said to have it."""
    right: int
    """Of how many both is true."""

    @property
    def precision(self) -> float | None:
        """The share of the predicted ones that is right."""
        return self.right / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """The share of the actual ones that is found."""
        return self.right / self.actual if self.actual else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of the two."""
        both = self.actual + self.predicted
        return 2 * self.right / both if both else None


def weakest(classes: Sequence[ClassScore], count: int = 3) -> list[ClassScore]:
    """The classes with the lowest F1, where there are more than two; none that is perfect."""
    faulty = [one for one in classes if one.f1 is not None and one.f1 < 1 and one.actual]
    return sorted(faulty, key=lambda one: (one.f1, one.name))[:count] if len(classes) > 2 else []


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """The interval that a share of ``count`` trials lies in with 95 % (Wilson 1927).

    >>> [round(end, 3) for end in wilson(0.9, 100)]
    [0.826, 0.945]
    """
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(middle - half, 0.0), min(middle + half, 1.0)
