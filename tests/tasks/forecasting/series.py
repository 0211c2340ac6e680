"""Small frames that the tests of the forecaster share."""

import numpy as np
import polars as pl

from recurra.data.series_set import SeriesSet
from recurra.data.tables import read_table
from recurra.tasks.forecasting import Forecasting
from recurra.tasks.forecasting.task import ForecastingTask


def seasonal_frame(
    steps: int = 200, series: int = 2, season: int = 7, noise: float = 0.1, seed: int = 0
) -> pl.DataFrame:
    """Daily series: level, drift, a weekly pattern, noise; a promotion that is known in advance, a colour, a price."""
    random = np.random.default_rng(seed)
    frames = []
    for s in range(series):
        step = np.arange(steps)
        promotion = (random.random(steps) < 0.2).astype(float)
        value = 20 + 5 * s + 0.02 * step + 3 * np.sin(2 * np.pi * step / season) + 4 * promotion
        frames.append(
            pl.DataFrame(
                {
                    "shop": [f"shop {s}"] * steps,
                    "day": np.datetime64("2020-01-01") + step,
                    "sales": value + noise * random.standard_normal(steps),
                    "promotion": promotion,
                    "weather": random.choice(["sun", "rain"], steps),
                    "colour": [("red", "blue")[s % 2]] * steps,
                }
            )
        )
    return pl.concat(frames)


def learn(frame: pl.DataFrame | None = None, **settings: object) -> tuple[ForecastingTask, SeriesSet]:
    """A task learned from a small frame."""
    chosen: dict[str, object] = {"time": "day", "target": "sales", "series": "shop", "horizon": 5, **settings}
    table = read_table(seasonal_frame() if frame is None else frame)
    return ForecastingTask.learn(Forecasting(**chosen), table)  # type: ignore[arg-type]
