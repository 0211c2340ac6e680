"""The seasonal profile: what the last seasons had in common, after the level and the drift of each are taken off.

A recurrent network that reads two seasons sees each phase twice, which is not enough to tell the pattern from the
noise. The profile is a mean over up to ``BLOCKS`` seasons, newer ones weighing more, and is both an input and a base
that the network's output is added to: what is left to learn is how far this season departs from the usual one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCKS = 8
_DECAY = 0.9  # the weight of a season relative to the next newer one
_MAX_STEPS = 4096  # history that is read at most, for long seasons


Floats = NDArray[np.float64]


class Profile(NamedTuple):
    """The profile of B windows with a season of m steps."""

    values: Floats
    """[B, m] phase 0 is m steps before the origin."""
    strength: Floats
    """[B, 1] share of the profile in the variance of the seasons, 0 to 1."""
    seen: Floats
    """[B, 1] effective number of whole seasons seen, divided by ``BLOCKS``."""


def count_blocks(season: int) -> int:
    """How many seasons of this length the profile looks back.

    >>> count_blocks(12), count_blocks(336), count_blocks(1440)
    (8, 8, 2)
    """
    return max(2, min(BLOCKS, _MAX_STEPS // season))


def seasonal_profile(history: Floats, known: NDArray[np.bool_]) -> Profile:
    """Find the profile in the last J seasons before the origin.

    Args:
        history: [B, J, m] values, the oldest season first.
        known: [B, J, m] bool, False before a series begins.

    >>> pattern = np.array([1.0, -1.0, 0.0])
    >>> history = (pattern + np.array([[5.0], [6.0]]))[None]  # two seasons, a level each
    >>> seasonal_profile(history, np.ones((1, 2, 3), dtype=bool)).values.shape
    (1, 3)
    """
    blocks, season = history.shape[1:]
    whole: NDArray[np.bool_] = np.asarray(known.all(axis=-1))  # [B, J]
    level = history.mean(axis=-1)  # [B, J]
    slope = np.diff(level, axis=1) / season * (whole[:, :-1] & whole[:, 1:])
    slope = np.concatenate([slope[:, :1], slope], axis=1)  # [B, J]
    phase = np.arange(season) - (season - 1) / 2
    rest = history - (level[..., None] + slope[..., None] * phase)  # [B, J, m]
    weight = _DECAY ** np.arange(blocks - 1, -1, -1) * whole  # [B, J]
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)  # [B, 1]
    values = _weighted(weight, rest) / total  # [B, m]
    noise = _weighted(weight, np.square(rest - values[:, None])).sum(axis=1, keepdims=True) / (total * season)
    signal = np.square(values).mean(axis=1, keepdims=True)
    strength = signal / np.maximum(signal + noise, 1e-30)
    seen = np.square(total) / np.maximum(np.square(weight).sum(axis=1, keepdims=True), 1e-9) / BLOCKS
    return Profile(values, strength, np.minimum(seen, 1.0) * whole.any(axis=1, keepdims=True))


def _weighted(weight: Floats, values: Floats) -> Floats:
    """[B, m] the sum over the seasons of ``values`` [B, J, m]."""
    return (weight[:, None] @ values)[:, 0]
