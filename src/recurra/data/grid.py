"""From rows to regular grids: whose a row is, at which step it comes, and which steps are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.columns import Columns, Reading
from recurra.data.covariates import code_texts
from recurra.data.frequency import MICROSECONDS, MONTHS, Frequency, adopt_day, infer_frequency
from recurra.data.numbers import is_missing
from recurra.data.tables import Table
from recurra.data.times import Ints, parse_times
from recurra.data.zones import Times, check_zone, local_dates, to_utc
from recurra.errors import DataError

Flags = NDArray[np.bool_]
_MOST_FILLED = 4  # times the rows there are: beyond this a wrong date is likelier than a gap


@dataclass(frozen=True, eq=False)
class Grid:
    """S series on regular grids, one after the other."""

    names: tuple[str, ...]
    starts: Ints
    """[S + 1]"""
    time: Times
    """[N]"""
    source_row: Ints
    """[N] the table's row, -1 for a step that was not there."""
    frequency: Frequency
    notices: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Rows:
    """The table's rows in the order of series and time."""

    table: Table
    columns: Columns
    names: tuple[str, ...]
    owner: Ints
    row: Ints
    time: Times
    local: bool
    written: Times
    """As the table has it, before a conversion to UTC."""

    @property
    def starts(self) -> Ints:
        return np.searchsorted(self.owner, np.arange(len(self.names) + 1))

    @property
    def begins(self) -> Flags:
        return np.append(True, self.owner[1:] != self.owner[:-1])

    def where(self, place: int) -> str:
        return self.table.where(int(self.row[place]), self.columns.time)

    def say(self, place: int) -> str:
        """Time as it is written and row, for people: ``2012-01-01 (line 17)``."""
        row = int(self.row[place])
        column = self.table.frame[self.columns.time]
        written = column[row] if column.dtype == pl.String else time_text(self.time[place])
        return f"{written} ({self.table.row_name(row)})"

    def of_series(self, place: int) -> str:
        return f" of series {self.names[self.owner[place]]!r}" if self.columns.series else ""


def build_grid(table: Table, columns: Columns, reading: Reading, frequency: Frequency | None = None) -> Grid:
    """Order the rows of a table by series and time and place them on a regular grid.

    Raises :class:`DataError` for duplicate times, time that goes backwards, irregular or mixed steps, and gaps unless
    ``reading`` says how to fill them.
    """
    if reading.time_zone is not None:
        check_zone(reading.time_zone)
    whole_days = frequency is None or not frequency.sub_daily
    stamps = parse_times(table.column(columns.time), table, time_format=reading.time_format, whole_days=whole_days)
    names, owner = _series_of_rows(table, columns)
    order = np.argsort(owner, kind="stable")
    rows = _Rows(table, columns, names, owner[order], order, stamps.time[order], stamps.local, stamps.time[order])
    if reading.time_zone is not None and stamps.local:
        moved = to_utc(rows.time, reading.time_zone, rows.begins, rows.where)
        rows = replace(rows, time=moved, local=False)
    elif reading.time_zone is not None and whole_days and stamps.time.dtype.kind == "M":
        dates = local_dates(rows.time, reading.time_zone)
        rows = rows if dates is None else replace(rows, time=dates)
    rows, notices = _in_time_order(rows, reading.sort)
    frequency = _settle_frequency(rows, reading, frequency)
    return _place(rows, frequency, reading, notices)


def time_text(time: np.datetime64 | np.int64) -> str:
    """A time for people: no more of the clock than it has.

    >>> time_text(np.datetime64("2012-01-01T00:30:00.000000")), time_text(np.int64(7))
    ('2012-01-01 00:30:00', '7')
    """
    text = str(time).replace("T", " ").removesuffix(".000000")
    return text.removesuffix(" 00:00:00")


