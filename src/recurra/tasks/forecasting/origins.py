"""Which windows there are: the series and the first forecast step of each; and room for the steps to come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.series_set import SeriesSet
from recurra.errors import DataError


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
