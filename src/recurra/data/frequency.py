"""The step between time stamps: inferred from the data, checked, and used to place times on a regular grid."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.data.times import Ints
from recurra.data.zones import Times
from recurra.errors import DataError, SettingsError, nearest

MICROSECONDS = {
    "microsecond": 1,
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 604_800_000_000,
}
MONTHS = {"month": 1, "quarter": 3, "year": 12}
UNITS = (*MICROSECONDS, "business day", *MONTHS, "step")
_DAY = MICROSECONDS["day"]
_LAST_DAY = 31
_MOST = 1_000_000_000
_TEXT = re.compile(r"(?:(\d+) )?([a-z ]+?)s?(?: \((?:day (\d+)|last day)\))?")


@dataclass(frozen=True)
class Frequency:
    """A step of ``count`` units: microsecond to week, business day, month, quarter, year, or plain integer steps.

    >>> str(Frequency(30, "minute")), Frequency(30, "minute").seasons
    ('30 minutes', (48, 336))
    """

    count: int
    unit: str
    day: int = 1
    """Months, quarters and years: the day of the month of each time stamp; 31 is the last day of each."""

    @classmethod
    def parse(cls, text: str) -> Frequency:
        """The frequency that :meth:`__str__` wrote, ``"30 minutes"`` or ``"month (last day)"``.

        >>> Frequency.parse("month (last day)")
        Frequency(count=1, unit='month', day=31)
        """
        found = _TEXT.fullmatch(text.strip().lower())
        unit = "" if found is None else found[2].strip()
        day = _LAST_DAY if "last day" in text.lower() else int((found and found[3]) or 1)
        fits = day <= (_LAST_DAY if unit in MONTHS else 1) and day >= 1
        if found is None or unit not in UNITS or not 1 <= int(found[1] or 1) <= _MOST or not fits:
            raise SettingsError(
                "Reading.frequency",
                f"a frequency reads like '30 minutes' or 'month', got {text!r}. {nearest(unit, UNITS)}",
            )
        return cls(int(found[1] or 1), unit, day)

    def __str__(self) -> str:
        size = self.unit if self.count == 1 else f"{self.count} {self.unit}s"
        if self.day == 1:
            return size
        return f"{size} (last day)" if self.day == _LAST_DAY else f"{size} (day {self.day})"

    @property
    def season(self) -> int:
        """The main season in steps; 1 for none."""
        return self.seasons[0]

    @property
    def seasons(self) -> tuple[int, ...]:
        """The natural season lengths in steps, the main one first; ``(1,)`` if there is none.

        >>> [Frequency(1, unit).seasons for unit in ("hour", "day", "month", "year")]
        [(24, 168), (7, 365), (12,), (1,)]
        """
        unit, count = self.unit, self.count
        if unit in ("business day", "week"):
            cycle = 5 if unit == "business day" else 52
            return (cycle // count,) if cycle % count == 0 else (1,)
        if unit in MONTHS:
            months = MONTHS[unit] * count
            return (12 // months,) if 12 % months == 0 else (1,)
        if unit == "step":
            return (1,)
        if unit == "day":
            return (7, 365) if count == 1 else (1,)
        step = MICROSECONDS[unit] * count
        periods = [MICROSECONDS["hour"]] if step < MICROSECONDS["minute"] else [_DAY, 7 * _DAY]
        return tuple(period // step for period in periods if period % step == 0 and period > step) or (1,)

    @property
    def sub_daily(self) -> bool:
        """Steps shorter than a day, for which the time zone matters."""
        return self.unit in MICROSECONDS and MICROSECONDS[self.unit] * self.count < _DAY

    def position(self, times: Times) -> Ints:
        """[…] the integer place of each time on the grid; neighbours on the grid differ by 1.

        >>> Frequency(1, "month").position(np.array(["1970-03-01"], "datetime64[us]")).tolist()
        [2]
        """
        if self.unit == "step":
            return np.asarray(times, dtype=np.int64) // self.count
        if self.unit in MONTHS:
            return times.astype("datetime64[M]").astype(np.int64) // (MONTHS[self.unit] * self.count)
        if self.unit == "business day":
            days = times.astype("datetime64[D]")
            return np.busday_count(np.datetime64("1970-01-01"), days).astype(np.int64) // self.count
        return times.astype(np.int64) // (MICROSECONDS[self.unit] * self.count)

    def after(self, time: Times | np.datetime64 | np.int64 | int, steps: Ints | int) -> Times:
        """The times ``steps`` steps after ``time`` (both may be arrays; negative steps go back).

        >>> Frequency(1, "month", 31).after(np.datetime64("2012-01-31", "us"), np.arange(3)).astype("M8[D]").tolist()
        [datetime.date(2012, 1, 31), datetime.date(2012, 2, 29), datetime.date(2012, 3, 31)]
        """
        steps = np.asarray(steps, dtype=np.int64) * self.count
        if self.unit == "step":
            whole: Times = np.asarray(time, dtype=np.int64) + steps
            return whole
        start = np.asarray(time, dtype="datetime64[us]")
        if self.unit in MICROSECONDS:
            later: Times = start + (steps * MICROSECONDS[self.unit]).astype("timedelta64[us]")
            return later
        days = start.astype("datetime64[D]")
        clock = start - days
        if self.unit == "business day":
            moved: Times = np.busday_offset(days, steps, roll="forward").astype("datetime64[us]") + clock
            return moved
        months = days.astype("datetime64[M]") + (steps * MONTHS[self.unit]).astype("timedelta64[M]")
        dated: Times = _day_of_month(months, self.day).astype("datetime64[us]") + clock
        return dated

    def on_grid(self, times: Times, first: Times) -> NDArray[np.bool_]:
        """[…] which times can be reached from ``first`` (one for each) by whole steps."""
        steps = self.position(times) - self.position(first)
        reached: NDArray[np.bool_] = np.asarray(self.after(first, steps) == times)
        return reached


def _day_of_month(months: NDArray[np.datetime64], day: int) -> NDArray[np.datetime64]:
    starts = months.astype("datetime64[D]")
    last = (months + 1).astype("datetime64[D]") - starts
    days: NDArray[np.datetime64] = starts + np.minimum(last.astype(np.int64), day) - 1
    return days


def infer_frequency(time: Times, starts: Ints, names: tuple[str, ...], source: str = "time") -> Frequency:
    """The frequency of S series, ``time[starts[s]:starts[s + 1]]`` each, strictly rising; gaps are whole steps.

    Raises :class:`DataError` where nothing can be inferred (no series has two rows) and for series of different
    frequencies, which it names. Whether every time lies on the grid is for the caller to check.

    >>> days = np.arange("2012-01-02", "2012-01-21", dtype="datetime64[D]").astype("datetime64[us]")
    >>> str(infer_frequency(days, np.array([0, len(days)]), ("y",)))
    'day'
    """
    lengths = np.diff(starts)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    inside = np.flatnonzero(owner[1:] == owner[:-1])
    if not len(inside):
        raise DataError(
            source,
            "the step between time stamps must be known, no series has two rows. Use --frequency, such as 'day'.",
        )
    if time.dtype.kind == "M":
        long = _by_month(time, owner, inside, names, source) or _by_business_day(time, inside)
        if long is not None:
            return long
    steps = np.diff(time.astype(np.int64)).astype(np.int64)[inside]
    step, odd = _usual_step(steps, owner[inside])
    if odd is not None:
        series, other = odd
        raise _mixed(source, names[series], _fixed(other, time.dtype.kind), _fixed(step, time.dtype.kind))
    return _fixed(step, time.dtype.kind)


def _usual_step(steps: Ints, owner: Ints) -> tuple[int, tuple[int, int] | None]:
    """The most frequent step of all, and the first series (with its own step) whose most frequent one differs."""
    values, counts = np.unique(steps, return_counts=True)
    usual = int(values[counts.argmax()])
    if len(values) == 1:
        return usual, None
    agree = np.bincount(owner, weights=steps == usual)
    total = np.bincount(owner)
    for series in np.flatnonzero((total >= 3) & (agree < total / 2)):
        own, often = np.unique(steps[owner == series], return_counts=True)
        if own[often.argmax()] != usual:
            return usual, (int(series), int(own[often.argmax()]))
    return usual, None


def _fixed(step: int, kind: str) -> Frequency:
    """A step of fixed length in the largest unit that divides it."""
    if kind != "M":
        return Frequency(step, "step")
    unit = next(unit for unit, size in reversed(MICROSECONDS.items()) if step % size == 0)
    return Frequency(step // MICROSECONDS[unit], unit)


def adopt_day(frequency: Frequency, time: Times) -> Frequency:
    """The frequency with the day of the month that the times have, if it counts months and was not told the day."""
    if frequency.unit not in MONTHS or frequency.day != 1 or time.dtype.kind != "M":
        return frequency
    return Frequency(frequency.count, frequency.unit, _common_day(time) or 1)


def _common_day(time: NDArray[np.datetime64]) -> int | None:
    """The day of the month that all times have, 31 for its last day; None if there is none."""
    dates, months = time.astype("datetime64[D]"), time.astype("datetime64[M]")
    day = int((dates - months.astype("datetime64[D]")).astype(np.int64).max()) + 1
    if day > 28 and (dates == _day_of_month(months, _LAST_DAY)).all():
        return _LAST_DAY
    return day if (dates == _day_of_month(months, day)).all() else None


def _mixed(source: str, name: str, own: Frequency, usual: Frequency) -> DataError:
    return DataError(
        source,
        f"all series must have one frequency, series {name!r} comes every {own} and most every {usual}. "
        "Train on each kind alone, or bring them to one frequency.",
    )


def _by_month(
    time: NDArray[np.datetime64], owner: Ints, inside: Ints, names: tuple[str, ...], source: str
) -> Frequency | None:
    """Months, quarters, years: one day of the month (or its last days) throughout, and steps of about a month."""
    if np.median(np.diff(time)[inside].astype(np.int64)) < 27.5 * _DAY:
        return None
    day = _common_day(time)
    if day is None:
        return None
    months = time.astype("datetime64[M]").astype(np.int64)
    step, odd = _usual_step(np.diff(months)[inside], owner[inside])
    if odd is not None:
        raise _mixed(source, names[odd[0]], _months(odd[1], day), _months(step, day))
    return _months(step, day)


def _months(step: int, day: int) -> Frequency:
    unit = next(unit for unit, size in reversed(MONTHS.items()) if step % size == 0)
    return Frequency(step // MONTHS[unit], unit, day)


def _by_business_day(time: NDArray[np.datetime64], inside: Ints) -> Frequency | None:
    """Days without any weekend, though the data run over some."""
    steps = np.diff(time)[inside].astype(np.int64)
    weekday = (time.astype("datetime64[D]").astype(np.int64) + 3) % 7
    crossed = weekday[inside + 1] < weekday[inside]
    if (weekday > 4).any() or not crossed.any() or (steps % _DAY).any() or np.median(steps) != _DAY:
        return None
    return Frequency(1, "business day")
