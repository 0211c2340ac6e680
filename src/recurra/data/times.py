"""Columns of time stamps to ``datetime64[us]`` in UTC, or to int64 for plain integers; never by guessing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.numbers import is_missing
from recurra.data.tables import Table
from recurra.data.zones import Times, all_midnight
from recurra.errors import DataError

Ints: TypeAlias = NDArray[np.int64]

_CLOCK = r"(?:(?P<gap>[T ]) *(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)"
_ZONE = r" ?(?P<zone>Z|z|UTC|[+-]\d{2}(?::?\d{2})?)"
_FAMILIES = {
    "integer": r"^(?P<integer>[+-]?\d{1,18})$",
    "date": r"^(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})"
    rf"(?:(?P<mark2>[-/.])(?P<day>\d{{1,2}}){_CLOCK}?(?:{_ZONE})?)?$",
    "quarter": r"^(?P<year>\d{4})[- ]?[Qq](?P<quarter>\d)$",
    "slashed": r"^(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second_part>\d{1,2})(?P<mark2>[-/.])(?P<year>\d{4})"
    rf"{_CLOCK}?(?P<half> ?[AaPp][Mm])?$",
}
_USUAL: tuple[str, ...] = (
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
    "%d-%m-%y",
    "%b %Y",
    "%B %Y",
    "%b-%y",
    "%m/%Y",
    "%d %b %Y",
    "%d-%b-%Y",
)
_USUAL += ("%d-%b-%y", "%d%b%Y", "%b %d, %Y", "%B %d, %Y", "%Y%m%dT%H", "%Y%m%dT%H%M", "%Y%m%dT%H%M%S", "%Y%m%d %H:%M")
_SAME_SIGN = ("mark", "mark2", "gap")
_SAME_PARTS = ("zone", "day", "hour", "second", "half")


@dataclass(frozen=True, eq=False)
class Stamps:
    """The times of a table's rows."""

    time: Times
    """[rows] ``datetime64[us]`` in UTC, or int64."""
    local: bool
    """Times without a zone, which may stand for local time."""


def parse_times(values: pl.Series, table: Table, *, time_format: str | None = None, whole_days: bool = True) -> Stamps:
    """The times of a column: ISO dates and datetimes with or without zone, months, quarters, integers, slashed dates.

    Times with a zone are converted to UTC, or with ``whole_days`` to the dates as written if all of them are midnights;
    those without a zone are taken as they are (:func:`recurra.data.zones.to_utc` is for these).
    ``1/2/1981`` is read only if the whole column leaves one order of day and month. Raises :class:`DataError` for
    mixed or unknown forms, which names the row.

    >>> from recurra.data.tables import read_table
    >>> table = read_table({"t": ["2012-01-01T02:00+02:00"]})
    >>> parse_times(table.frame["t"], table).time.astype(str).tolist()
    ['2012-01-01T00:00:00.000000']
    """
    if values.dtype == pl.Categorical or values.dtype == pl.Enum:
        values = values.cast(pl.String)
    _refuse_missing(values, table)
    if time_format is not None and (values.dtype == pl.String or values.dtype.is_integer()):
        return _by_format(values.cast(pl.String), table, time_format)
    if values.dtype != pl.String:
        return _native(values, table, whole_days)
    return _recognise(values, table, whole_days)


def _refuse_missing(values: pl.Series, table: Table) -> None:
    if values.dtype != pl.String and not values.null_count():
        return
    missing = is_missing(values) if values.dtype == pl.String else values.is_null().to_numpy()
    if missing.any():
        raise DataError(
            table.where(int(np.flatnonzero(missing)[0]), values.name),
            f"every row must have a time stamp, this one has none ({missing.sum()} in all). Complete or delete it.",
        )


def _native(values: pl.Series, table: Table, whole_days: bool) -> Stamps:
    kind = values.dtype
    if kind.is_integer():
        return Stamps(values.cast(pl.Int64).to_numpy(), local=False)
    if kind == pl.Date:
        return Stamps(values.cast(pl.Datetime("us")).to_numpy(), local=False)
    if isinstance(kind, pl.Datetime):
        if kind.time_zone is None:
            return Stamps(values.cast(pl.Datetime("us")).to_numpy(), local=True)
        written = values.dt.replace_time_zone(None).cast(pl.Datetime("us")).to_numpy()
        if whole_days and all_midnight(written):
            return Stamps(written, local=False)
        moved = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return Stamps(moved.cast(pl.Datetime("us")).to_numpy(), local=False)
    raise DataError(
        table.where(column=values.name),
        f"time stamps must be dates, datetimes, integers or text, this column holds {kind}. Convert it.",
    )


