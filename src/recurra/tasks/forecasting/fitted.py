"""All that a forecaster learned from its data except weights: how new data are read, and what quantiles mean.

No torch here: what is exported is used without it (:mod:`recurra.runtime`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.covariates import Covariate
from recurra.data.frequency import Frequency
from recurra.data.grid import list_names
from recurra.data.series import read_series
from recurra.data.series_set import SeriesSet
from recurra.data.tables import Source, read_table
from recurra.errors import DataError
from recurra.settings import from_dict, to_dict
from recurra.tasks.forecasting.choices import Choices
from recurra.tasks.forecasting.forecasts import Prediction
from recurra.tasks.forecasting.origins import extend_future
from recurra.tasks.forecasting.settings import Forecasting

SEASONAL = 5
"""Known features that are made of the series' own past: two lags, profile, its strength, seasons seen."""


@dataclass(frozen=True)
class FittedForecasting:
    """Settings, frequency, covariates and choices."""

    settings: Forecasting
    frequency: Frequency
    covariates: Mapping[str, tuple[Covariate, ...]]
    choices: Choices
    """What the settings left open, chosen from the data."""

    @property
    def context(self) -> int:
        """C, the steps of the past that the model reads."""
        return self.choices.context

    @property
    def season(self) -> int:
        """Steps of the season whose profile the model is given; 1 for none."""
        return self.choices.season

    @property
    def log(self) -> bool:
        """Whether the logarithm of the target is forecast."""
        return self.choices.log

    @property
    def is_drawn(self) -> bool:
        """Whether the quantiles are those of draws: of counts and of whole paths they have no closed form."""
        return self.settings.decoder == "autoregressive" or self.settings.head == "negative-binomial"

    def to_dict(self) -> dict[str, Any]:
        """All of the task as plain JSON values."""
        return {
            "settings": to_dict(self.settings),
            "frequency": str(self.frequency),
            "covariates": {role: [asdict(one) for one in some] for role, some in self.covariates.items()},
            "choices": asdict(self.choices),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The task that :meth:`to_dict` made plain."""
        return cls(
            settings=from_dict(Forecasting, values["settings"]),
            frequency=Frequency.parse(values["frequency"]),
            covariates={
                role: tuple(Covariate.from_dict(one) for one in some) for role, some in values["covariates"].items()
            },
            choices=Choices.from_dict(values["choices"]),
        )

    def read(self, data: Source) -> SeriesSet:
        """The series of new data, with the frequency and the covariates that were learned."""
        table = read_table(data)
        return read_series(
            table, self.settings.columns, self.settings.reading, covariates=self.covariates, frequency=self.frequency
        )

    def transform(self, series: SeriesSet) -> NDArray[np.float64]:
        """[N] what is forecast instead of the target: its logarithm, or itself."""
        if not self.log:
            return series.target
        bad = np.flatnonzero(series.target <= 0)
        if len(bad):
            raise DataError(
                f"{series.table.source}, {series.step_name(int(bad[0]))}",
                f"this forecaster learned from positive targets only and forecasts their logarithm, "
                f"{series.target[bad[0]]:g} came. Train again with transform 'none' if such values are right.",
            )
        return np.log(series.target)

    def identify(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        """[S, 1] the code of each series that was learned by name, 0 for others; [S, 0] if none was."""
        if not self.choices.identities:
            return np.zeros((len(names), 0), dtype=np.int64)
        codes = {name: code for code, name in enumerate(self.choices.identities, start=1)}
        return np.array([[codes.get(name, 0)] for name in names], dtype=np.int64)

    @property
    def levels(self) -> tuple[float, ...]:
        """The Q levels of forecast quantiles; none with the point head."""
        return () if self.settings.head == "point" else self.settings.levels

    @property
    def input_sizes(self) -> tuple[dict[str, int], dict[str, list[int]]]:
        """How many numbers, and categories of which sizes, ``past``, ``known`` and ``static`` have."""

        def numeric(role: str) -> int:
            return sum(c.kind == "numeric" for c in self.covariates[role])

        def categories(role: str) -> list[int]:
            return [len(c.categories) for c in self.covariates[role] if c.kind == "categorical"]

        names = [len(self.choices.identities)] if self.choices.identities else []
        known = SEASONAL + len(self.choices.calendar) + numeric("future")
        numbers = {"past": 2 + numeric("past"), "known": known}
        return (
            {**numbers, "static": numeric("static")},
            {"past": categories("past"), "known": categories("future"), "static": categories("static") + names},
        )

    def tabulate(
        self, data: Source, forecast: Callable[[SeriesSet, NDArray[np.int64], NDArray[np.int64]], Prediction]
    ) -> pl.DataFrame:
        """What ``forecast(series, owner, origin)`` says of the H steps after each series of ``data``, in long form."""
        series = self.read(data)
        series.require_future(self.settings.horizon)
        self._require_context(series)
        series = extend_future(series, self.settings.horizon)
        prediction = forecast(series, np.arange(len(series)), series.observed)
        return prediction.frame(self.settings.time, self.settings.series or "series")

    def interpret(
        self, series: SeriesSet, owner: NDArray[np.int64], origin: NDArray[np.int64], quantiles: NDArray[np.float64]
    ) -> Prediction:
        """Name what the ``quantiles`` [W, H, Q] of a model are; the median is the point forecast."""
        point = quantiles[..., (self.levels or (0.5,)).index(0.5)]
        kept = quantiles if self.levels else quantiles[..., :0]
        return Prediction.at(series, owner, origin, point, kept, self.levels)

    def _require_context(self, series: SeriesSet) -> None:
        short = np.flatnonzero(series.observed < self.choices.shortest)
        if len(short):
            raise DataError(
                series.table.source,
                f"a series must have {self.choices.shortest} steps with a target to be forecast, {len(short)} of "
                f"{len(series)} are shorter: {list_names([series.names[s] for s in short])}. Give more of their past.",
            )
