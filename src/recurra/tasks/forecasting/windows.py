"""Windows: what the model reads and what it must say, cut from long tensors by index.

A window is an origin in a series: up to C steps of context before it, H steps of horizon after it. All of a batch is
gathered at once. Every value is seen from the window's own anchor (its last value) and in the window's own unit, so
that one model serves series of any size.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data.calendar import calendar_features, calendar_names
from recurra.data.covariates import Covariate
from recurra.data.series_set import SeriesSet
from recurra.data.zones import Times
from recurra.errors import DataError
from recurra.tasks.forecasting.seasonality import count_blocks, seasonal_profile

if TYPE_CHECKING:
    from recurra.tasks.forecasting.task import ForecastingTask

SEASONAL = 5  # known features made of the series' own past: two lags, profile, its strength, seasons seen
_FLOOR = 0.01  # the smallest unit of a window, in units of its series


@dataclass(frozen=True, eq=False)
class Batch:
    """B windows, ready for the model. Values of the series are in units of the window, relative to its anchor."""

    past: Tensor
    """[B, C, 2 + P] value, whether it is known, past covariates; padded at the end."""
    known: Tensor
    """[B, C, E] what was known in advance: the season, the calendar, future covariates; beside each past step."""
    ahead: Tensor
    """[B, H, E] the same for the steps to forecast."""
    lengths: Tensor | None
    """[B] real steps of the context; None if all are C."""
    static: Tensor
    """[B, K] numeric static covariates."""
    codes: dict[str, Tensor]
    """Categories, of those that have any: ``past`` and ``known`` [B, C, ·], ``ahead`` [B, H, ·], ``static`` [B, ·]."""
    base: Tensor
    """[B, H] the seasonal profile, which the model's output is added to."""
    target: Tensor
    """[B, H] what came; NaN where unknown."""
    weight: Tensor
    """[B, 1] the window's unit relative to its series: an error of one unit weighs this much."""
    anchor: Tensor
    """[B, 1] float64: the last value, which is 0 in the window's units."""
    unit: Tensor
    """[B, 1] float64: the window's unit."""

    def repeat(self, times: int) -> Batch:
        """Each window ``times`` times, one copy after the other."""
        return Batch(**{field.name: _repeat(getattr(self, field.name), times) for field in fields(self)})


@dataclass(frozen=True)
class _Features:
    """Covariates of N steps, split into scaled numbers ``[N, n]`` and codes of categories ``[N, m]``."""

    numbers: Tensor
    codes: Tensor

    @classmethod
    def of(cls, values: NDArray[np.float64], covariates: tuple[Covariate, ...]) -> _Features:
        if not covariates:
            return cls(torch.empty(len(values), 0), torch.empty(len(values), 0, dtype=torch.int64))
        numeric = [i for i, c in enumerate(covariates) if c.kind == "numeric"]
        coded = [i for i, c in enumerate(covariates) if c.kind == "categorical"]
        mean = np.array([covariates[i].mean for i in numeric])
        scale = np.array([covariates[i].scale for i in numeric])
        numbers = np.nan_to_num((values[:, numeric] - mean) / scale)
        return cls(_float32(numbers), torch.from_numpy(np.nan_to_num(values[:, coded]).astype(np.int64)))


