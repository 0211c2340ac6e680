"""Time zones: local times to UTC and back, over the changes of clocks in spring and autumn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.errors import DataError, SettingsError

Times: TypeAlias = NDArray[Any]
"""``datetime64[us]`` or int64."""
Where: TypeAlias = Callable[[int], str]


def check_zone(time_zone: str) -> None:
    """Raise :class:`SettingsError` unless the time zone is known."""
    try:
        pl.Series([datetime(2000, 1, 1)]).dt.replace_time_zone(time_zone)
    except pl.exceptions.PolarsError:
        raise SettingsError(
            "Reading.time_zone", f"a time zone must be a name such as 'Europe/Vienna', got {time_zone!r}."
        ) from None


def all_midnight(times: NDArray[np.datetime64]) -> bool:
    """Whether all times have no clock: they are dates."""
    return bool((times == times.astype("datetime64[D]")).all())


def to_local(time: Times, time_zone: str) -> Times:
    """Times in UTC as a clock in the time zone shows them.

    >>> to_local(np.array(["2012-07-01T10:00"], "datetime64[us]"), "Europe/Vienna").tolist()
    [datetime.datetime(2012, 7, 1, 12, 0)]
    """
    utc = pl.Series(time).cast(pl.Datetime("us", "UTC"))
    local: Times = utc.dt.convert_time_zone(time_zone).dt.replace_time_zone(None).to_numpy()
    return local


def local_dates(time: Times, time_zone: str) -> Times | None:
    """The dates that times in UTC are in a time zone, if all of them are midnights there; else None."""
    local = to_local(time, time_zone)
    return local if all_midnight(local) else None


def to_utc(local: NDArray[np.datetime64], time_zone: str, begins: NDArray[np.bool_], where: Where) -> Times:
    """Local times of a time zone to UTC, in the order of time.

    ``begins`` tells the first row of each series, ``where`` names a row in an error. A double hour in the autumn is in
    summer time until the clock goes back; an hour that the spring leaves out is a :class:`DataError`.
    """
    naive = pl.Series(local).cast(pl.Datetime("us"))
    early = naive.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    if early.null_count():
        row = int(np.flatnonzero(early.is_null().to_numpy())[0])
        raise DataError(
            where(row),
            f"local times must exist in {time_zone}, {naive[row]} does not: clocks were put forward then. "
            "If these are times without daylight saving, use --time-zone UTC.",
        )
    late = naive.dt.replace_time_zone(time_zone, ambiguous="latest", non_existent="null")
    first, second = (s.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy() for s in (early, late))
    time = first.copy()
    back = False
    for row in map(int, np.flatnonzero(first != second)):  # an hour or two per year
        follows = not begins[row] and first[row - 1] != second[row - 1]
        back = follows and (back or bool(local[row] <= local[row - 1]))
        time[row] = second[row] if back else first[row]
    return time
