"""An exported forecaster."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.series_set import SeriesSet
from recurra.data.tables import Source
from recurra.runtime.pair import Array, Pair
from recurra.tasks.forecasting.cutting import Cut, Cutter
from recurra.tasks.forecasting.fitted import FittedForecasting
from recurra.tasks.forecasting.forecasts import Prediction

GROUPS = ("past", "known", "ahead", "static")
"""The groups of inputs; each may have categories, too, as ``…_codes``."""
_CHUNK = 512  # windows at once

Ints = NDArray[np.int64]


class Forecaster:
    """Predicts as the bundle does that it was exported from."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.task = FittedForecasting.from_dict(pair.settings)

    def predict(self, data: Source) -> pl.DataFrame:
        """The table that :meth:`recurra.Bundle.predict` makes of the same data."""
        return self.task.tabulate(data, self._forecast)

    def _forecast(self, series: SeriesSet, owner: Ints, origin: Ints) -> Prediction:
        cutter = Cutter(self.task, series, owner, origin)
        chunks = (np.arange(start, min(start + _CHUNK, len(cutter))) for start in range(0, len(cutter), _CHUNK))
        quantiles = [self._pair.run(inputs_of(cutter.cut(chunk)))["quantiles"] for chunk in chunks]
        return self.task.interpret(series, owner, origin, np.concatenate(quantiles))


def inputs_of(cut: Cut) -> dict[str, Array]:
    """The inputs of the graph: all fields of a cut that are not empty, but for the target."""
    given: dict[str, Any] = {name: getattr(cut, name) for name in (*GROUPS, "lengths", "base", "weight")}
    given |= {"anchor": cut.anchor, "unit": cut.unit}
    given |= {f"{name}_codes": codes for name, codes in cut.codes.items()}
    return {name: values for name, values in given.items() if values.size}
