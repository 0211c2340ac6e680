"""What was forecast at a number of origins, beside what really came: the value that scores and figures are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Forecasts of W windows, each of H steps.

    A window is one origin of one series: its first forecast step is the one after the last known value.
    """

    names: tuple[str, ...]
    """The names of all series, S of them."""
    series: NDArray[np.int64]
    """[W] which series a window belongs to."""
    time: NDArray[np.datetime64] | NDArray[np.int64]
    """[W, H] the time of each forecast step."""
    actual: NDArray[np.float64]
    """[W, H] what really came; NaN where unknown."""
    point: NDArray[np.float64]
    """[W, H] the point forecast."""
    quantiles: NDArray[np.float64]
    """[W, H, Q] the forecast quantiles; Q may be 0."""
    levels: tuple[float, ...]
    """The Q levels of the quantiles, rising, each in (0, 1)."""
    baselines: Mapping[str, NDArray[np.float64]]
    """Forecasts of the naive methods for the same windows, ``"naive"``, ``"seasonal naive (48)"``, ``"drift"``: [W, H]."""
    scale: NDArray[np.float64]
    """[W] mean absolute error of the one-season-back forecast within the history before the origin (for MASE)."""
