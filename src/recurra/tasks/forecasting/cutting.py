"""Cutting windows out of series: what the model reads and what it must say, gathered by index, many at once.

A window is an origin in a series: up to C steps of context before it, H steps of horizon after it. Every value is seen
from the window's own anchor (its last value) and in the window's own unit, so that one model serves series of any
size. No torch here: exported models are fed by it, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.data.calendar import calendar_features, calendar_names
from recurra.data.covariates import Covariate
from recurra.data.series_set import SeriesSet
from recurra.data.zones import Times
from recurra.tasks.forecasting.fitted import SEASONAL, FittedForecasting
from recurra.tasks.forecasting.seasonality import count_blocks, seasonal_profile

_FLOOR = 0.01  # the smallest unit of a window, in units of its series

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Numbers = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Cut:
    """B windows. Values of the series are in units of the window, relative to its anchor."""

    past: Numbers
    """[B, C, 2 + P] value, whether it is known, past covariates; padded at the end."""
    known: Numbers
    """[B, C, E] what was known in advance: the season, the calendar, future covariates; beside each past step."""
    ahead: Numbers
    """[B, H, E] the same for the steps to forecast."""
    lengths: Ints
    """[B] real steps of the context."""
    static: Numbers
    """[B, K] numeric static covariates."""
    codes: dict[str, Ints]
    """Categories, of those that have any: ``past`` and ``known`` [B, C, ·], ``ahead`` [B, H, ·], ``static`` [B, ·]."""
    base: Numbers
    """[B, H] the seasonal profile, which the model's output is added to."""
    target: Numbers
    """[B, H] what came; NaN where unknown."""
    weight: Numbers
    """[B, 1] the window's unit relative to its series: an error of one unit weighs this much."""
    anchor: Floats
    """[B, 1] the last value, which is 0 in the window's units."""
    unit: Floats
    """[B, 1] the window's unit."""


@dataclass(frozen=True)
class _Features:
    """Covariates of N steps, split into scaled numbers ``[N, n]`` and codes of categories ``[N, m]``."""

    numbers: Numbers
    codes: Ints

    @classmethod
    def of(cls, values: Floats, covariates: tuple[Covariate, ...]) -> _Features:
        if not covariates:
            return cls(np.empty((len(values), 0), np.float32), np.empty((len(values), 0), np.int64))
        numeric = [i for i, c in enumerate(covariates) if c.kind == "numeric"]
        coded = [i for i, c in enumerate(covariates) if c.kind == "categorical"]
        mean = np.array([covariates[i].mean for i in numeric])
        scale = np.array([covariates[i].scale for i in numeric])
        numbers = np.nan_to_num((values[:, numeric] - mean) / scale)
        return cls(numbers.astype(np.float32), np.nan_to_num(values[:, coded]).astype(np.int64))


