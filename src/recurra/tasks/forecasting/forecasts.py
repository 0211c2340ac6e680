"""What was forecast at a number of origins; beside what really came, scores and figures are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.series_set import SeriesSet
from recurra.tasks.forecasting.baselines import drift, naive, seasonal_naive, seasonal_scale

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_HISTORY = 512  # steps that the drift looks back at most


@dataclass(frozen=True, eq=False)
class Prediction:
    """What was forecast for W windows, each of H steps.

    A window is one origin of one series: its first forecast step is the one after the last known value.
    """

    names: tuple[str, ...]
    """The names of all series, S of them."""
    series: NDArray[np.int64]
    """[W] which series a window belongs to."""
    time: NDArray[np.datetime64] | NDArray[np.int64]
    """[W, H] the time of each forecast step."""
    point: NDArray[np.float64]
    """[W, H] the point forecast."""
    quantiles: NDArray[np.float64]
    """[W, H, Q] the forecast quantiles; Q may be 0."""
    levels: tuple[float, ...]
    """The Q levels of the quantiles, rising, each in (0, 1)."""

    @classmethod
    def at(
        cls, series: SeriesSet, owner: Ints, origin: Ints, point: Floats, quantiles: Floats, levels: tuple[float, ...]
    ) -> Prediction:
        """Name series and times of the forecasts ``point`` [W, H] and ``quantiles`` [W, H, Q].

        ``owner`` [W] is the series of each window, ``origin`` [W] its first step, which may lie at the end of the data.
        """
        last = series.time[series.starts[owner] + origin - 1]
        time = series.frequency.after(last[:, None], np.arange(1, point.shape[1] + 1))
        return cls(series.names, owner, time, point, quantiles, levels)

    def frame(self, time: str, series: str) -> pl.DataFrame:
        """[W H] rows in long form: ``series`` (if there are several), ``time``, ``point`` and one column per level."""
        horizon = self.point.shape[1]
        columns: dict[str, object] = {}
        if len(self.names) > 1:
            columns[series] = np.repeat(np.array(self.names)[self.series], horizon)
        columns[time] = _as_dates(self.time.ravel())
        columns["point"] = self.point.ravel()
        for q, level in enumerate(self.levels):
            columns[f"q{level:g}"] = self.quantiles[..., q].ravel()
        return pl.DataFrame(columns)


@dataclass(frozen=True, eq=False)
class Forecasts(Prediction):
    """Forecasts beside what really came and what naive methods say."""

    actual: NDArray[np.float64]
    """[W, H] what really came; NaN where unknown."""
    baselines: Mapping[str, NDArray[np.float64]]
    """Of the naive methods for the same windows, ``"naive"``, ``"seasonal naive (48)"``, ``"drift"``: [W, H]."""
    scale: NDArray[np.float64]
    """[W] mean absolute error of the one-season-back forecast within the history before the origin (for MASE)."""

    @classmethod
    def judge(cls, prediction: Prediction, series: SeriesSet, origin: Ints, seasons: tuple[int, ...]) -> Forecasts:
        """Put a prediction beside the truth.

        Args:
            prediction: of W windows.
            series: the data that it was made from, with what came after the origins.
            origin: [W] the first forecast step of each window, from the start of its series.
            seasons: steps per season, for the seasonal naive methods; the first one also for the scale of MASE.
        """
        owner, horizon = prediction.series, prediction.point.shape[1]
        end = series.starts[owner + 1, None]
        ahead = series.starts[owner, None] + origin[:, None] + np.arange(horizon)  # [W, H]
        history = _histories(series, owner, origin, max((*seasons, _HISTORY)))
        baselines = {"naive": naive(history, horizon)}
        for season in seasons:
            baselines[f"seasonal naive ({season})"] = seasonal_naive(history, horizon, season)
        baselines["drift"] = drift(history, horizon)
        return cls(
            **vars(prediction),
            actual=np.where(ahead < end, series.target[np.minimum(ahead, end - 1)], np.nan),
            baselines=baselines,
            scale=_scales(series, owner, origin, seasons[0] if seasons else 1),
        )


def time_values(time: Ints | NDArray[np.datetime64]) -> list[int] | list[str]:
    """Times as JSON has them: whole numbers, dates, or ISO 8601 to the second, or finer where there is more.

    >>> time_values(np.array(["2012-01-01T12:30"], "datetime64[us]"))
    ['2012-01-01T12:30:00']
    """
    if time.dtype.kind == "i":
        return [int(one) for one in time]
    dates = _as_dates(time)
    seconds = dates.astype("datetime64[s]")
    return [str(one) for one in (seconds if dates.dtype == time.dtype and (seconds == dates).all() else dates)]


def _as_dates(time: NDArray[Any]) -> NDArray[Any]:
    """Times that are all at midnight are dates."""
    if time.dtype.kind != "M":
        return time
    days = time.astype("datetime64[D]")
    return days if (days == time).all() else time


def _histories(series: SeriesSet, owner: Ints, origin: Ints, steps: int) -> Floats:
    """[W, steps] the last targets before each origin; NaN before a series begins."""
    steps = int(min(steps, origin.max()))
    back = origin[:, None] - np.arange(steps, 0, -1)
    at = series.starts[owner, None] + np.maximum(back, 0)
    return np.where(back >= 0, series.target[at], np.nan)


def _scales(series: SeriesSet, owner: Ints, origin: Ints, season: int) -> Floats:
    """[W] mean absolute seasonal difference of each series before the origin."""
    scale = np.empty(len(owner))
    for s in np.unique(owner):
        mine = owner == s
        scale[mine] = seasonal_scale(series.target[series.rows(int(s))], season)[origin[mine]]
    return scale
