"""A forecaster that is fed one row after the other: the forecast after each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.data.covariates import Covariate
from recurra.data.series_set import SeriesSet
from recurra.data.tables import Table
from recurra.errors import DataError
from recurra.tasks.forecasting.observations import Observation, ObservationReader
from recurra.tasks.forecasting.seasonality import count_blocks

if TYPE_CHECKING:
    from recurra.tasks.forecasting.forecasts import Prediction
    from recurra.tasks.forecasting.task import ForecastingTask

Floats = NDArray[np.float64]
_WHERE = "observation"


def reach(task: ForecastingTask) -> int:
    """How many rows back a forecast looks: the context, the lags of its first step, the seasons of the profile."""
    if task.season == 1:
        return task.context
    return max(task.context + 2 * task.season, count_blocks(task.season) * task.season)


class LiveForecaster:
    """The task's :class:`~recurra.task.Live`: the last rows that a forecast looks at, and the model run on them.

    Each window is seen from its own last value and in its own unit, both of which change with every row, so that no
    state of the recurrent layers can be carried from one row to the next: the model reads its context anew.
    """

    def __init__(self, task: ForecastingTask, model: nn.ModuleList) -> None:
        self._task, self._model = task, model
        self._reader, self._reach = ObservationReader(task), reach(task)
        roles, numbers = task.covariates, task.frequency.unit == "step"
        self._kept = _Rows(
            time=np.zeros(0, np.int64 if numbers else "datetime64[us]"),
            target=np.zeros((0, len(task.settings.target))),
            past=np.zeros((0, len(roles["past"]))),
            future=np.zeros((0, len(roles["future"]))),
            static=np.zeros(len(roles["static"])),
            name=np.zeros(32, np.uint8),
        )

    def feed(self, observation: Any) -> dict[str, Any]:
        """Take in a row and forecast the next H steps."""
        last = self._kept.time[-1] if len(self._kept.time) else None
        row = self._reader.read(observation, last)
        rows = self._after(row)
        missing = max(0, self._task.choices.shortest - len(rows.time))
        forecast = [] if missing else self._forecast(rows, row)
        self._kept = rows
        return {"forecast": forecast, "steps_to_go": missing, "unknown": list(row.unknown)}

    @property
    def state(self) -> dict[str, Tensor]:
        """The rows, with room for all that fit, and how many there are."""
        rows, free = self._kept, self._reach - len(self._kept.time)
        parts = {name: _pad(values, free) for name, values in rows.by_step.items()}
        parts |= {"static": rows.static, "name": rows.name, "count": np.array([len(rows.time)])}
        return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in parts.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        count = int(state["count"])
        if not 0 <= count <= self._reach:
            raise ValueError(f"it must have {self._reach} rows at most, got {count}")
        values = {name: part.numpy().copy() for name, part in state.items() if name != "count"}
        rows = _Rows(**values | {name: values[name][:count] for name in self._kept.by_step})
        rows = replace(rows, time=rows.time.view(self._kept.time.dtype))
        frequency = self._task.frequency
        if count and (rows.time != frequency.after(rows.time[0], np.arange(count))).any():
            raise ValueError(f"its times must be one step of {frequency} apart")
        for role, codes in (("past", rows.past), ("future", rows.future), ("static", rows.static[None])):
            _require_codes(codes, self._task.covariates[role])
        self._kept = rows

    def _after(self, row: Observation) -> _Rows:
        """The rows with one more, the oldest left out where there are too many."""
        kept, name = self._kept, np.array([*hashlib.sha256(row.series.encode()).digest()], np.uint8)
        if len(kept.time) and (name != kept.name).any():
            raise DataError(_WHERE, f"a session is of one series, {row.series!r} came after another. Begin a new one.")
        if len(kept.time) and (row.static != kept.static).any():
            names = ", ".join(c.name for c in self._task.covariates["static"])
            raise DataError(_WHERE, f"{names} must be the same in all rows of a series. Begin a new session.")
        new = {"time": row.time, "target": row.target, "past": row.past, "future": row.future[0]}
        joined = {
            key: np.concatenate([values, np.array(new[key], values.dtype)[None]])[-self._reach :]
            for key, values in kept.by_step.items()
        }
        return _Rows(**joined, static=row.static, name=name)

    def _names(self, series: str) -> tuple[str, ...]:
        """Those of the targets, as in training."""
        settings = self._task.settings
        if settings.series is None:
            return settings.target
        return (series,) if len(settings.target) == 1 else tuple(f"{series}/{name}" for name in settings.target)

    def _forecast(self, rows: _Rows, row: Observation) -> list[dict[str, Any]]:
        """One object for each step, as the table of a prediction has rows; for each target, where there are several."""
        targets, count = len(self._task.settings.target), len(rows.time)
        series = self._series(rows, row)
        prediction = self._task.forecast(
            self._model, series, np.arange(targets), np.full(targets, count, dtype=np.int64)
        )
        if not (np.isfinite(prediction.point).all() and np.isfinite(prediction.quantiles).all()):
            raise DataError(_WHERE, "the forecast after it must be finite, it is not. Give numbers of its size.")
        return [one for s in range(targets) for one in self._steps(prediction, s)]

    def _series(self, rows: _Rows, row: Observation) -> SeriesSet:
        """The rows and room for the horizon, as a prediction has them after reading a table."""
        task, targets, horizon = self._task, len(self._task.settings.target), self._task.settings.horizon
        time = np.concatenate([rows.time, task.frequency.after(rows.time[-1], np.arange(1, horizon + 1))])
        target = np.concatenate([rows.target, np.full((horizon, targets), np.nan)])
        past = np.concatenate([rows.past, np.repeat(rows.past[-1:], horizon, axis=0)])
        future = np.concatenate([rows.future, row.future[1:]])
        return SeriesSet(
            names=self._names(row.series),
            starts=np.arange(targets + 1) * len(time),
            observed=np.full(targets, len(rows.time)),
            time=np.tile(time, targets),
            target=target.T.ravel(),
            past=np.tile(past, (targets, 1)),
            future=np.tile(future, (targets, 1)),
            static=np.tile(rows.static, (targets, 1)),
            frequency=task.frequency,
            covariates=task.covariates,
            notices=(),
            source_row=np.full(len(time) * targets, -1),
            table=_NO_TABLE,
        )

    def _steps(self, prediction: Prediction, s: int) -> list[dict[str, Any]]:
        name = {} if len(prediction.names) == 1 else {self._task.settings.series or "series": prediction.names[s]}
        clock = self._task.frequency.sub_daily
        columns = [f"q{level:g}" for level in prediction.levels]
        return [
            name
            | {self._task.settings.time: _plain(time, clock), "point": float(point)}
            | dict(zip(columns, quantiles.tolist(), strict=True))
            for time, point, quantiles in zip(
                prediction.time[s], prediction.point[s], prediction.quantiles[s], strict=True
            )
        ]


_NO_TABLE = Table(pl.DataFrame(), _WHERE)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The last n rows of a series with T targets."""

    time: NDArray[Any]  # [n]
    target: Floats  # [n, T]
    past: Floats  # [n, P]
    future: Floats  # [n, F]
    static: Floats  # [K]
    name: NDArray[np.uint8]  # [32] SHA-256 of the series' name

    @property
    def by_step(self) -> dict[str, NDArray[Any]]:
        return {"time": self.time, "target": self.target, "past": self.past, "future": self.future}


def _pad(values: NDArray[Any], free: int) -> NDArray[Any]:
    """Numbers with zeros for the rows that are not there yet."""
    numbers = values.view(np.int64) if values.dtype.kind == "M" else values
    return np.concatenate([numbers, np.zeros((free, *numbers.shape[1:]), numbers.dtype)])


def _require_codes(values: Floats, covariates: tuple[Covariate, ...]) -> None:
    """Categories of a state from elsewhere must be those that were learned: they are places in a table."""
    for column, covariate in zip(values.T, covariates, strict=True):
        if covariate.kind == "categorical" and not np.isin(column, np.arange(len(covariate.categories) + 1)).all():
            raise ValueError(f"its categories of {covariate.name!r} must be those that were learned")


def _plain(time: Any, clock: bool) -> int | str:
    """A time in JSON: a whole number, a date, or a date with a clock (UTC)."""
    if not isinstance(time, np.datetime64):
        return int(time)
    text = str(time.astype("datetime64[us]")).removesuffix(".000000")
    return text if clock else text.removesuffix("T00:00:00")