class Cutter:
    """Windows of a :class:`SeriesSet`.

    Args:
        fitted: context, horizon, season, transform, covariates.
        series: where to cut from.
        owner: [W] the series of each window.
        origin: [W] its first forecast step, counted from the start of the series; may lie at the end of the data.
    """

    def __init__(self, fitted: FittedForecasting, series: SeriesSet, owner: Ints, origin: Ints) -> None:
        self.fitted, self.series, self.owner, self.origin = fitted, series, owner, origin
        self._target = fitted.transform(series)  # [N], NaN where unknown
        self._observed = ~np.isnan(self._target)
        self._values = _fill(self._target, series.starts)
        self._size = _sizes(fitted.log, self._values, series, owner, origin)  # [S]
        read = self._read()
        self._first = read.start
        self._past = _Features.of(series.past[read], series.covariates["past"])
        future = _Features.of(series.future[read], series.covariates["future"])
        calendar = self._calendar(series.time[read])
        self._known = _Features(np.concatenate([calendar, future.numbers], axis=1), future.codes)
        static = _Features.of(series.static, series.covariates["static"])
        identity = fitted.identify(series.names)  # [S, 0 or 1]
        self._static = _Features(static.numbers, np.concatenate([static.codes, identity], axis=1))

    def _read(self) -> slice:
        """From the first step of any context to the last of any horizon: one forecast needs few of a long series."""
        if not len(self.owner):
            return slice(0, 0)
        begin = self.series.starts[self.owner]
        at = begin + self.origin
        horizon = self.fitted.settings.horizon
        return slice(int(np.maximum(at - self.fitted.context, begin).min()), int(at.max()) + horizon)

    def _calendar(self, time: Times) -> Numbers:
        """[steps, ·] those features of the calendar that were chosen."""
        frequency = self.series.frequency
        names = calendar_names(frequency)
        features = calendar_features(time, frequency, self.fitted.settings.reading.time_zone)
        return features[:, [names.index(name) for name in self.fitted.choices.calendar]]

    def __len__(self) -> int:
        return len(self.owner)

    def cut(self, index: Ints) -> Cut:
        """Cut the windows ``index`` [B]."""
        owner, origin, context = self.owner[index], self.origin[index], self.fitted.context
        begin, end = self.series.starts[owner, None], self.series.starts[owner + 1, None]
        at = begin + origin[:, None]  # [B, 1] the first forecast step
        length = np.minimum(origin, context)
        step = np.arange(context)
        past = np.minimum(at - length[:, None] + step, at - 1)  # [B, C] padded at the end with the last step
        real = step < length[:, None]
        ahead = at + np.arange(self.fitted.settings.horizon)  # [B, H]
        inside = ahead < end
        ahead_in = np.minimum(ahead, end - 1)  # beyond the data: the last step, masked where it matters

        anchor, size = self._values[at - 1], self._size[owner, None]  # [B, 1]
        offset = (self._values[past] - anchor) * real
        unit = size
        if self.fitted.settings.unit == "window":
            unit = np.sqrt(np.square(offset).sum(axis=1, keepdims=True) / length[:, None]) + _FLOOR * size
        season = self._seasonal(at, begin, np.concatenate([past, ahead], axis=1), anchor, unit)  # [B, C + H, 5]
        value = offset / unit - season[:, :context, 2]
        read = np.concatenate([past, ahead_in], axis=1) - self._first
        known = np.concatenate([season, self._known.numbers[read]], axis=-1, dtype=np.float32)
        seen = np.stack([value * real, self._observed[past] & real], axis=-1)
        codes = {"past": (self._past, read[:, :context]), "known": (self._known, read[:, :context])}
        codes |= {"ahead": (self._known, read[:, context:]), "static": (self._static, owner)}
        return Cut(
            past=np.concatenate([seen, self._past.numbers[read[:, :context]]], axis=-1, dtype=np.float32),
            known=known[:, :context],
            ahead=known[:, context:],
            lengths=length,
            static=self._static.numbers[owner],
            codes={name: features.codes[steps] for name, (features, steps) in codes.items() if features.codes.shape[1]},
            base=season[:, context:, 2].astype(np.float32),
            target=((np.where(inside, self._target[ahead_in], np.nan) - anchor) / unit).astype(np.float32),
            weight=(unit / size).astype(np.float32),
            anchor=anchor,
            unit=unit,
        )

    def _seasonal(self, at: Ints, begin: Ints, steps: Ints, anchor: Floats, unit: Floats) -> Floats:
        """[B, ·, 5] what the series' own past says about each of the ``steps`` [B, ·]; number 2 is the profile."""
        season = self.fitted.season
        if season == 1:
            return np.zeros((*steps.shape, SEASONAL))
        blocks = count_blocks(season)
        back = at - blocks * season + np.arange(blocks * season)  # [B, J m]
        known = back >= begin
        history = self._values[np.maximum(back, 0)] * known
        profile = seasonal_profile(history.reshape(-1, blocks, season), known.reshape(-1, blocks, season))
        shape = (profile.values - profile.values[:, -1:]) / unit  # [B, m] 0 at the anchor, like the values

        distance = steps - at
        usual = np.take_along_axis(shape, distance % season, axis=1)  # [B, ·]
        lag = steps - season * np.maximum(distance // season + 1, 1)  # the last known step of this phase
        features = np.empty((*steps.shape, SEASONAL))
        for column, source in enumerate((lag - season, lag)):
            value = (self._values[np.maximum(source, 0)] - anchor) / unit - usual
            features[..., column] = np.where(source >= begin, value, 0.0)
        features[..., 2], features[..., 3], features[..., 4] = usual, profile.strength, profile.seen
        return features


def _fill(values: Floats, starts: Ints) -> Floats:
    """Carry the last known value forward within each series (and the first one back), so that gathers find a number."""
    step = np.arange(len(values))
    known = ~np.isnan(values)
    begin = np.repeat(starts[:-1], np.diff(starts))
    last = np.maximum.accumulate(np.where(known, step, -1))
    after = np.minimum.accumulate(np.where(known, step, len(values))[::-1])[::-1]
    source = np.where(last >= begin, last, np.minimum(after, len(values) - 1))
    return values[source]


def _sizes(log: bool, values: Floats, series: SeriesSet, owner: Ints, origin: Ints) -> Floats:
    """[S] the size of each series: 1 in logarithms, else the mean distance from its mean, before its last origin."""
    if log:
        return np.ones(len(series))
    until = np.zeros(len(series), dtype=np.int64)
    np.maximum.at(until, owner, origin)
    counts = np.maximum(until, 1)
    inside = np.arange(len(values)) - np.repeat(series.starts[:-1], series.lengths) < counts[series.owner]
    mean = np.add.reduceat(values * inside, series.starts[:-1]) / counts
    spread = np.add.reduceat(np.abs(values - mean[series.owner]) * inside, series.starts[:-1]) / counts
    size: Floats = np.where(spread > 0, spread, np.maximum(np.abs(mean), 1.0))
    return size
