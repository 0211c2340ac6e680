"""Many checked requests to a forecaster answered by one call of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from recurra.data.series_set import Floats, SeriesSet
from recurra.data.tables import Table
from recurra.tasks.forecasting.forecasts import time_values
from recurra.tasks.forecasting.origins import extend_future
from recurra.tasks.forecasting.requests import SOURCE, Window

if TYPE_CHECKING:
    from torch import nn

    from recurra.tasks.forecasting.task import ForecastingTask

_NO_TABLE = Table(pl.DataFrame(), SOURCE)


def answer(task: ForecastingTask, model: nn.ModuleList, windows: Sequence[Window]) -> list[Floats]:
    """[H, 1 + Q] the point and the quantiles of each; [K, H, 1 + Q] of K targets."""
    if task.settings.decoder == "autoregressive" and len(windows) > 1:  # what is drawn must not depend on batch mates
        return [answer(task, model, [window])[0] for window in windows]
    series = extend_future(_join(task, windows), task.settings.horizon)
    said = task.forecast(model, series, np.arange(len(series)), series.observed)
    numbers = np.concatenate([said.point[..., None], said.quantiles], axis=-1)  # [S, H, 1 + Q]
    K = len(task.settings.target)
    return list(numbers if K == 1 else numbers.reshape(len(windows), K, *numbers.shape[1:]))


def tell(task: ForecastingTask, window: Window, numbers: Floats) -> dict[str, Any]:
    """The times, the point forecast and the quantiles, by the names that a table of predictions has."""
    said: dict[str, Any] = {}
    if window.dated:
        last = window.time[window.target.shape[1] - 1]
        said[task.settings.time] = time_values(task.frequency.after(last, np.arange(1, task.settings.horizon + 1)))
    names = ["point", *(f"q{level:g}" for level in task.levels)]
    if numbers.ndim == 2:
        return said | dict(zip(names, numbers.T.tolist(), strict=True))
    return said | {
        target: dict(zip(names, part.T.tolist(), strict=True))
        for target, part in zip(task.settings.target, numbers, strict=True)
    }


def _join(task: ForecastingTask, windows: Sequence[Window]) -> SeriesSet:
    """The series of all windows; several targets are series of their own, side by side."""
    each = [(window, target) for window in windows for target in window.target]
    starts = np.cumsum([0, *(len(window) for window, _ in each)])
    target = np.full(starts[-1], np.nan)
    for start, (_, values) in zip(starts, each, strict=False):
        target[start : start + len(values)] = values
    return SeriesSet(
        names=tuple(name for window in windows for name in window.names),
        starts=starts,
        observed=np.array([len(values) for _, values in each]),
        time=np.concatenate([window.time for window, _ in each]),
        target=target,
        past=np.concatenate([window.past for window, _ in each]),
        future=np.concatenate([window.future for window, _ in each]),
        static=np.stack([window.static for window, _ in each]),
        frequency=task.frequency,
        covariates=task.covariates,
        notices=(),
        source_row=np.full(starts[-1], -1),
        table=_NO_TABLE,
    )