class Windows:
    """Windows of a :class:`SeriesSet`: the task's :class:`~recurra.task.Examples`.

    Args:
        task: the fitted task: context, horizon, season, transform, covariates.
        series: where to cut from.
        owner: [W] the series of each window.
        origin: [W] its first forecast step, counted from the start of the series; may lie at the end of the data.
    """

    def __init__(
        self, task: ForecastingTask, series: SeriesSet, owner: NDArray[np.int64], origin: NDArray[np.int64]
    ) -> None:
        self.task, self.series = task, series
        self.owner, self.origin = torch.from_numpy(owner), torch.from_numpy(origin)
        self._begin = torch.from_numpy(series.starts[:-1])
        self._end = torch.from_numpy(series.starts[1:])
        values = task.transform(series)  # [N], NaN where unknown
        self._observed = torch.from_numpy(~np.isnan(values))
        filled = _fill(values, series.starts)
        self._values = torch.from_numpy(filled)
        self._target = torch.from_numpy(values)
        self._size = torch.from_numpy(_sizes(task.log, filled, series, owner, origin))  # [S]
        read = self._read(owner, origin)
        self._first = read.start
        self._past = _Features.of(series.past[read], series.covariates["past"])
        future = _Features.of(series.future[read], series.covariates["future"])
        calendar = torch.from_numpy(self._calendar(series.time[read]))
        self._known = _Features(torch.cat([calendar, future.numbers], dim=1), future.codes)
        static = _Features.of(series.static, series.covariates["static"])
        identity = torch.from_numpy(task.identify(series.names))  # [S, 0 or 1]
        self._static = _Features(static.numbers, torch.cat([static.codes, identity], dim=1))

    def _read(self, owner: NDArray[np.int64], origin: NDArray[np.int64]) -> slice:
        """From the first step of any context to the last of any horizon: one forecast needs few of a long series."""
        if not len(owner):
            return slice(0, 0)
        begin = self.series.starts[owner]
        at = begin + origin
        return slice(np.maximum(at - self.task.context, begin).min(), at.max() + self.task.settings.horizon)

    def _calendar(self, time: Times) -> NDArray[np.float32]:
        """[steps, ·] those features of the calendar that were chosen."""
        frequency = self.series.frequency
        names = calendar_names(frequency)
        features = calendar_features(time, frequency, self.task.settings.reading.time_zone)
        return features[:, [names.index(name) for name in self.task.choices.calendar]]

    def __len__(self) -> int:
        return len(self.owner)

    def name(self, index: int) -> str:
        """Name a window by its series and the rows of the data that its context and horizon are made of."""
        series, origin = int(self.owner[index]), int(self.origin[index])
        start, end = (int(self.series.starts[series + i]) for i in (0, 1))
        first = start + max(0, origin - self.task.context)
        last = min(start + origin + self.task.settings.horizon, end) - 1
        return f"series {self.series.names[series]!r}, {self.series.step_name(first)} to {self.series.step_name(last)}"

    @property
    def lengths(self) -> None:
        """All windows are alike, or nearly so."""

    def batch(self, index: Tensor) -> Batch:
        """Cut the windows ``index`` [B]."""
        owner, origin = self.owner[index], self.origin[index]
        begin, end = self._begin[owner, None], self._end[owner, None]
        at = begin + origin[:, None]  # [B, 1] the first forecast step
        length = origin.clamp(max=self.task.context)
        step = torch.arange(self.task.context)
        past = (at - length[:, None] + step).clamp(max=at - 1)  # [B, C] padded at the end with the last step
        real = step < length[:, None]
        ahead = at + torch.arange(self.task.settings.horizon)  # [B, H]
        inside = ahead < end
        ahead_in = torch.minimum(ahead, end - 1)  # beyond the data: the last step, masked where it matters

        anchor = self._values[at - 1]  # [B, 1]
        offset = (self._values[past] - anchor) * real
        unit = (offset.square().sum(dim=1, keepdim=True) / length[:, None]).sqrt()
        unit = unit + _FLOOR * self._size[owner, None]
        if self.task.settings.unit == "series":
            unit = self._size[owner, None]
        season = self._seasonal(at, begin, torch.cat([past, ahead], dim=1), anchor, unit)  # [B, C + H, 5]
        context = past.shape[1]
        value = offset / unit - season[:, :context, 2]
        read = torch.cat([past, ahead_in], dim=1) - self._first
        known = torch.cat([season.float(), self._known.numbers[read]], dim=-1)
        codes = {"past": (self._past, read[:, :context]), "known": (self._known, read[:, :context])}
        codes |= {"ahead": (self._known, read[:, context:]), "static": (self._static, owner)}
        observed = self._observed[past] & real
        target = torch.where(inside, self._target[ahead_in], torch.nan)
        return Batch(
            past=torch.cat(
                [(value * real).float()[..., None], observed.float()[..., None], self._past.numbers[read[:, :context]]],
                dim=-1,
            ),
            known=known[:, :context],
            ahead=known[:, context:],
            lengths=None if bool((length == self.task.context).all()) else length,
            static=self._static.numbers[owner],
            codes={name: features.codes[steps] for name, (features, steps) in codes.items() if features.codes.shape[1]},
            base=season[:, context:, 2].float(),
            target=((target - anchor) / unit).float(),
            weight=(unit / self._size[owner, None]).float(),
            anchor=anchor,
            unit=unit,
        )

    def _seasonal(self, at: Tensor, begin: Tensor, steps: Tensor, anchor: Tensor, unit: Tensor) -> Tensor:
        """[B, ·, 5] what the series' own past says about each of the ``steps`` [B, ·]; number 2 is the profile."""
        season = self.task.season
        if season == 1:
            return torch.zeros(1, dtype=anchor.dtype).expand(*steps.shape, SEASONAL)
        blocks = count_blocks(season)
        back = at - blocks * season + torch.arange(blocks * season)  # [B, J m]
        known = back >= begin
        history = self._values[back.clamp(min=0)] * known
        profile = seasonal_profile(history.view(-1, blocks, season), known.view(-1, blocks, season))
        shape = (profile.values - profile.values[:, -1:]) / unit  # [B, m] 0 at the anchor, like the values

        distance = steps - at
        usual = shape.gather(1, distance % season)  # [B, ·]
        lag = steps - season * torch.clamp(distance // season + 1, min=1)  # the last known step of this phase
        back = torch.stack([lag - season, lag])  # [2, B, ·]
        lags = torch.where(back >= begin, (self._values[back.clamp(min=0)] - anchor) / unit - usual, 0.0)
        return torch.stack([*lags, usual, profile.strength.expand_as(usual), profile.seen.expand_as(usual)], dim=-1)


def training_origins(
    series: SeriesSet, shortest: int, horizon: int, first: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Owners and origins [W] of all windows that see at least ``shortest`` steps and whose horizon is all history.

    With ``first`` [S], only windows whose horizon begins there or later.
    """
    low = np.full(len(series), shortest) if first is None else np.maximum(first, shortest)
    count = np.maximum(series.observed - horizon - low + 1, 0)
    owner = np.repeat(np.arange(len(series)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return owner, low[owner] + within


def last_origins(
    series: SeriesSet, windows: int, stride: int, horizon: int, shortest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Owners and origins of the last ``windows`` windows of each series, ``stride`` steps apart, oldest first."""
    back = horizon + stride * np.arange(windows - 1, -1, -1)  # [windows]
    origin = series.observed[:, None] - back
    owner = np.broadcast_to(np.arange(len(series))[:, None], origin.shape)
    keep = origin >= shortest
    if not keep.any():
        raise DataError(
            series.table.source,
            f"a backtest needs {shortest + horizon} steps of one series at least, the longest has "
            f"{int(series.observed.max())}. Give more data.",
        )
    return owner[keep], origin[keep]


def extend_future(series: SeriesSet, steps: int) -> SeriesSet:
    """Make room for ``steps`` steps after each history: time goes on, past covariates stay what they were last.

    Steps that the data have already, with their future covariates, are kept.
    """
    missing = np.maximum(steps - (series.lengths - series.observed), 0)  # [S]
    if not missing.any():
        return series
    owner = np.repeat(np.arange(len(series)), missing)
    place = np.arange(missing.sum()) - np.repeat(np.cumsum(missing) - missing, missing)
    last = series.starts[1:][owner] - 1
    order = np.argsort(np.concatenate([series.owner, owner]), kind="stable")

    def joined(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([old, new])[order]

    return replace(
        series,
        starts=np.concatenate([[0], np.cumsum(series.lengths + missing)]),
        time=joined(series.time, series.frequency.after(series.time[last], place + 1)),
        target=joined(series.target, np.full(len(owner), np.nan)),
        past=joined(series.past, series.past[last]),
        future=joined(series.future, series.future[last]),
        source_row=joined(series.source_row, np.full(len(owner), -1)),
    )


def _fill(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Carry the last known value forward within each series (and the first one back), so that gathers find a number."""
    step = np.arange(len(values))
    known = ~np.isnan(values)
    begin = np.repeat(starts[:-1], np.diff(starts))
    last = np.maximum.accumulate(np.where(known, step, -1))
    after = np.minimum.accumulate(np.where(known, step, len(values))[::-1])[::-1]
    source = np.where(last >= begin, last, np.minimum(after, len(values) - 1))
    return values[source]


def _sizes(
    log: bool, values: NDArray[np.float64], series: SeriesSet, owner: NDArray[np.int64], origin: NDArray[np.int64]
) -> NDArray[np.float64]:
    """[S] the size of each series: 1 in logarithms, else the mean distance from its mean, before its last origin."""
    if log:
        return np.ones(len(series))
    until = np.zeros(len(series), dtype=np.int64)
    np.maximum.at(until, owner, origin)
    counts = np.maximum(until, 1)
    inside = np.arange(len(values)) - np.repeat(series.starts[:-1], series.lengths) < counts[series.owner]
    mean = np.add.reduceat(values * inside, series.starts[:-1]) / counts
    spread = np.add.reduceat(np.abs(values - mean[series.owner]) * inside, series.starts[:-1]) / counts
    size: NDArray[np.float64] = np.where(spread > 0, spread, np.maximum(np.abs(mean), 1.0))
    return size


def _repeat(value: Any, times: int) -> Any:
    """Repeat a tensor along its first axis, also within a dict."""
    if isinstance(value, dict):
        return {name: _repeat(inner, times) for name, inner in value.items()}
    return None if value is None else value.repeat_interleave(times, dim=0)


def _float32(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