def _recognise(values: pl.Series, table: Table, whole_days: bool) -> Stamps:
    texts = values.str.strip_chars()
    first = texts[0]
    family = next((name for name, form in _FAMILIES.items() if re.match(form, first, re.ASCII)), None)
    if family is None:
        raise DataError(
            table.where(0, values.name),
            f"a time stamp such as 2012-01-31, 2012-01-31T18:30:00Z or an integer must come, {first!r} did. "
            f"Say how it is written, such as --time-format '{_guess_format(first)}' (strptime).",
        )
    parts = _extract(texts, family)
    _same_form(parts, texts, family, values.name, table)
    if family == "integer":
        return Stamps(parts["integer"].cast(pl.Int64).to_numpy(), local=False)
    if family == "slashed":
        parts = _settle_order(parts, texts, values.name, table)
    return _assemble(parts, texts, values.name, table, whole_days)


def _guess_format(text: str) -> str:
    """The first of the usual formats that fits."""
    for guess in _USUAL:
        try:
            datetime.strptime(text, guess)
        except ValueError:
            continue
        return guess
    return "%d.%m.%Y %H:%M"


def _extract(texts: pl.Series, family: str) -> pl.DataFrame:
    form = _FAMILIES[family].replace(r"\d", "[0-9]")
    return texts.str.extract_groups(form).struct.unnest()


def _same_form(parts: pl.DataFrame, texts: pl.Series, family: str, name: str, table: Table) -> None:
    """All rows must be written like the first one: the same signs, with or without clock and zone."""
    anchor = {"integer": "integer"}.get(family, "year")
    shape = [pl.col(part).ne_missing(pl.col(part).first()) for part in _SAME_SIGN if part in parts.columns]
    shape += [pl.col(part).is_null() != pl.col(part).is_null().first() for part in _SAME_PARTS if part in parts.columns]
    if "mark2" in parts.columns:
        shape.append(pl.col("mark2").is_not_null() & (pl.col("mark2") != pl.col("mark")))
    odd = parts.select(pl.any_horizontal(pl.col(anchor).is_null(), *shape).fill_null(True).arg_true()).to_series()
    if len(odd):
        row = int(odd[0])
        raise DataError(
            table.where(row, name),
            f"all time stamps must be written alike, {texts[row]!r} came after {texts[0]!r} "
            f"({table.row_name(0)}). Correct this one, or write all of them as 2012-01-31T18:30:00.",
        )


def _settle_order(parts: pl.DataFrame, texts: pl.Series, name: str, table: Table) -> pl.DataFrame:
    """Day and month of ``1/2/1981``: known only if some value of the column is above 12."""
    first, second = parts["first"].cast(pl.Int64), parts["second_part"].cast(pl.Int64)
    day_rows, month_rows = (first > 12).arg_true(), (second > 12).arg_true()
    says_day, says_month = len(day_rows) > 0, len(month_rows) > 0
    if says_day == says_month:
        mark = parts["mark"][0]
        row = 0
        both = f"{texts[0]!r} can be read both ways"
        if says_day:
            row = max(int(day_rows[0]), int(month_rows[0]))
            both = f"{texts[day_rows[0]]!r} puts the day first and {texts[month_rows[0]]!r} the month"
        raise DataError(
            table.where(row, name),
            f"day and month must be told apart, {both}. "
            f"Say how they are written: --time-format '%d{mark}%m{mark}%Y' or '%m{mark}%d{mark}%Y'.",
        )
    day, month = (first, second) if says_day else (second, first)
    return parts.with_columns(day=day, month=month)


