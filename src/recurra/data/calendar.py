"""Features of the calendar: where in the day, week and year a time lies, as sine and cosine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recurra.data.frequency import MICROSECONDS, MONTHS, Frequency
from recurra.data.zones import Times, to_local

Floats = NDArray[np.float64]
_DAY, _WEEK = MICROSECONDS["day"], MICROSECONDS["week"]
_MONDAY = 4 * _DAY  # 1970-01-01 was a Thursday: the first Monday came four days later


def _cycles(frequency: Frequency) -> tuple[str, ...]:
    """The cycles that vary at this frequency and are longer than two of its steps."""
    if frequency.unit in MONTHS:
        return ("month of year",) if MONTHS[frequency.unit] * frequency.count < 12 else ()
    if frequency.unit == "business day":
        return ("day of week", "day of month", "day of year")
    if frequency.unit == "step":
        return ()
    step = MICROSECONDS[frequency.unit] * frequency.count
    cycles: tuple[str, ...] = ("hour",) if step < MICROSECONDS["minute"] else ()
    cycles += ("time of day",) if step < _DAY else ()
    cycles += ("day of week",) if step % _WEEK else ()
    cycles += ("day of month",) if step == _DAY else ()
    return (*cycles, "day of year")


def calendar_names(frequency: Frequency) -> tuple[str, ...]:
    """The names of the K features of :func:`calendar_features`.

    >>> calendar_names(Frequency(1, "month"))
    ('month of year (sin)', 'month of year (cos)')
    """
    return tuple(f"{cycle} ({wave})" for cycle in _cycles(frequency) for wave in ("sin", "cos"))


def calendar_features(times: Times, frequency: Frequency, time_zone: str | None) -> NDArray[np.float32]:
    """[T, K] float32 in [-1, 1]: sine and cosine of the cycles that vary at this frequency; K depends on it alone.

    ``times`` are UTC and seen in ``time_zone`` if one is given and steps are shorter than a day. Integer times and
    years have K = 0.

    >>> noon = np.array(["2012-01-02T12:00"], "datetime64[us]")
    >>> calendar_features(noon, Frequency(1, "hour"), None)[0, :2].round(3).tolist()
    [0.0, -1.0]
    """
    cycles = _cycles(frequency)
    if not cycles:
        return np.zeros((len(times), 0), dtype=np.float32)
    local = to_local(times, time_zone) if time_zone is not None and frequency.sub_daily else times
    angles = 2 * np.pi * np.stack([_phase(local, cycle) for cycle in cycles], axis=-1)  # [T, cycles]
    waves = np.stack([np.sin(angles), np.cos(angles)], axis=-1)  # [T, cycles, 2]
    return waves.reshape(len(times), -1).astype(np.float32)


def _phase(times: Times, cycle: str) -> Floats:
    """[T] how much of the cycle has passed, in [0, 1)."""
    moment = times.astype("datetime64[us]")
    if cycle == "hour":
        return moment.astype(np.int64) % MICROSECONDS["hour"] / MICROSECONDS["hour"]
    if cycle == "time of day":
        return moment.astype(np.int64) % _DAY / _DAY
    if cycle == "day of week":
        return (moment.astype("datetime64[D]").astype("datetime64[us]").astype(np.int64) - _MONDAY) % _WEEK / _WEEK
    if cycle == "month of year":
        return moment.astype("datetime64[M]").astype(np.int64) % 12 / 12
    unit = "M" if cycle == "day of month" else "Y"
    days = moment.astype("datetime64[D]")
    begin = days.astype(f"datetime64[{unit}]")
    length = (begin + 1).astype("datetime64[D]") - begin.astype("datetime64[D]")
    share: Floats = (days - begin.astype("datetime64[D]")) / length
    return share
