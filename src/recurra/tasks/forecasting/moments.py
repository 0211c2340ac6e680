"""The times of a request on the learned grid: usual ones at once, all others read as those of a table are."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from recurra.data.columns import Columns, Reading
from recurra.data.frequency import Frequency
from recurra.data.grid import build_grid
from recurra.data.tables import read_table
from recurra.data.zones import Times
from recurra.errors import DataError

_PLAIN = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?")


def read_moments(values: list[Any], frequency: Frequency, reading: Reading, column: str) -> Times:
    """``[N]`` the times of neighbouring steps, ``datetime64[us]`` in UTC or int64; a gap is a :class:`DataError`.

    >>> read_moments(["2012-01-31", "2012-02-01"], Frequency(1, "day"), Reading(), "day").astype("M8[D]").tolist()
    [datetime.date(2012, 1, 31), datetime.date(2012, 2, 1)]
    """
    times = _read_plain(values, frequency, reading)
    if times is not None and (frequency.after(times[0], np.arange(len(times))) == times).all():
        return times
    if not all(isinstance(value, (str, int)) and not isinstance(value, bool) for value in values):
        raise DataError(f"request, {column!r}", "times must be texts or whole numbers, others came. Correct them.")
    table = replace(read_table({column: [str(value) for value in values]}), source="request")
    grid = build_grid(table, Columns(time=column, target=(f"{column} ",)), replace(reading, fill="refuse"), frequency)
    if (grid.source_row != np.arange(len(values))).any():
        raise DataError(f"request, {column!r}", "times must go forward step by step, they do not. Put them in order.")
    return grid.time


def _read_plain(values: list[Any], frequency: Frequency, reading: Reading) -> Times | None:
    """Whole numbers, or times like 2012-01-31T18:30 without a zone; None for any other."""
    if all(type(value) is int and abs(value) < 2**62 for value in values):
        return np.array(values, dtype=np.int64) if frequency.unit == "step" and not reading.time_format else None
    if reading.time_format or reading.time_zone or frequency.unit == "step":
        return None
    if not all(type(value) is str and _PLAIN.fullmatch(value) for value in values):
        return None
    try:
        return np.array(values, dtype="datetime64[us]")
    except ValueError:  # a day that the calendar does not have
        return None