def _assemble(parts: pl.DataFrame, texts: pl.Series, name: str, table: Table, whole_days: bool) -> Stamps:
    """Put year, month, day, clock and zone together; what the calendar does not have is an error."""

    def number(part: str, default: int) -> Ints:
        if part not in parts.columns:
            return np.full(len(parts), default)
        return parts[part].cast(pl.Int64).fill_null(default).to_numpy()

    year, month, day = number("year", 1), number("month", 1), number("day", 1)
    quarter, hour, minute, second = number("quarter", 1), number("hour", 0), number("minute", 0), number("second", 0)
    if "quarter" in parts.columns:
        month = 3 * quarter - 2
    if "half" in parts.columns and parts["half"][0] is not None:
        after_noon = parts["half"].str.to_lowercase().str.contains("p").to_numpy()
        hour = np.where((hour >= 1) & (hour <= 12), hour % 12 + 12 * after_noon, 99)
    months = (year - 1970) * 12 + month - 1
    starts = months.astype("datetime64[M]").astype("datetime64[D]")
    lengths = ((months + 1).astype("datetime64[M]").astype("datetime64[D]") - starts).astype(np.int64)
    wrong = (month < 1) | (month > 12) | (day < 1) | (day > lengths) | (quarter < 1) | (quarter > 4)
    wrong |= (hour > 23) | (minute > 59) | (second > 59)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            table.where(row, name), f"a time stamp must exist in the calendar, {texts[row]!r} does not. Correct it."
        )
    seconds = ((starts.astype(np.int64) + day - 1) * 24 + hour) * 3600 + minute * 60 + second
    written = (seconds * 1_000_000 + _microseconds(parts)).astype("datetime64[us]")
    if "zone" not in parts.columns or parts["zone"][0] is None:
        has_clock = "hour" in parts.columns and parts["hour"][0] is not None
        return Stamps(written, local=has_clock)
    if whole_days and all_midnight(written):  # days of a place: the date counts, whatever the offset
        return Stamps(written, local=False)
    offsets = _offsets(parts["zone"])
    far = np.flatnonzero(np.abs(offsets) > 18 * 60)
    if len(far):
        row = int(far[0])
        raise DataError(
            table.where(row, name), f"an offset from UTC must be within 18 hours, {texts[row]!r} came. Correct it."
        )
    return Stamps(written - offsets.astype("timedelta64[m]"), local=False)


def _microseconds(parts: pl.DataFrame) -> Ints:
    if "fraction" not in parts.columns or parts["fraction"].null_count() == len(parts):
        return np.zeros(len(parts), dtype=np.int64)
    return parts["fraction"].fill_null("").str.pad_end(9, "0").str.slice(0, 6).cast(pl.Int64).to_numpy()


def _offsets(zones: pl.Series) -> Ints:
    """Minutes east of Greenwich."""
    texts, inverse = np.unique(zones.to_numpy().astype(str), return_inverse=True)
    offsets = []
    for text in texts:
        digits = text[1:].replace(":", "").ljust(4, "0")
        sign = -1 if text[0] == "-" else 1
        offsets.append(0 if text[0] not in "+-" else sign * (int(digits[:2]) * 60 + int(digits[2:])))
    return np.array(offsets, dtype=np.int64)[inverse]


def _by_format(values: pl.Series, table: Table, time_format: str) -> Stamps:
    """By the strptime format that the user gave; each distinct text is parsed once."""
    unique = values.unique(maintain_order=True)
    parsed: list[datetime] = []
    for text in unique:
        try:
            parsed.append(datetime.strptime(text.strip(), time_format))
        except ValueError as error:
            row = int((values == text).arg_true()[0])
            raise DataError(
                table.where(row, values.name),
                f"a time stamp must have the form {time_format!r}, {text!r} has not: {error}. Correct either.",
            ) from None
    aware = parsed[0].tzinfo is not None
    if aware:
        parsed = [moment.astimezone(UTC).replace(tzinfo=None) for moment in parsed]
    stamps = pl.Series(parsed, dtype=pl.Datetime("us"))
    codes = values.to_frame().join(
        pl.DataFrame({values.name: unique, "stamp": stamps}), on=values.name, how="left", maintain_order="left"
    )
    has_clock = any(code in time_format for code in ("%H", "%I", "%X", "%c", "%T"))
    return Stamps(codes["stamp"].to_numpy(), local=has_clock and not aware)
