"""Time stamps: every form against Python's own calendar, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.tables import read_table
from recurra.data.times import Stamps, parse_times
from recurra.data.zones import check_zone, to_local, to_utc
from recurra.errors import DataError, SettingsError


def parse(texts: list[str], time_format: str | None = None) -> Stamps:
    table = read_table({"t": texts})
    return parse_times(table.frame["t"], table, time_format=time_format)


def days(*texts: str) -> list[str]:
    return [str(day) for day in np.array(texts, dtype="datetime64[D]")]


MOMENTS = st.lists(st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1)), min_size=1, max_size=5)


@settings(deadline=None)
@given(moments=MOMENTS)
def test_iso_datetimes_are_read_exactly(moments: list[datetime]) -> None:
    texts = [moment.isoformat(timespec="microseconds") for moment in moments]
    assert parse(texts).time.tolist() == moments
    assert parse(texts).local
    assert parse([text.replace("T", " ").replace("-", "/") for text in texts]).time.tolist() == moments


@settings(deadline=None)
@given(moments=MOMENTS, minutes=st.integers(-14 * 60, 14 * 60))
def test_offsets_are_converted_to_utc(moments: list[datetime], minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    texts = [moment.replace(tzinfo=zone, minute=1).isoformat(timespec="microseconds") for moment in moments]
    expected = [datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None) for text in texts]
    stamps = parse(texts)
    assert stamps.time.tolist() == expected
    assert not stamps.local


@settings(deadline=None)
@given(dates=st.lists(st.dates(date(1600, 1, 1), date(2300, 1, 1)), min_size=1, max_size=5))
def test_dates_in_several_forms(dates: list[date]) -> None:
    plain = [str(day) for day in dates]
    for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d"):
        assert parse([day.strftime(form) for day in dates]).time.astype("datetime64[D]").astype(str).tolist() == plain
    slashed = [day.strftime("%d/%m/%Y") for day in [*dates, date(2000, 1, 31)]]
    assert parse(slashed).time.astype("datetime64[D]").astype(str).tolist() == [*plain, "2000-01-31"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1949-01", "1949-12"], ["1949-01-01", "1949-12-01"]),
        (["2014Q1", "2014Q4"], ["2014-01-01", "2014-10-01"]),
        (["2014-Q2"], ["2014-04-01"]),
        (["1/13/1981", "1/2/1981"], ["1981-01-13", "1981-01-02"]),
        (["13.1.1981", "2.1.1981"], ["1981-01-13", "1981-01-02"]),
        (["2012-02-29T00:00Z"], ["2012-02-29"]),
        (["2012-07-01T00:00+10:00", "2012-12-01T00:00+11:00"], ["2012-07-01", "2012-12-01"]),
    ],
)
def test_other_forms(texts: list[str], expected: list[str]) -> None:
    assert parse(texts).time.astype("datetime64[D]").astype(str).tolist() == expected


def test_clocks_of_twelve_hours() -> None:
    times = parse(["1/31/2014 12:30 AM", "1/31/2014 1:05 AM", "1/31/2014 12:00 PM", "1/31/2014 3:00 PM"]).time
    assert [str(time)[11:16] for time in times] == ["00:30", "01:05", "12:00", "15:00"]


def test_integers_stay_integers() -> None:
    assert parse(["1975", "1976"]).time.dtype == np.int64
    table = read_table({"t": [3, 4]})
    assert parse_times(table.frame["t"], table).time.tolist() == [3, 4]


def test_native_columns() -> None:
    aware = pl.Series("t", [datetime(2012, 1, 1, 2)]).dt.replace_time_zone("Europe/Vienna")
    table = read_table(pl.DataFrame({"t": aware, "d": [date(2012, 1, 1)], "n": [datetime(2012, 1, 1, 2)], "f": [1.5]}))
    stamps = {name: parse_times(table.frame[name], table) for name in ("t", "d", "n")}
    assert [str(stamps[name].time[0])[:13] for name in "tdn"] == ["2012-01-01T01", "2012-01-01T00", "2012-01-01T02"]
    assert [stamps[name].local for name in "tdn"] == [False, False, True]
    with pytest.raises(DataError, match="Float64"):
        parse_times(table.frame["f"], table)


@pytest.mark.parametrize(
    ("texts", "time_format", "expected"),
    [
        (["19580329"], "%Y%m%d", "1958-03-29T00:00"),
        (["Mar 1958"], "%b %Y", "1958-03-01T00:00"),
        (["3.4.12 5h"], "%d.%m.%y %Hh", "2012-04-03T05:00"),
        (["2012-01-01 05:00 +0200"], "%Y-%m-%d %H:%M %z", "2012-01-01T03:00"),
    ],
)
def test_a_given_format(texts: list[str], time_format: str, expected: str) -> None:
    assert str(parse(texts, time_format).time[0])[:16] == expected


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["1/2/1981", "2/2/1981"], "both ways.*--time-format"),
        (["13/1/1981", "1/13/1981"], "row 2.*puts the day first"),
        (["2012-01-01", "2012/01/02"], "row 2.*alike"),
        (["2012-01/01"], "row 1.*alike"),
        (["2012-01-01 10:00", "2012-01-01T11:00"], "row 2.*alike"),
        (["2012-01-01T10:00Z", "2012-01-01T11:00"], "row 2.*alike"),
        (["1975", "1976-01"], "row 2.*alike"),
        (["2011-02-29"], "calendar"),
        (["2012-13-01"], "calendar"),
        (["2012-01-01 24:00"], "calendar"),
        (["2014Q5"], "calendar"),
        (["1/1/81"], "--time-format '%d/%m/%y'"),
        (["1/13/81"], "--time-format '%m/%d/%y'"),
        (["20120101T10"], "--time-format '%Y%m%dT%H'"),
        (["12:00"], "--time-format"),
        (["2012-01-01T10:00+25:00"], "within 18 hours"),
        (["Jan 2012"], "--time-format '%b %Y'"),
        (["2012-01-01", ""], "row 2.*none"),
        (["٢٠١٢-٠١-٠١"], "--time-format"),
    ],
)
def test_doubtful_times_are_refused(texts: list[str], says: str) -> None:
    with pytest.raises(DataError, match=says):
        parse(texts)


def test_a_wrong_format_names_the_row() -> None:
    with pytest.raises(DataError, match=r"row 2, column 't'.*'%Y%m%d'"):
        parse(["20120101", "2012-01-02"], "%Y%m%d")


def test_local_times_with_both_clock_changes() -> None:
    zone = "Europe/Vienna"
    utc = np.arange("2012-03-24", "2012-11-02", dtype="datetime64[h]").astype("datetime64[us]")
    local = np.array(
        [moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for moment in utc.tolist()],
        dtype="datetime64[us]",
    )
    two, twice = np.tile(local, 2), np.tile(utc, 2)
    begins = np.isin(np.arange(len(two)), [0, len(local)])
    assert (to_utc(two, zone, begins, str) == twice).all()
    assert (to_local(utc, zone) == local).all()


def test_an_hour_that_does_not_exist_is_refused() -> None:
    night = np.array(["2012-03-25T01:00", "2012-03-25T02:00"], dtype="datetime64[us]")
    with pytest.raises(DataError, match=r"\[row 1\].*put forward"):
        to_utc(night, "Europe/Vienna", np.array([True, False]), lambda row: f"row {row}")


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(SettingsError, match="Mars"):
        check_zone("Mars/Phobos")
