"""The forecasts that every model must beat: the last value, the value one season ago, and the straight line.

Histories are ``[W, C]``, float64, right-aligned: the last column is the last step before the forecast. NaN at the
start is a shorter history, NaN further on a hole; a forecast is NaN only where the whole row is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recurra.errors import SettingsError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def naive(history: Floats, horizon: int) -> Floats:
    """Repeat the last known value: [W, C] → [W, H].

    >>> naive(np.array([[1.0, 2.0, np.nan]]), 2).tolist()
    [[2.0, 2.0]]
    """
    last = _take(history, _last_known(history)[:, -1])
    return np.repeat(last[:, None], horizon, axis=1)


def seasonal_naive(history: Floats, horizon: int, season: int) -> Floats:
    """Repeat the last season of ``season`` steps: [W, C] → [W, H].

    A hole takes the value one more season back. What has no value at its phase at all, and every window whose known
    values span less than one season, takes the naive forecast.

    >>> seasonal_naive(np.array([[1.0, 2.0, 3.0, 4.0, np.nan, 6.0]]), 4, season=3).tolist()
    [[4.0, 2.0, 6.0, 4.0]]
    """
    _check_season("seasonal_naive", season)
    fallback = naive(history, horizon)
    seasons = -(-history.shape[1] // season)
    padding = seasons * season - history.shape[1]
    padded = np.pad(history, ((0, 0), (padding, 0)), constant_values=np.nan)
    by_phase = padded.reshape(-1, seasons, season).transpose(0, 2, 1).reshape(-1, seasons)  # [W × m, seasons]
    pattern = _take(by_phase, _last_known(by_phase)[:, -1]).reshape(-1, season)  # [W, m]
    repeated = pattern[:, np.arange(horizon) % season]
    use = (_span(history) >= season)[:, None] & ~np.isnan(repeated)
    return np.where(use, repeated, fallback)


def drift(history: Floats, horizon: int) -> Floats:
    """Go on along the straight line from the first to the last known value: [W, C] → [W, H].

    With only one known value it is the naive forecast. Source: Hyndman & Athanasopoulos, Forecasting: principles and
    practice, section 5.2.

    >>> drift(np.array([[np.nan, 1.0, 2.0, 5.0]]), 2).tolist()
    [[7.0, 9.0]]
    """
    at_last = _last_known(history)[:, -1]
    first, last = _take(history, _first_known(history)), _take(history, at_last)
    slope = (last - first) / np.maximum(_span(history) - 1, 1)
    beyond = (history.shape[1] - 1 - at_last)[:, None] + np.arange(1, horizon + 1)  # [W, H] steps after the last value
    line: Floats = last[:, None] + slope[:, None] * beyond
    return line


def seasonal_scale(values: Floats, season: int) -> Floats:
    """The scale of MASE at every origin of one series: [T] → [T + 1].

    Element o is the mean of ``|y_t - y_{t-m}|`` over all t < o where both are known, which is what a model with the
    first o values may know; NaN where there is none.

    >>> seasonal_scale(np.array([1.0, 2.0, 4.0, np.nan, 5.0]), season=2).tolist()
    [nan, nan, nan, 3.0, 3.0, 2.0]
    """
    _check_season("seasonal_scale", season)
    error = np.full(len(values), np.nan)
    error[season:] = np.abs(values[season:] - values[: max(len(values) - season, 0)])
    count = np.concatenate([[0], np.cumsum(~np.isnan(error))])
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(error))])
    scale: Floats = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return scale


def _check_season(where: str, season: int) -> None:
    if season < 1:
        raise SettingsError(where, f"a season must have at least 1 step, {season} came. Use 1 for no season.")


def _last_known(rows: Floats) -> Ints:
    """[N, C] the place of the last known value up to each column; -1 before the first."""
    places = np.where(np.isnan(rows), -1, np.arange(rows.shape[1]))
    return np.maximum.accumulate(places, axis=1)


def _first_known(rows: Floats) -> Ints:
    """[N] the place of the first known value, -1 if there is none."""
    known = ~np.isnan(rows)
    return np.where(known.any(axis=1), known.argmax(axis=1), -1)


def _span(rows: Floats) -> Ints:
    """[N] steps from the first to the last known value, both counted; 0 if there is none."""
    first, last = _first_known(rows), _last_known(rows)[:, -1]
    return np.where(first < 0, 0, last - first + 1)


def _take(rows: Floats, place: Ints) -> Floats:
    """[N] the value of each row at its place, NaN for -1."""
    return np.where(place < 0, np.nan, np.take_along_axis(rows, place[:, None], axis=1)[:, 0])
