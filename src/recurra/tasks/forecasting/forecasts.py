"""What was forecast at a number of origins, beside what really came: scores and figures are made from it."""

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
    """Of the naive methods for the same windows, ``"naive"``, ``"seasonal naive (48)"``, ``"drift"``: [W, H]."""
    scale: NDArray[np.float64]
    """[W] mean absolute error of the one-season-back forecast within the history before the origin (for MASE)."""

    @classmethod
    def of(
        cls,
        series: SeriesSet,
        owner: Ints,
        origin: Ints,
        *,
        point: Floats,
        quantiles: Floats,
        levels: tuple[float, ...],
        seasons: tuple[int, ...],
    ) -> Forecasts:
        """Put forecasts beside what really came and what naive methods say.

        Args:
            series: the data; ``origin`` may lie at its end.
            owner: [W] the series of each window.
            origin: [W] its first forecast step, from the start of the series.
            point: [W, H].
            quantiles: [W, H, Q].
            levels: Q.
            seasons: steps per season, for the seasonal naive methods; the first one also for the scale of MASE.
        """
        horizon = point.shape[1]
        begin, end = series.starts[owner, None], series.starts[owner + 1, None]
        ahead = begin + origin[:, None] + np.arange(horizon)  # [W, H]
        inside = ahead < end
        at = np.minimum(ahead, end - 1)
        last = series.time[begin + origin[:, None] - 1]
        history = _histories(series, owner, origin, max((*seasons, _HISTORY)))
        baselines = {"naive": naive(history, horizon)}
        for season in seasons:
            baselines[f"seasonal naive ({season})"] = seasonal_naive(history, horizon, season)
        baselines["drift"] = drift(history, horizon)
        return cls(
            names=series.names,
            series=owner,
            time=series.frequency.after(last, np.arange(1, horizon + 1)),
            actual=np.where(inside, series.target[at], np.nan),
            point=point,
            quantiles=quantiles,
            levels=levels,
            baselines=baselines,
            scale=_scales(series, owner, origin, seasons[0] if seasons else 1),
        )

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
