"""An exported forecaster."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray

from recurra.data.series_set import SeriesSet
from recurra.data.tables import Source
from recurra.errors import DataError
from recurra.runtime.pair import Array, Pair, Ports, states_of
from recurra.runtime.paths import PathDrawer
from recurra.tasks.forecasting.cutting import Cut, Cutter
from recurra.tasks.forecasting.drawing import COUNTS, PARAMETERS, draw_negative_binomial
from recurra.tasks.forecasting.fitted import FittedForecasting
from recurra.tasks.forecasting.forecasts import Prediction

GROUPS = ("past", "known", "ahead", "static")
"""The groups of inputs; each may have categories, too, as ``…_codes``."""
_CHUNK = 512  # windows at once
_PATHS = 100_000  # paths at once

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Forecaster:
    """Predicts as the bundle does that it was exported from.

    Where quantiles are drawn, the draws are those of NumPy, the same at each call: the distribution is the bundle's,
    the quantiles differ as those of two samples do.
    """

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.task = FittedForecasting.from_dict(pair.settings)
        pair.require(_outputs(self.task), states_of(pair))

    def predict(self, data: Source) -> pl.DataFrame:
        """The table that :meth:`recurra.Bundle.predict` makes of the same data."""
        return self.task.tabulate(data, self._forecast)

    def _forecast(self, series: SeriesSet, owner: Ints, origin: Ints) -> Prediction:
        cutter, random = Cutter(self.task, series, owner, origin), np.random.default_rng(0)
        chunk = self._chunk
        places = (np.arange(start, min(start + chunk, len(cutter))) for start in range(0, len(cutter), chunk))
        quantiles = np.concatenate([self._quantiles(cutter.cut(some), random) for some in places])
        if not np.isfinite(quantiles).all():
            raise DataError(series.table.source, "the forecast must be finite, it is not. Check the size of the data.")
        return self.task.interpret(series, owner, origin, quantiles)

    @property
    def _chunk(self) -> int:
        """Windows at once."""
        if self.task.settings.decoder != "autoregressive":
            return _CHUNK
        return max(1, _PATHS // (self.task.settings.samples * self.task.settings.members))

    def _quantiles(self, cut: Cut, random: Generator) -> Floats:
        """``[B, H, Q]`` in the user's units."""
        inputs = inputs_of(cut)
        if not self.task.is_drawn:
            return self._pair.run(inputs)["quantiles"]
        if self.task.settings.decoder == "autoregressive":
            paths = PathDrawer(self._pair, self.task).draw(inputs, random)
            quantiles = np.quantile(paths, self.task.levels, axis=2)  # [Q, M, B, H]
            values = np.moveaxis(quantiles.mean(1), 0, -1) * cut.unit[..., None] + cut.anchor[..., None]
        else:
            members = self._pair.run(inputs)["parameters"]  # [M, B, H, 2]
            values = np.mean([_quantiles_of_counts(one, self.task.levels, random) for one in members], axis=0)
        forecast: Floats = np.exp(values) if self.task.log else values
        return forecast


def _outputs(task: FittedForecasting) -> Ports:
    settings = task.settings
    if not task.is_drawn:
        return {"quantiles": (np.float64, ["B", settings.horizon, len(task.levels) or 1])}
    steps = 1 if settings.decoder == "autoregressive" else settings.horizon
    return {"parameters": (np.float64, [settings.members, "B", steps, PARAMETERS[settings.head]])}


def _quantiles_of_counts(parameters: Floats, levels: tuple[float, ...], random: Generator) -> Floats:
    """``[B, H, Q]`` of ``parameters [B, H, 2]``: each is a count that was drawn."""
    draws = draw_negative_binomial(np.broadcast_to(parameters, (COUNTS, *parameters.shape)), random)
    return np.moveaxis(np.quantile(draws, levels, axis=0, method="nearest"), 0, -1)


def inputs_of(cut: Cut) -> dict[str, Array]:
    """The inputs of the graph: all fields of a cut that are not empty, but for the target."""
    given: dict[str, Any] = {name: getattr(cut, name) for name in (*GROUPS, "lengths", "base", "weight")}
    given |= {"anchor": cut.anchor, "unit": cut.unit}
    given |= {f"{name}_codes": codes for name, codes in cut.codes.items()}
    return {name: values for name, values in given.items() if values.size}