def list_names(names: Sequence[str], most: int = 5) -> str:
    """The first few names, and how many more there are.

    >>> list_names(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more


def count_of(number: int, thing: str) -> str:
    """A number and its noun.

    >>> count_of(1, "gap"), count_of(1200, "gap")
    ('1 gap', '1,200 gaps')
    """
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _series_of_rows(table: Table, columns: Columns) -> tuple[tuple[str, ...], Ints]:
    """The names of the series in the order in which they first come, and [rows] whose each row is."""
    if columns.series is None:
        return ("",), np.zeros(len(table), dtype=np.int64)
    texts = table.column(columns.series).cast(pl.String)
    missing = (
        is_missing(texts) if table.frame[columns.series].dtype != pl.String else (texts.fill_null("") == "").to_numpy()
    )
    if missing.any():
        raise DataError(
            table.where(int(np.flatnonzero(missing)[0]), columns.series),
            f"every row must name its series, {missing.sum()} do not. Name it, or delete the row.",
        )
    names = tuple(texts.unique(maintain_order=True).to_list())
    return names, code_texts(texts, names) - 1


def _in_time_order(rows: _Rows, sort: bool) -> tuple[_Rows, tuple[str, ...]]:
    steps = np.diff(rows.time.astype(np.int64)).astype(np.int64)
    inside = ~rows.begins[1:]
    notices: tuple[str, ...] = ()
    if (inside & (steps < 0)).any():
        if not sort:
            raise _backwards(rows, steps, inside)
        order = np.lexsort((rows.time, rows.owner))
        rows = replace(rows, time=rows.time[order], row=rows.row[order], written=rows.written[order])
        steps = np.diff(rows.time.astype(np.int64)).astype(np.int64)
        notices = ("rows were put in the order of time",)
    same = inside & (steps == 0)
    if same.any():
        raise _duplicate(rows, same)
    return rows, notices


def _backwards(rows: _Rows, steps: Ints, inside: Flags) -> DataError:
    place = int(np.flatnonzero(inside & (steps < 0))[0]) + 1
    remedy = "Use --sort if only the order of the rows is wrong."
    if (steps[inside] < 0).all():
        remedy = "The rows are newest first: use --sort."
    elif hint := _suggest_series(rows):
        remedy = hint
    return DataError(
        rows.where(place),
        f"time must go forward within a series, {rows.say(place)} came after {rows.say(place - 1)}"
        f"{rows.of_series(place)}. {remedy}",
    )


def _duplicate(rows: _Rows, same: Flags) -> DataError:
    place = int(np.flatnonzero(same)[0]) + 1
    first, second = sorted((place - 1, place), key=lambda p: int(rows.row[p]))
    remedy = _suggest_series(rows) or _suggest_zone(rows, np.flatnonzero(same)) or "Delete one of the two rows."
    return DataError(
        rows.where(second),
        f"a time stamp must come once{rows.of_series(place)}, {rows.say(second)} came before at "
        f"{rows.table.row_name(int(rows.row[first]))} ({count_of(int(same.sum()), 'duplicate')} in all). {remedy}",
    )


def _suggest_series(rows: _Rows) -> str:
    """Name a column without a role that tells rows of the same time apart."""
    if rows.columns.series is not None:
        return ""
    frame, time = rows.table.frame, rows.columns.time
    found = []
    for name in frame.columns:
        if name not in rows.columns.used and frame[name].dtype in (pl.String, pl.Categorical, pl.Int64):
            kinds = frame[name].n_unique()
            if 1 < kinds <= frame.height / 2 and not frame.select(time, name).is_duplicated().any():
                found.append((kinds, name))
    return f"Column {min(found)[1]!r} seems to tell series apart: use --series {min(found)[1]!r}." if found else ""


def _suggest_zone(rows: _Rows, places: Ints) -> str:
    """Local times that repeat or leave out an hour on a Sunday night of spring or autumn: the clocks were changed."""
    if not rows.local or rows.time.dtype.kind != "M":
        return ""
    time = rows.time[places]
    days = time.astype("datetime64[D]")
    sunday = (days.astype(np.int64) + 3) % 7 == 6
    month = time.astype("datetime64[M]").astype(np.int64) % 12 + 1
    night = (time - days).astype(np.int64) < 4 * MICROSECONDS["hour"]
    if not (sunday & np.isin(month, [3, 4, 9, 10, 11]) & night).all():
        return ""
    return "Clocks were changed then: say where these local times are from, such as --time-zone Europe/Vienna."


def _settle_frequency(rows: _Rows, reading: Reading, frequency: Frequency | None) -> Frequency:
    where = rows.table.where(column=rows.columns.time)
    if frequency is None and reading.frequency is not None:
        frequency = adopt_day(Frequency.parse(reading.frequency), rows.time)
    if frequency is None and _compact_dates(rows.time):
        raise DataError(
            rows.where(0), f"integers must count steps, {rows.say(0)} looks like a date. Use --time-format %Y%m%d."
        )
    if frequency is None:
        frequency = infer_frequency(rows.time, rows.starts, rows.names, where)
    integers = rows.time.dtype.kind != "M"
    if integers != (frequency.unit == "step"):
        came = "integers" if integers else "dates"
        raise DataError(where, f"time stamps must suit the frequency {frequency}, {came} came. Change one of them.")
    return frequency


def _place(rows: _Rows, frequency: Frequency, reading: Reading, notices: tuple[str, ...]) -> Grid:
    """Put each row at its step; steps without a row are gaps."""
    starts, owner = rows.starts, rows.owner
    first = rows.time[starts[:-1]][owner]
    off = ~frequency.on_grid(rows.time, first)
    if off.any():
        raise _irregular(rows, frequency, int(np.flatnonzero(off)[0]))
    position = frequency.position(rows.time)
    step = position - position[starts[:-1]][owner]
    lengths = step[starts[1:] - 1] + 1
    new_starts = np.concatenate([[0], np.cumsum(lengths)])
    missing = int(new_starts[-1]) - len(owner)
    if not missing:
        return Grid(rows.names, starts, rows.time, rows.row, frequency, notices)
    notices += (_judge_gaps(rows, frequency, reading, position, missing),)
    source_row = np.full(new_starts[-1], -1)
    source_row[new_starts[owner] + step] = rows.row
    steps = np.arange(new_starts[-1]) - np.repeat(new_starts[:-1], lengths)
    time = frequency.after(np.repeat(rows.time[starts[:-1]], lengths), steps)
    return Grid(rows.names, new_starts, time, source_row, frequency, notices)


def _judge_gaps(rows: _Rows, frequency: Frequency, reading: Reading, position: Ints, missing: int) -> str:
    """The notice about filled gaps; an error if they may not be filled or are too large to be gaps."""
    wide = ~rows.begins[1:] & (np.diff(position) > 1)
    places = np.flatnonzero(wide) + 1
    series = len(np.unique(rows.owner[places]))
    largest = int(places[np.diff(position)[places - 1].argmax()])
    if missing > _MOST_FILLED * len(rows.owner) + 1000:
        raise DataError(
            rows.where(largest),
            f"time stamps must follow each other every {frequency}, {count_of(missing, 'step')} are missing before "
            f"{rows.say(largest)}, which came after {rows.say(largest - 1)}. Correct it, or give --frequency.",
        )
    if reading.fill == "refuse":
        place = int(places[0])
        zone = _suggest_zone(rows, places)
        if (frequency.position(rows.written[places]) - frequency.position(rows.written[places - 1]) == 1).all():
            zone = "The clocks went back there, but the rows do not show it: leave --time-zone out."
        raise DataError(
            rows.where(place),
            f"rows{rows.of_series(place)} must follow each other every {frequency}, {rows.say(place)} came after "
            f"{rows.say(place - 1)} ({missing:,} missing in {count_of(len(places), 'gap')} of {series} series). "
            f"{zone + ' Or use' if zone else 'Use'} --fill forward, linear, zero or mask.",
        )
    how = {"mask": "left out of the loss", "zero": "filled with zero"}.get(reading.fill, f"filled ({reading.fill})")
    return f"{count_of(missing, 'missing step')} in {count_of(len(places), 'gap')} of {series} series: {how}"


def _irregular(rows: _Rows, frequency: Frequency, place: int) -> DataError:
    remedy = "Correct it, or bring the series to a regular step first."
    if rows.time.dtype.kind == "M" and not frequency.sub_daily and frequency.unit not in MONTHS:
        remedy = "If these are days of a place with daylight saving, use --time-zone; else correct it."
    return DataError(
        rows.where(place),
        f"time stamps must follow each other every {frequency}, {rows.say(place)} came after {rows.say(place - 1)}"
        f"{rows.of_series(place)}. {remedy}",
    )


def _compact_dates(numbers: Times) -> bool:
    """Integers such as 20120131, all of them."""
    if numbers.dtype.kind == "M":
        return False
    month, day = numbers.astype(np.int64) // 100 % 100, numbers.astype(np.int64) % 100
    year = numbers.astype(np.int64) // 10_000
    fine = (year >= 1600) & (year <= 2200) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool(fine.all())
