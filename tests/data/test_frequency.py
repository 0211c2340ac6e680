"""Frequencies: inferred from grids that pandas or numpy made, and round trips through positions and text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.calendar import calendar_features, calendar_names
from recurra.data.frequency import MICROSECONDS, MONTHS, Frequency, infer_frequency
from recurra.errors import DataError, SettingsError

FREQUENCIES = st.one_of(
    st.builds(Frequency, st.integers(1, 90), st.sampled_from([*MICROSECONDS, "step"])),
    st.builds(Frequency, st.integers(1, 5), st.sampled_from(list(MONTHS)), st.integers(1, 31)),
    st.just(Frequency(1, "business day")),
)
START = np.datetime64("2012-01-02T06:30", "us")


def grid(frequency: Frequency, steps: np.ndarray) -> np.ndarray:
    first = np.int64(17) if frequency.unit == "step" else START
    return frequency.after(frequency.after(first, 0), steps)


@settings(deadline=None)
@given(frequency=FREQUENCIES, steps=st.lists(st.integers(0, 300), min_size=2, max_size=20, unique=True))
def test_positions_undo_steps(frequency: Frequency, steps: list[int]) -> None:
    times = grid(frequency, np.sort(np.array(steps)))
    assert (np.diff(frequency.position(times)) == np.diff(np.sort(steps))).all()
    assert frequency.on_grid(times, times[:1].repeat(len(times))).all()
    assert Frequency.parse(str(frequency)) == frequency


@pytest.mark.parametrize(
    ("alias", "expected", "seasons"),
    [
        ("s", "second", (3600,)),
        ("min", "minute", (1440, 10080)),
        ("30min", "30 minutes", (48, 336)),
        ("h", "hour", (24, 168)),
        ("D", "day", (7, 365)),
        ("B", "business day", (5,)),
        ("W-SUN", "week", (52,)),
        ("2W-SUN", "2 weeks", (26,)),
        ("MS", "month", (12,)),
        ("ME", "month (last day)", (12,)),
        ("QS", "quarter", (4,)),
        ("QE", "quarter (last day)", (4,)),
        ("YS", "year", (1,)),
        ("YE", "year (last day)", (1,)),
        ("28D", "4 weeks", (13,)),
        ("250ms", "250 milliseconds", (14400,)),
    ],
)
@pytest.mark.parametrize("holes", [False, True])
def test_grids_of_pandas(alias: str, expected: str, seasons: tuple[int, ...], holes: bool) -> None:
    pandas = pytest.importorskip("pandas")
    times = pandas.date_range("2011-02-27 05:00", periods=60, freq=alias).to_numpy().astype("datetime64[us]")
    seen = np.delete(times, [3, 17, 18]) if holes else times
    found = infer_frequency(seen, np.array([0, len(seen)]), ("y",))
    assert str(found) == expected
    assert found.seasons == seasons
    assert (found.after(times[0], np.arange(60)) == times).all()


def test_integers() -> None:
    years = np.arange(1700, 2000, 10)
    assert infer_frequency(years, np.array([0, 30]), ("y",)) == Frequency(10, "step")


def test_series_of_other_frequency_are_named() -> None:
    daily = START + np.arange(50) * np.timedelta64(1, "D")
    weekly = START + np.arange(10) * np.timedelta64(7, "D")
    with pytest.raises(DataError, match="'weekly' comes every week and most every day"):
        infer_frequency(np.concatenate([daily, weekly]), np.array([0, 50, 60]), ("daily", "weekly"))
    months = np.arange("2000-01", "2010-01", dtype="datetime64[M]").astype("datetime64[us]")
    with pytest.raises(DataError, match="'b' comes every quarter and most every month"):
        infer_frequency(np.concatenate([months, months[::3]]), np.array([0, 120, 160]), ("a", "b"))


def test_a_series_with_gaps_is_not_another_frequency() -> None:
    daily = START + np.arange(50) * np.timedelta64(1, "D")
    both = np.concatenate([daily, daily[[0, 7]]])
    assert infer_frequency(both, np.array([0, 50, 52]), ("a", "b")) == Frequency(1, "day")


def test_one_row_tells_no_frequency() -> None:
    with pytest.raises(DataError, match="--frequency"):
        infer_frequency(np.array([START]), np.array([0, 1]), ("a",))
    with pytest.raises(SettingsError, match="Did you mean 'hour'"):
        Frequency.parse("hhour")


@pytest.mark.parametrize("text", ["", "0 days", "month (day 32)", "month (day 0)", "hour (day 3)", "9" * 30 + " days"])
def test_no_frequency(text: str) -> None:
    with pytest.raises(SettingsError, match="a frequency reads like"):
        Frequency.parse(text)


@settings(deadline=None)
@given(frequency=FREQUENCIES)
def test_calendar_features_have_their_names_and_range(frequency: Frequency) -> None:
    times = grid(frequency, np.arange(200))
    values = calendar_features(times, frequency, None)
    assert values.dtype == np.float32
    assert values.shape == (200, len(calendar_names(frequency)))
    assert (np.abs(values) <= 1).all()
    pairs = values.reshape(200, -1, 2)
    np.testing.assert_allclose((pairs**2).sum(axis=-1), 1, rtol=1e-5)


def test_calendar_features_against_python() -> None:
    frequency = Frequency(1, "hour")
    times = START + np.arange(24 * 400) * np.timedelta64(1, "h")
    values = calendar_features(times, frequency, None)
    angles = np.array(
        [
            (m.hour * 60 + m.minute, 1440, m.weekday(), 7, m.timetuple().tm_yday - 1, 366 if m.year % 4 == 0 else 365)
            for m in times.tolist()
        ],
        dtype=float,
    )
    shares = 2 * np.pi * angles[:, ::2] / angles[:, 1::2]
    expected = np.stack([np.sin(shares), np.cos(shares)], axis=-1).reshape(len(times), -1)
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_calendar_in_a_time_zone() -> None:
    frequency = Frequency(1, "hour")
    utc = np.array(["2012-07-01T10:00"], dtype="datetime64[us]")
    noon = calendar_features(utc, frequency, "Europe/Vienna")[0, :2]
    np.testing.assert_allclose(noon, [0, -1], atol=1e-6)
    day = Frequency(1, "day")
    assert (calendar_features(utc, day, "Europe/Vienna") == calendar_features(utc, day, None)).all()
