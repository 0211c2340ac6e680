"""Forecasts of streams: after each row what ``predict`` says of the rows so far."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from series import seasonal_frame

import recurra
from recurra.bundle import Bundle
from recurra.data.tables import read_table
from recurra.errors import BundleError, DataError
from recurra.tasks.forecasting.live import reach
from tolerances import TOLERANCES

RTOL, ATOL = TOLERANCES["value"][torch.float32]
HORIZON = 3
STATIC, FUTURE = ("colour",), ("promotion",)
FORMS: dict[str, dict[str, Any]] = {
    "direct": {},
    "two layers, members": {"encoder": {"layers": 2, "layer_norm": True}, "members": 2},
    "bidirectional": {"encoder": {"bidirectional": True, "cell": "gru"}},
    "segments": {"decoder": "segments", "segment": 2, "context": 8},
    "autoregressive": {"decoder": "autoregressive", "head": "student-t", "samples": 20, "past": ()},
    "future covariates": {"future": FUTURE},
    "no season": {"season": 1},
    "in units of the series": {"unit": "series", "transform": "none"},
}


def untrained(frame: Any, **given: Any) -> Bundle:
    torch.manual_seed(0)
    encoder = recurra.Encoder(**{"hidden_size": 8, **given.pop("encoder", {})})
    task, _ = recurra.Forecasting(horizon=HORIZON, encoder=encoder, **given).learn(read_table(frame))
    return Bundle(task, task.build_model())


def of_shops(**given: Any) -> Bundle:
    columns = {"time": "day", "target": "sales", "series": "shop", "past": ("weather",), "static": STATIC}
    return untrained(seasonal_frame(), **{**columns, **given})


def rows_of(frame: pl.DataFrame, shop: str = "shop 1") -> list[dict[str, Any]]:
    """The rows as somebody would send them, with what is known of the next steps."""
    one = frame.filter(pl.col("shop") == shop).with_columns(pl.col("day").cast(pl.Date).cast(pl.String))
    rows = one.to_dicts()
    for place, row in enumerate(rows):
        row["ahead"] = [{"promotion": later["promotion"]} for later in rows[place + 1 : place + 1 + HORIZON]]
    return rows[:-HORIZON]


def predicted(bundle: Bundle, frame: pl.DataFrame, steps: int, shop: str = "shop 1") -> list[dict[str, Any]]:
    one = frame.filter(pl.col("shop") == shop).head(steps + (HORIZON if bundle.task.settings.future else 0))
    known = pl.when(pl.int_range(pl.len()) < steps).then(pl.col("sales"))
    return bundle.predict(one.with_columns(known.alias("sales"))).to_dicts()


def assert_same(forecast: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert [list(row) for row in forecast] == [list(row) for row in expected]
    for got, want in zip(forecast, expected, strict=True):
        assert str(got.pop("day")) == str(want.pop("day"))
        np.testing.assert_allclose(list(got.values()), list(want.values()), rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("form", FORMS)
def test_after_each_row_the_forecast_is_that_of_predict(form):
    bundle, frame = of_shops(**FORMS[form]), seasonal_frame(40)
    session = recurra.Session(bundle)
    shortest = bundle.task.choices.shortest
    for steps, row in enumerate(rows_of(frame), start=1):
        answer = session.feed(row)
        if steps < shortest:
            assert answer == {"forecast": [], "steps_to_go": shortest - steps, "unknown": []}
        else:
            assert_same(answer["forecast"], predicted(bundle, frame, steps))
    assert json.loads(json.dumps(answer)) == answer


def test_of_a_long_stream_only_the_last_rows_count():
    bundle, frame = of_shops(context=10), seasonal_frame(150)
    kept = reach(bundle.task)
    assert kept < 100
    session = recurra.Session(bundle)
    rows = rows_of(frame)
    sizes = []
    for row in rows:
        answer = session.feed(row)
        sizes.append(len(session.save()))
    last = frame.filter(pl.col("shop") == "shop 1").slice(len(rows) - kept, kept)
    assert_same(answer["forecast"], bundle.predict(last).to_dicts())
    assert max(sizes) - min(sizes) <= 8, "what is kept must not grow"


@pytest.mark.parametrize("number", [5, 60])
def test_a_restored_session_goes_on(number):
    bundle, rows = of_shops(), rows_of(seasonal_frame(80))
    session = recurra.Session(bundle)
    for row in rows[:number]:
        session.feed(row)
    again = recurra.Session.restore(bundle, session.save())
    assert [again.feed(row) for row in rows[number:]] == [session.feed(row) for row in rows[number:]]


def test_several_targets_are_forecast_together():
    steps = list(range(60))
    data = {"t": steps, "a": [float(i % 5) + 1 for i in steps], "b": [float(i % 3) - 1 for i in steps]}
    bundle = untrained(data, time="t", target=("a", "b"))
    session = recurra.Session(bundle)
    for row in pl.DataFrame(data).to_dicts():
        answer = session.feed(row)
    last = pl.DataFrame(data).tail(reach(bundle.task))
    expected = bundle.predict(last).to_dicts()
    assert [(row["series"], row["t"]) for row in answer["forecast"]] == [(row["series"], row["t"]) for row in expected]
    for got, want in zip(answer["forecast"], expected, strict=True):
        assert got["q0.9"] == pytest.approx(want["q0.9"], rel=RTOL, abs=ATOL)


def test_local_times_go_through_the_double_hour():
    """In Vienna 02:00 came twice on 28 October 2012, and 02:00 never on 25 March."""
    zone = {"reading": recurra.Reading(time_zone="Europe/Vienna")}
    start = datetime(2012, 6, 1)
    data = {"t": [start + timedelta(hours=h) for h in range(200)], "x": [float(h % 24) for h in range(200)]}
    bundle = untrained(data, time="t", target="x", **zone)
    session = recurra.Session(bundle)
    for clock in ("00:00", "01:00", "02:00", "02:00", "03:00"):
        session.feed({"t": f"2012-10-28 {clock}", "x": 1.0})
    with pytest.raises(DataError, match="must exist in Europe/Vienna"):
        recurra.Session(bundle).feed({"t": "2012-03-25 02:00", "x": 1.0})


def wrong(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, str]]:
    right = rows[20]
    return {
        "not a number": (right | {"sales": float("nan")}, "'sales'.*finite"),
        "infinite": (right | {"sales": float("inf")}, "'sales'.*finite"),
        "huge": (right | {"sales": 10**400}, "'sales'.*finite"),
        "a text": (right | {"sales": "3"}, "'sales'.*finite"),
        "null": (right | {"sales": None}, "'sales'.*none did"),
        "not positive": (right | {"sales": -1.0}, "positive targets only"),
        "without a column": ({k: v for k, v in right.items() if k != "weather"}, "'weather'.*no such column"),
        "time going back": (right | {"day": rows[18]["day"]}, "time must go on"),
        "the same time": (right | {"day": rows[19]["day"]}, "time must go on"),
        "a gap": (rows[22], "a gap must be filled"),
        "no time": (right | {"day": 17}, "'day'.*a time must come"),
        "a number as text for a time": (right | {"day": "17"}, "'day'.*a time must come"),
        "nonsense for a time": (right | {"day": "tomorrow"}, "'day'"),
        "another series": (right | {"shop": "shop 0"}, "one series"),
        "another static value": (right | {"colour": "red"}, "colour must be the same"),
        "nothing ahead": ({k: v for k, v in right.items() if k != "ahead"}, "'ahead'.*list of 3 objects"),
        "too little ahead": (right | {"ahead": right["ahead"][1:]}, "'ahead'.*2 did"),
        "no object": ([1, 2, 3], "must be an object"),
    }


def test_a_wrong_row_is_refused_and_leaves_the_session_as_it_was():
    bundle, rows = of_shops(future=FUTURE), rows_of(seasonal_frame(40))
    session = recurra.Session(bundle)
    for row in rows[:20]:
        session.feed(row)
    before = session.save()
    for name, (row, message) in wrong(rows).items():
        with pytest.raises(DataError, match=message):
            session.feed(row)
        assert session.save() == before, name
    assert session.feed(rows[20])["forecast"]


def test_a_category_that_is_not_known_is_said():
    bundle, rows = of_shops(), rows_of(seasonal_frame(40))
    assert recurra.Session(bundle).feed(rows[0] | {"weather": "hail"})["unknown"] == ["weather"]


def test_a_forged_state_is_refused():
    bundle, rows = of_shops(), rows_of(seasonal_frame(40))
    session = recurra.Session(bundle)
    for row in rows[:9]:
        session.feed(row)
    state = session._live.state
    cases = {
        "categories of 'weather'": state | {"past": state["past"] + 7},
        "rows at most": state | {"count": torch.tensor([10**6])},
        "one step of day apart": state | {"time": state["time"] * 2},
    }
    for message, forged in cases.items():
        with pytest.raises(ValueError, match=message):
            recurra.Session(bundle)._live.restore(forged)
    session._live.restore(state)
    body = recurra.Session(bundle).save()
    with pytest.raises(BundleError):
        recurra.Session.restore(bundle, body[:-1])
