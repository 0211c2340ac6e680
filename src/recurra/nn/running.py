"""Pooling over a sequence that goes on: the vectors of :mod:`recurra.nn.pooling`, in memory that does not grow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.nn.pooling import Pooling

Floats = NDArray[np.floating[Any]]
_LOWEST = float(np.finfo(np.float32).min)


class RunningPooling:
    """What a :class:`Pooling` would say of all outputs so far.

    What is carried is one array of numbers: nothing for ``"last"``; the sum and the count for ``"mean"``; the largest
    for ``"max"``; for ``"attention"`` the weighted sum, the sum of the weights, and the largest score, which both are
    relative to, so that none overflows. Sums are in float64. As of a stepper's, an output counts once it is kept.

    >>> pool = RunningPooling(Pooling("mean", 2), 2)
    >>> first, second = pool.add(np.array([1.0, 2.0])), pool.add(np.array([3.0, 6.0]))
    >>> second.tolist()
    [2.0, 4.0]
    """

    def __init__(self, pooling: Pooling, size: int) -> None:
        kinds: dict[str, tuple[Floats, Callable[[Floats], Floats]]] = {
            "last": (np.zeros(0), self._last),
            "mean": (np.zeros(size + 1), self._mean),
            "max": (np.full(size, _LOWEST), self._max),
            "attention": (np.append(np.zeros(size + 1), _LOWEST), self._attention),
        }
        self._kept: Floats
        self._kept, self.add = kinds[pooling.kind]
        """``add(output [O])`` returns the vector [O] of all outputs so far."""
        self._now: Floats = self._kept
        if pooling.kind == "attention":
            self._hidden, self._bias = (part.detach().numpy() for part in (pooling.hidden.weight, pooling.hidden.bias))
            self._score = pooling.score.weight[0].detach().numpy()

    def keep(self) -> None:
        """Let the outputs since the last time count."""
        self._kept = self._now

    def undo(self) -> None:
        """Go back to what was kept last."""
        self._now = self._kept

    @property
    def state(self) -> Floats:
        """What was kept, as it lies here: what is copied into it is kept."""
        return self._kept

    def _last(self, output: Floats) -> Floats:
        return output

    def _mean(self, output: Floats) -> Floats:
        self._now = self._now + np.append(output, 1.0)
        pooled: Floats = (self._now[:-1] / self._now[-1]).astype(output.dtype)
        return pooled

    def _max(self, output: Floats) -> Floats:
        self._now = np.maximum(self._now, output)
        pooled: Floats = self._now.astype(output.dtype)
        return pooled

    def _attention(self, output: Floats) -> Floats:
        score = float(self._score.dot(np.tanh(self._hidden.dot(output) + self._bias)))
        before = float(self._now[-1])
        largest = max(score, before)
        new = math.exp(score - largest) * np.append(output, (1.0, 0.0))
        self._now = self._now * math.exp(before - largest) + new
        self._now[-1] = largest
        pooled: Floats = (self._now[:-2] / self._now[-2]).astype(output.dtype)
        return pooled
