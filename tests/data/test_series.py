"""Series: values against plain Python and pandas, every refusal and every setting that lifts it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.covariates import Covariate
from recurra.data.filling import fill_missing, last_present
from recurra.data.series import Columns, Reading, SeriesSet, read_series
from recurra.data.tables import read_table
from recurra.errors import DataError, SettingsError

NAN = float("nan")


def days(count: int, start: str = "2012-01-01") -> list[str]:
    return np.datetime_as_string(np.datetime64(start) + np.arange(count)).tolist()


def read(columns: dict[str, Any], reading: Reading | None = None, **options: Any) -> SeriesSet:
    roles = {"time": "t", "target": "y", **{key: options.pop(key) for key in list(options) if key in ROLES}}
    return read_series(read_table(columns), Columns(**roles), reading, **options)


ROLES = ("time", "target", "series", "past", "future", "static")
FLOATS = st.one_of(st.just(NAN), st.floats(-1e6, 1e6))


# Filling, against pandas


@settings(deadline=None)
@given(
    parts=st.lists(st.lists(FLOATS, min_size=1, max_size=8), min_size=1, max_size=4),
    method=st.sampled_from(["forward", "linear"]),
)
def test_filling_agrees_with_pandas(parts: list[list[float]], method: str) -> None:
    pandas = pytest.importorskip("pandas")
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    values = np.concatenate(parts)
    inner, outer = (fill_missing(values, starts, method, outside=outside) for outside in (False, True))  # type: ignore[arg-type]
    for s, part in enumerate(parts):
        series = pandas.Series(part, dtype=float)
        between = series.interpolate(limit_area="inside") if method == "linear" else series.ffill()
        between = between.where(series[::-1].notna().cummax()[::-1])  # nothing after the last value
        np.testing.assert_allclose(inner[starts[s] : starts[s + 1]], between, rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(outer[starts[s] : starts[s + 1]], between.ffill().bfill(), rtol=1e-9, atol=1e-6)
        last = series.last_valid_index()
        assert last_present(values, starts)[s] == (0 if last is None else last + 1)


def test_filling_with_zero() -> None:
    values, starts = np.array([NAN, 1, NAN, 2, NAN]), np.array([0, 5])
    assert fill_missing(values, starts, "zero", outside=True).tolist() == [0, 1, 0, 2, 0]
    np.testing.assert_equal(fill_missing(values, starts, "zero", outside=False), [NAN, 1, 0, 2, NAN])


# Layout


@settings(deadline=None, max_examples=50)
@given(lengths=st.lists(st.integers(2, 6), min_size=1, max_size=5), seed=st.integers(0, 1000))
def test_interleaved_series_come_out_whole(lengths: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    ids = random.permutation(np.repeat(np.arange(len(lengths)), lengths))
    place = [int((ids[:i] == ids[i]).sum()) for i in range(len(ids))]
    values = random.normal(size=len(ids))
    series = read({"id": [f"s{i}" for i in ids], "t": place, "y": values}, series="id")
    assert str(series.frequency) == "step"
    for s, name in enumerate(series.names):
        mine = ids == int(name[1:])
        assert series.target[series.rows(s)].tolist() == values[mine].tolist()
        assert series.source_row[series.rows(s)].tolist() == np.flatnonzero(mine).tolist()
    assert list(series.names) == list(dict.fromkeys(f"s{i}" for i in ids))


def test_several_targets_are_series_of_their_own() -> None:
    table = {
        "id": ["a", "a", "b", "b"],
        "t": [1, 2, 1, 2],
        "y": [1, 2, 3, 4.0],
        "z": [5, 6, 7, 8.0],
        "p": [1, 2, 3, 4.0],
    }
    series = read(table, target=["y", "z"], series="id", past="p")
    assert series.names == ("a/y", "a/z", "b/y", "b/z")
    assert series.target.tolist() == [1, 2, 5, 6, 3, 4, 7, 8]
    assert series.past[:, 0].tolist() == [1, 2, 1, 2, 3, 4, 3, 4]
    assert read(table | {"t": [1, 2, 3, 4]}, target=["y", "z"]).names == ("y", "z")


def test_known_future_rows_need_no_setting() -> None:
    series = read(
        {"t": days(5), "y": [1, 2, 3, None, None], "f": [1, 2, 3, 4, 5.0], "p": [1, 2, 3, None, None]},
        future="f",
        past="p",
    )
    assert series.observed.tolist() == [3]
    np.testing.assert_equal(series.target, [1, 2, 3, NAN, NAN])
    np.testing.assert_equal(series.past[:, 0], [1, 2, 3, NAN, NAN])
    assert series.notices == ("2 rows without y at the end of 1 series: taken as known future",)
    series.require_future(2)
    with pytest.raises(DataError, match=r"row 5.*for 3 steps.*'y \(2\)'.*\(f\)"):
        series.require_future(3)


def test_slicing() -> None:
    table = {"id": ["a"] * 4 + ["b"] * 3, "t": [1, 2, 3, 4, 2, 3, 4], "y": [1, 2, 3, 4, 5, 6, 7.0]}
    series = read(table, series="id")
    hidden = series.drop_last(np.array([1, 2]))
    assert hidden.observed.tolist() == [3, 1]
    np.testing.assert_equal(hidden.target, [1, 2, 3, NAN, 5, NAN, NAN])
    np.testing.assert_equal(series.until(3).target, [1, 2, 3, NAN, 5, 6, NAN])
    recent = hidden.history(2)
    np.testing.assert_equal(recent.target, [2, 3, NAN, 5, NAN, NAN])
    assert recent.time.tolist() == [2, 3, 4, 2, 3, 4]
    assert recent.observed.tolist() == [2, 1]
    other = series.select([1, 0])
    assert (other.names, other.starts.tolist(), other.target.tolist()) == (("b", "a"), [0, 3, 7], [5, 6, 7, 1, 2, 3, 4])
    assert series.select(np.array([False, True])).names == ("b",)


# Gaps and empty cells


@pytest.mark.parametrize(
    ("fill", "target", "past"),
    [
        ("mask", [1, NAN, NAN, 4], [10, 10, 10, 40]),
        ("forward", [1, 1, 1, 4], [10, 10, 10, 40]),
        ("linear", [1, 2, 3, 4], [10, 20, 30, 40]),
        ("zero", [1, 0, 0, 4], [10, 0, 0, 40]),
    ],
)
def test_gaps(fill: Any, target: list[float], past: list[float]) -> None:
    table = {"t": ["2012-01-01", "2012-01-04", "2012-01-05"], "y": [1, 4, 5.0], "p": [10, 40, 50.0]}
    options: dict[str, Any] = {"past": "p"}
    with pytest.raises(
        DataError, match=r"row 2, column 't'.*came after 2012-01-01 \(row 1\).*2 missing in 1 gap.*--fill"
    ):
        read(table, Reading(frequency="day"), **options)
    series = read(table, Reading(fill=fill, frequency="day"), **options)
    np.testing.assert_equal(series.target, [*target, 5])
    np.testing.assert_equal(series.past[:, 0], [*past, 50])
    assert series.source_row.tolist() == [0, -1, -1, 1, 2]
    assert series.step_name(1) == "the filled step 2012-01-02"
    assert series.notices[0].startswith("2 missing steps in 1 gap of 1 series")


def test_empty_and_infinite_targets() -> None:
    empty = {"t": days(4), "y": [1, None, 3, 5.0]}
    infinite = {"t": days(4), "y": [1, np.inf, 3, 5.0]}
    for table in (empty, infinite):
        with pytest.raises(DataError, match=r"row 2, column 'y'.*--mask-missing"):
            read(table)
        masked = read(table, Reading(mask_missing=True))
        np.testing.assert_equal(masked.target, [1, NAN, 3, 5])
        assert masked.notices[0].endswith("left out of the loss")
    assert read(empty, Reading(fill="linear")).target.tolist() == [1, 2, 3, 5]
    both = read(empty, Reading(fill="linear", mask_missing=True))  # the mask is for cells, the filling for rows
    np.testing.assert_equal(both.target, [1, NAN, 3, 5])


# Refusals


def test_roles_and_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="'y' came as target and past"):
        Columns(time="t", target="y", past="y")
    with pytest.raises(SettingsError, match="past twice"):
        Columns(time="t", target="y", past=["p", "p"])
    with pytest.raises(DataError, match=r"column 'Y'.*Did you mean 'y'"):
        read({"t": days(2), "y": [1, 2]}, target="Y")


def test_backwards_and_newest_first() -> None:
    newest = {"t": days(4)[::-1], "y": [4, 3, 2, 1.0]}
    with pytest.raises(DataError, match=r"row 2.*newest first: use --sort"):
        read(newest)
    series = read(newest, Reading(sort=True))
    assert series.target.tolist() == [1, 2, 3, 4]
    assert series.source_row.tolist() == [3, 2, 1, 0]


def test_duplicates_suggest_the_series_column() -> None:
    table = {"t": days(4) * 2, "y": np.arange(8.0), "shop": ["a"] * 4 + ["b"] * 4, "n": np.arange(8)}
    with pytest.raises(DataError, match=r"row 5.*--series 'shop'"):
        read(table)
    with pytest.raises(DataError, match=r"row 3.*came before at row 2"):
        read({"t": ["2012-01-01", "2012-01-02", "2012-01-02"], "y": [1, 2, 3.0]})


def test_irregular_steps_name_their_rows() -> None:
    times = ["2012-01-01 00:00", "2012-01-01 01:00", "2012-01-01 02:00", "2012-01-01 02:45"]
    with pytest.raises(DataError, match=r"row 4, column 't'.*every hour, 2012-01-01 02:45 \(row 4\) came after"):
        read({"t": times, "y": [1, 2, 3, 4.0]})
    compact = {"t": [20120130, 20120131, 20120201], "y": [1, 2, 3.0]}
    with pytest.raises(DataError, match=r"row 1, column 't'.*--time-format %Y%m%d"):
        read(compact)
    assert str(read(compact, Reading(time_format="%Y%m%d")).frequency) == "day"
    with pytest.raises(DataError, match=r"missing before 3012"):
        read({"t": ["2012-01-01", "2012-01-02", "3012-01-03"], "y": [1, 2, 3.0]}, Reading(fill="forward"))


def test_clock_changes_are_explained() -> None:
    hours = np.arange("2012-10-27T22", "2012-10-28T06", dtype="datetime64[h]")
    double = np.sort(np.append(hours, np.datetime64("2012-10-28T02"))).astype("datetime64[us]")
    table = {"t": double, "y": np.arange(9.0)}
    with pytest.raises(DataError, match=r"Clocks were changed.*--time-zone"):
        read(table)
    series = read(table, Reading(time_zone="Europe/Vienna"))
    assert (np.diff(series.time) == np.timedelta64(1, "h")).all()
    spring = {"t": np.delete(np.arange("2012-03-25", "2012-03-26", dtype="datetime64[h]"), 2).astype("datetime64[us]")}
    with pytest.raises(DataError, match=r"Clocks were changed.*--fill"):
        read(spring | {"y": np.arange(23.0)})


def test_days_of_a_zone_written_in_utc() -> None:
    local = pl.Series("t", np.arange("2012-03-20", "2012-03-30", dtype="datetime64[D]")).cast(pl.Datetime("us"))
    texts = local.dt.replace_time_zone("Europe/Vienna").dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    table = {"t": texts, "y": np.arange(10.0)}
    with pytest.raises(DataError, match=r"--time-zone"):
        read(table)
    series = read(table, Reading(time_zone="Europe/Vienna"))
    assert str(series.frequency) == "day"
    assert series.time.tolist() == local.to_list()


def test_short_and_constant_series() -> None:
    table = {
        "id": ["a"] * 5 + ["b"] * 2 + ["c"] * 5,
        "t": [*range(5), *range(2), *range(5)],
        "y": [*range(7), *[3.0] * 5],
    }
    with pytest.raises(DataError, match=r"at least 4 steps.*1 of 3 have fewer: 'b \(2\)'.*--skip-short"):
        read(table, series="id", minimum_length=4)
    with pytest.raises(DataError, match=r"1 of 2 series never do: 'c \(always 3\)'.*--allow-constant"):
        read(table, Reading(skip_short=True), series="id", minimum_length=4)
    series = read(table, Reading(skip_short=True, allow_constant=True), series="id", minimum_length=4)
    assert series.names == ("a", "c")
    assert series.notices == ("1 of 3 series shorter than 4 steps were left out: 'b (2)'",)
    learned = {"past": (), "future": (), "static": ()}
    assert len(read(table, series="id", covariates=learned)) == 3  # a constant history can still be forecast


def test_a_frequency_that_was_learned_must_suit() -> None:
    daily = read({"t": days(5), "y": np.arange(5.0)})
    weekly = {"t": np.datetime64("2012-01-01") + np.arange(5) * 7, "y": np.arange(5.0)}
    with pytest.raises(DataError, match="every day"):
        read(weekly, frequency=daily.frequency)
    with pytest.raises(DataError, match=r"suit the frequency day, integers came"):
        read({"t": [1, 2], "y": [1, 2.0]}, frequency=daily.frequency)
    assert read({"t": ["2012-01-31"], "y": [1.0]}, Reading(frequency="month"), covariates={}).frequency.day == 31


# Covariates


def test_covariates_are_learned_and_applied() -> None:
    table = {
        "id": ["a", "a", "b", "b"],
        "t": [1, 2, 1, 2],
        "y": [1, 2, 3, 4.0],
        "sky": ["sun", "fog", "sun", "rain"],
        "open": ["TRUE", "FALSE", "true", "False"],
        "warm": ["1.5", "2.5", "3.5", "4.5"],
        "kind": ["x", "x", "w", "w"],
        "size": [7, 7, 9, 9],
    }
    roles: dict[str, Any] = {"series": "id", "past": ["sky", "warm"], "future": "open", "static": ["kind", "size"]}
    series = read(table, **roles)
    assert series.past.tolist() == [[3, 1.5], [1, 2.5], [3, 3.5], [2, 4.5]]
    assert series.future[:, 0].tolist() == [1, 0, 1, 0]
    assert series.static.tolist() == [[2, 7], [1, 9]]
    sky, warm = series.covariates["past"]
    assert sky == Covariate("sky", "categorical", ("fog", "rain", "sun"))
    assert (warm.mean, warm.scale) == (3.0, pytest.approx(np.std([1.5, 2.5, 3.5, 4.5])))
    plain = json.loads(json.dumps({role: [asdict(c) for c in specs] for role, specs in series.covariates.items()}))
    learned = {role: tuple(Covariate.from_dict(c) for c in specs) for role, specs in plain.items()}
    assert learned == dict(series.covariates)
    later = read(table | {"sky": ["snow", "fog", "sun", "hail"]}, covariates=learned, **roles)
    assert later.past[:, 0].tolist() == [0, 1, 3, 0]
    assert later.notices == ("2 values of sky not seen in training: taken as unknown",)


def test_scales_of_the_history_alone() -> None:
    table = {"t": days(6), "y": np.arange(6.0), "f": [1.0, 3, 1, 3, 100, 100], "c": ["a", "b"] * 3}
    series = read(table, future=["f", "c"])
    assert series.covariates["future"][0].mean > 30
    number, category = series.drop_last(2).rescaled().covariates["future"]
    assert (number.mean, number.scale) == (2.0, 1.0)
    assert category == series.covariates["future"][1]


@pytest.mark.parametrize(
    ("role", "column", "says"),
    [
        ("past", ["1", "2", "3", "hot"], "row 4, column 'c'.*'hot'"),
        ("past", ["1", "", "3", "4"], "row 2, column 'c'.*--fill"),
        ("future", ["1", "inf", "3", "4"], "row 2, column 'c'.*finite"),
        ("past", ["", "", "", ""], "column is empty"),
        ("static", ["1", "1", "2", "1"], "row 3, column 'c'.*changes here"),
        ("static", ["", "", "", ""], "column is empty"),
    ],
)
def test_covariates_that_are_refused(role: str, column: list[str], says: str) -> None:
    with pytest.raises(DataError, match=says):
        read({"t": days(4), "y": [1, 2, 3, 4.0], "c": column}, **{role: "c"})


def test_few_numbers_among_texts_are_categories_with_a_notice() -> None:
    series = read({"t": days(4), "y": [1, 2, 3, 4.0], "c": ["A1", "12", "A2", "A1"]}, past="c")
    assert series.covariates["past"][0].categories == ("12", "A1", "A2")
    assert series.notices == ("column 'c' is read as categories; 25% of them look like numbers",)


def test_rows_without_a_series_are_refused() -> None:
    for missing in (None, ""):
        with pytest.raises(DataError, match="row 2, column 'id'"):
            read({"id": ["a", missing, "a"], "t": [1, 2, 3], "y": [1.0, 2, 3]}, series="id")


# Real data


@pytest.mark.parametrize(
    ("name", "columns", "reading", "frequency", "steps"),
    [
        ("skforecast/vic_electricity.csv.gz", ("Time", "Demand"), {}, "30 minutes", 52608),
        ("etth1/ETTh1.csv.gz", ("date", "OT"), {}, "hour", 17420),
        ("vega_weather/seattle-weather.csv", ("date", "temp_max"), {}, "day", 1461),
        ("vega_weather/us-employment.csv", ("month", "private"), {}, "month", 120),
        ("darts_small/AirPassengers.csv", ("Month", "#Passengers"), {}, "month", 144),
        ("darts_small/ausbeer.csv", ("date", "Y"), {}, "quarter", 211),
        ("darts_small/us_gasoline.csv", ("Week", "Gasoline"), {"sort": True}, "week", 1578),
        ("darts_small/temps.csv", ("Date", "Daily minimum temperatures"), {"fill": "linear"}, "day", 3652),
        ("darts_small/taxi_new_york_passengers.csv", ("time", "#Passengers"), {}, "30 minutes", 10320),
        (
            "statsmodels_public_domain/co2.csv",
            ("date", "co2"),
            {"time_format": "%Y%m%d", "fill": "linear"},
            "week",
            2284,
        ),
        ("statsmodels_public_domain/nile.csv", ("year", "volume"), {}, "step", 100),
    ],
)
def test_public_data(
    shared_data: Path, name: str, columns: tuple[str, str], reading: dict[str, Any], frequency: str, steps: int
) -> None:
    pandas = pytest.importorskip("pandas")
    time, target = columns
    series = read_series(read_table(shared_data / name), Columns(time=time, target=target), Reading(**reading))
    assert str(series.frequency) == frequency
    assert len(series.time) == steps
    seen = series.source_row >= 0
    expected = pandas.read_csv(shared_data / name)[target].to_numpy()[series.source_row[seen]]
    known = ~np.isnan(expected)
    np.testing.assert_allclose(series.target[seen][known], expected[known], rtol=1e-12)
    assert np.isfinite(series.target).all()
