"""Metrics of forecasts.

Where ``actual`` is NaN (unknown) nothing is counted; a metric over nothing is NaN. A NaN in a forecast of a known
value makes the metric NaN: what was not forecast has no score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def mae(actual: Floats, point: Floats) -> float:
    """Mean absolute error, in the units of the data; any shape, both alike.

    >>> mae(np.array([1.0, 2.0, np.nan]), np.array([2.0, 4.0, 9.0]))
    1.5
    """
    return _mean(np.abs(actual - point), ~np.isnan(actual))


def rmse(actual: Floats, point: Floats) -> float:
    """Root of the mean squared error, in the units of the data; any shape, both alike.

    >>> rmse(np.array([1.0, 2.0]), np.array([4.0, 6.0]))
    3.5355339059327378
    """
    return float(np.sqrt(_mean(np.square(actual - point), ~np.isnan(actual))))


def smape(actual: Floats, point: Floats) -> float:
    """Symmetric mean absolute percentage error as in M4, the mean of ``200 |y - ŷ| / (|y| + |ŷ|)``: 0 to 200.

    0 where both are 0. Source: Makridakis et al., The M4 competition, 2020, section 2.3.

    >>> smape(np.array([100.0, 0.0]), np.array([110.0, 0.0]))
    4.761904761904762
    """
    size = np.abs(actual) + np.abs(point)
    error = np.divide(200 * np.abs(actual - point), size, out=np.zeros_like(size), where=size != 0)
    return _mean(error, ~np.isnan(actual))


def mase(actual: Floats, point: Floats, scale: Floats) -> float:
    """Mean absolute scaled error: the mean over the windows of each one's MAE in units of its scale.

    Args:
        actual, point: [W, H].
        scale: [W] the MAE of the one-season-back forecast within the history before each window. Windows without a
            usable scale (:func:`has_scale`) are left out.

    Source: Hyndman & Koehler, Another look at measures of forecast accuracy, 2006; averaged as in M4.

    >>> mase(np.array([[1.0, 2.0], [0.0, 9.0]]), np.array([[2.0, 4.0], [0.0, 0.0]]), np.array([3.0, 0.0]))
    0.5
    """
    known = ~np.isnan(actual)
    errors = np.where(known, np.abs(actual - point), 0.0).sum(axis=1)
    used = has_scale(scale) & known.any(axis=1)
    return _mean(errors[used] / known[used].sum(axis=1) / scale[used], np.ones(used.sum(), dtype=bool))


def has_scale(scale: Floats) -> NDArray[np.bool_]:
    """Which scales can be divided by: not NaN (the history was too short) and not 0 (it repeated itself exactly).

    >>> has_scale(np.array([2.0, 0.0, np.nan])).tolist()
    [True, False, False]
    """
    usable: NDArray[np.bool_] = np.isfinite(scale) & (scale > 0)
    return usable


def weighted_quantile_loss(actual: Floats, quantiles: Floats, levels: Sequence[float]) -> float:
    """Twice the summed pinball loss over the summed ``|y|``, its mean over the Q levels.

    Args:
        actual: [..., H].
        quantiles: [..., H, Q].
        levels: the Q levels in (0, 1).

    For the only level 0.5 it is the summed absolute error over the summed ``|y|``. NaN without levels or if every
    actual is 0. Source: ``mean_wQuantileLoss`` of GluonTS; Salinas et al., DeepAR, 2020, section 4.1.

    >>> weighted_quantile_loss(np.array([4.0]), np.array([[3.0, 6.0]]), (0.5, 0.9))  # 2 (0.5 + 0.2) / 4 / 2
    0.175
    """
    known = ~np.isnan(actual)
    size = np.abs(actual[known]).sum()
    if not len(levels) or size == 0:
        return float("nan")
    error = actual[known][:, None] - quantiles[known]  # [points, Q]
    level = np.asarray(levels)
    return float(2 * np.maximum(level * error, (level - 1) * error).sum(axis=0).mean() / size)


def coverage(actual: Floats, low: Floats, high: Floats) -> float:
    """The share of the known values that lie within ``[low, high]``, ends included: 0 to 1.

    >>> coverage(np.array([1.0, 5.0, np.nan, 3.0]), np.full(4, 1.0), np.full(4, 4.0))
    0.6666666666666666
    """
    inside = (low <= actual) & (actual <= high)
    return _mean(inside.astype(np.float64), ~np.isnan(actual))


def _mean(values: Floats, chosen: NDArray[np.bool_]) -> float:
    return float(values[chosen].mean()) if chosen.any() else float("nan")
