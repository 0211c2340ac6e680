"""One row of a stream as the forecaster needs it: what :mod:`recurra.data.series` does for the rows of a table."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.covariates import Covariate
from recurra.data.grid import time_text
from recurra.data.tables import Table
from recurra.data.times import parse_times
from recurra.data.zones import local_dates, to_local, to_utc
from recurra.errors import DataError, nearest

if TYPE_CHECKING:
    from recurra.tasks.forecasting.task import ForecastingTask

Floats = NDArray[np.float64]
AHEAD = "ahead"
"""In an observation: the rows of future covariates of the next H steps."""
_WHERE = "observation"
_LARGEST = 1e300
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?")
"""What NumPy reads as this package does, a hundred times as fast as a column is read."""


@dataclass(frozen=True, eq=False)
class Observation:
    """One step of a series, with T targets."""

    time: Any
    """``datetime64[us]`` in UTC, or int64."""
    target: Floats
    """[T]"""
    past: Floats
    """[P] numbers as they are, or codes of categories."""
    future: Floats
    """[1 + H, F] of this step and of the next ones; [1 + H, 0] without such covariates."""
    static: Floats
    """[K]"""
    series: str
    """The name of the series; empty where there is one only."""
    unknown: tuple[str, ...]
    """Columns whose category was not seen in training."""


class ObservationReader:
    """Reads observations for a fitted task; anything that cannot be used is a :class:`DataError`."""

    def __init__(self, task: ForecastingTask) -> None:
        self._task = task
        self._codes = {
            covariate.name: {name: code for code, name in enumerate(covariate.categories, start=1)}
            for some in task.covariates.values()
            for covariate in some
        }

    def read(self, row: Any, last: Any) -> Observation:
        """One row of columns, which must come one step after ``last``; None for the first one."""
        if not isinstance(row, Mapping):
            raise DataError(_WHERE, f"must be an object with a value for each column, got {row!r:.60}.")
        settings, covariates = self._task.settings, self._task.covariates
        unknown: list[str] = []
        future = covariates["future"]
        ahead = self._ahead(row) if future else [row] * settings.horizon
        series = str(_value(row, settings.series)) if settings.series is not None else ""
        return Observation(
            time=self._time(_value(row, settings.time), last),
            target=np.array([self._target(row, name) for name in settings.target]),
            past=self._covariates(row, covariates["past"], unknown),
            future=np.stack([self._covariates(one, future, unknown) for one in (row, *ahead)]),
            static=self._covariates(row, covariates["static"], unknown),
            series=series,
            unknown=tuple(dict.fromkeys(unknown)),
        )

    def _target(self, row: Mapping[str, Any], name: str) -> float:
        value = _number(row, name)
        if self._task.log and value <= 0:
            raise DataError(
                _of(name),
                f"this forecaster learned from positive targets only and forecasts their logarithm, {value:g} came. "
                "Train again with transform 'none' if such values are right.",
            )
        return value

    def _covariates(self, row: Mapping[str, Any], some: Sequence[Covariate], unknown: list[str]) -> Floats:
        values = np.empty(len(some))
        for place, covariate in enumerate(some):
            if covariate.kind == "numeric":
                values[place] = _number(row, covariate.name)
            else:
                values[place] = self._codes[covariate.name].get(str(_value(row, covariate.name)), 0)
                unknown += [covariate.name] if values[place] == 0 else []
        return values

    def _ahead(self, row: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """The rows of the next steps."""
        horizon, names = self._task.settings.horizon, ", ".join(c.name for c in self._task.covariates["future"])
        rows = row.get(AHEAD)
        if not isinstance(rows, list) or len(rows) != horizon or not all(isinstance(one, Mapping) for one in rows):
            came = f"{len(rows)} did" if isinstance(rows, list) else f"{rows!r:.40} did"
            raise DataError(
                _of(AHEAD), f"a list of {horizon} objects with {names} for each of the next steps must come, {came}."
            )
        return rows

    # Time

    def _time(self, value: Any, last: Any) -> Any:
        frequency = self._task.frequency
        expected: Any = None if last is None else frequency.after(last, 1)[()]
        time = self._parse(value, expected)
        if expected is None or time == expected:
            return time
        came = f"{time_text(time)} came after {time_text(last)}"
        if time <= last:
            raise DataError(_of(self._task.settings.time), f"time must go on, {came}. Feed each step once, in order.")
        raise DataError(
            _of(self._task.settings.time),
            f"a step must come every {frequency}, {came}. Feed {time_text(expected)} first; a gap must be filled, "
            "or begin a new session.",
        )

    def _parse(self, value: Any, expected: Any) -> Any:
        """A time in UTC, or an int64."""
        name, reading, frequency = self._task.settings.time, self._task.settings.reading, self._task.frequency
        if frequency.unit == "step":
            if type(value) is not int or abs(value) >= 2**62:
                raise DataError(_of(name), f"a whole number must come, as in training, {value!r:.40} did.")
            return np.int64(value)
        if not isinstance(value, (str, datetime)):
            raise DataError(_of(name), f"a time must come, such as '2012-01-31', {value!r:.40} did.")
        if reading.time_format is None and reading.time_zone is None and isinstance(value, str):
            with suppress(ValueError):  # no such day: the way below says what is wrong with it
                if _ISO.fullmatch(value):
                    return np.datetime64(value, "us")
        table = Table(pl.DataFrame({name: [value]}), _WHERE)
        whole_days = not frequency.sub_daily
        stamps = parse_times(table.column(name), table, time_format=reading.time_format, whole_days=whole_days)
        if stamps.time.dtype.kind != "M":
            raise DataError(_of(name), f"a time must come, such as '2012-01-31', {value!r:.40} did.")
        time = stamps.time.astype("datetime64[us]")
        if reading.time_zone is None:
            return time[0]
        if not stamps.local:
            dates = local_dates(time, reading.time_zone) if whole_days else None
            return time[0] if dates is None else dates[0]
        if expected is not None and to_local(expected[None], reading.time_zone)[0] == time[0]:
            return expected  # also the second one of a double hour
        return to_utc(time, reading.time_zone, np.array([True]), lambda _: _of(name))[0]


def _value(row: Mapping[str, Any], name: str) -> Any:
    """What a row says; it must say something."""
    if row.get(name) is None:
        known = nearest(name, map(str, row)) if name not in row else "Give its value."
        raise DataError(_of(name), f"a value must come, {'none' if name in row else 'no such column'} did. {known}")
    return row[name]


def _number(row: Mapping[str, Any], name: str) -> float:
    value = _value(row, name)
    if not isinstance(value, (int, float)) or abs(value) > _LARGEST or not math.isfinite(value):
        raise DataError(_of(name), f"a finite number must come, {value!r:.40} did. Give one, such as the last known.")
    return float(value)


def _of(column: str) -> str:
    return f"{_WHERE}, column {column!r}"
