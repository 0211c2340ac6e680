"""The forecaster as a whole: it learns what can be learned, says the same twice, and refuses what it cannot do."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from series import learn, seasonal_frame

from recurra.data.tables import read_table
from recurra.errors import DataError, SettingsError
from recurra.tasks.forecasting import Forecasting
from recurra.tasks.forecasting.scores import score
from recurra.tasks.forecasting.task import ForecastingTask
from recurra.training.loop import fit, seeded
from recurra.training.options import TrainingOptions

VARIANTS = {
    "direct": {},
    "segments": {"decoder": "segments", "segment": 5, "context": 20},
    "autoregressive": {"decoder": "autoregressive", "head": "student-t", "samples": 50},
    "bidirectional": {"encoder": {"bidirectional": True}},
    "gru": {"encoder": {"cell": "gru"}},
    "layer norm": {"encoder": {"layer_norm": True}},
    "series": {"unit": "series", "transform": "none"},
}


def trained(task: ForecastingTask, series, steps: int = 60) -> torch.nn.ModuleList:
    with seeded(0):
        model = task.build_model()
    split = task.split(series)
    options = TrainingOptions(steps=steps, batch_size=32, learning_rate=0.01)
    for member in model:
        fit(member, split.training, task.loss, options)
    return model


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_learns_a_pattern_that_the_naive_methods_miss(variant):
    """Promotions lift sales and are known ahead: no naive method sees them."""
    encoder = {"hidden_size": 24, **VARIANTS[variant].get("encoder", {})}
    task, series = learn(future=("promotion",), **{**VARIANTS[variant], "encoder": encoder})
    scores = score(task.backtest_series(trained(task, series), series, 4, 5))
    assert scores.skill["mae"].value > 0.3


def test_paths_of_the_autoregressive_decoder_are_drawn_the_same_every_time():
    task, _series = learn(decoder="autoregressive", head="normal", samples=20)
    model = task.build_model().eval()
    frames = [task.predict(model, seasonal_frame()) for _ in range(2)]
    assert frames[0].equals(frames[1])


def test_dimensions_and_names_of_a_prediction():
    frame = seasonal_frame()
    task, _series = learn(frame, future=("promotion",), past=("weather",), static=("colour",))
    known = frame.with_columns(
        sales=pl.when(pl.col("day") > pl.date(2020, 7, 13)).then(None).otherwise("sales"),
    )
    out = task.predict(task.build_model().eval(), known)
    assert out.columns == ["shop", "day", "point", "q0.1", "q0.5", "q0.9"]
    assert out.height == 10
    assert out["day"].min().isoformat().startswith("2020-07-14")
    assert (out["point"] == out["q0.5"]).all()


def test_future_covariates_must_reach_as_far_as_the_forecast():
    task, _ = learn(future=("promotion",))
    with pytest.raises(DataError, match="must be known for 5 steps"):
        task.predict(task.build_model().eval(), seasonal_frame())


def test_members_are_averaged():
    task, series = learn(members=2)
    both = task.build_model().eval()
    single = replace(task, settings=Forecasting(time="day", target="sales", series="shop", horizon=5))
    logs = [np.log(single.backtest_series(torch.nn.ModuleList([m]), series, 1, 5).point) for m in both]
    np.testing.assert_allclose(
        np.log(task.backtest_series(both, series, 1, 5).point), np.mean(logs, axis=0), rtol=1e-10
    )


def test_the_task_goes_through_json_and_comes_back():
    frame = seasonal_frame()
    task, _series = learn(frame, future=("promotion",), past=("weather",), static=("colour",))
    again = Forecasting.restore(json.loads(json.dumps(task.to_dict())))
    assert again == task
    model = task.build_model().eval()
    assert again.evaluate(model, frame).to_dict() == task.evaluate(model, frame).to_dict()


def test_training_validation_and_test_do_not_overlap():
    task, series = learn(seasonal_frame(steps=400))
    choices = task.choices
    assert choices.validation > 0
    assert choices.test > 0
    split = task.split(series)
    last = max(int(o) for o in split.training.origin) + task.settings.horizon
    assert last == 400 - choices.validation - choices.test
    assert split.everything is None


def test_short_series_are_scored_once_and_trained_again_on_everything():
    task, series = learn(seasonal_frame(steps=40))
    split = task.split(series)
    assert (task.choices.validation, task.choices.test) == (0, 5)
    assert int(split.training.origin.max()) == 30
    assert int(split.everything.origin.max()) == 35


def test_a_cycle_of_the_calendar_must_have_been_seen_twice():
    one_year, _ = learn(seasonal_frame(steps=400))
    three_years, _ = learn(seasonal_frame(steps=1100))
    assert not any("year" in name for name in one_year.choices.calendar)
    assert any("year" in name for name in three_years.choices.calendar)


def test_several_targets_are_series_of_their_own():
    frame = seasonal_frame(series=1).drop("shop", "weather", "colour")
    settings = Forecasting(time="day", target=("sales", "promotion"), horizon=5)
    task, series = ForecastingTask.learn(settings, read_table(frame))
    assert series.names == ("sales", "promotion")
    assert task.choices.identities == ("sales", "promotion")
    assert task.predict(task.build_model().eval(), frame)["series"].unique().sort().to_list() == ["promotion", "sales"]


def test_a_series_that_is_too_short_is_named():
    frame = seasonal_frame(steps=30)
    with pytest.raises(DataError, match=r"must have 55 steps .* 2 of 2 are shorter: shop 0 \(30\), shop 1 \(30\)"):
        learn(frame, context=50)


def test_positive_targets_only_where_the_logarithm_was_learned():
    task, _ = learn()
    broken = seasonal_frame().with_columns(
        sales=pl.col("sales") * pl.when(pl.col("day") == pl.date(2020, 1, 3)).then(0).otherwise(1)
    )
    with pytest.raises(DataError, match=r"row 3\] .*positive targets only"):
        task.predict(task.build_model().eval(), broken)


def test_settings_that_contradict_each_other_are_refused():
    needed = {"time": "t", "target": "y", "horizon": 2}
    with pytest.raises(SettingsError, match=r"levels must hold 0.5"):
        Forecasting(**needed, levels=(0.1, 0.9))
    with pytest.raises(SettingsError, match=r"must rise"):
        Forecasting(**needed, levels=(0.9, 0.5))
    with pytest.raises(SettingsError, match=r"reads? forwards only"):
        Forecasting(**needed, decoder="autoregressive", head="normal", encoder={"bidirectional": True})
    with pytest.raises(SettingsError, match=r"known of the past only"):
        Forecasting(**needed, decoder="autoregressive", head="normal", past="rain")


def test_the_profile_is_of_the_season_that_repeats_best():
    hours = np.arange(24 * 7 * 12)
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(hours))
    daily, weekend = np.sin(2 * np.pi * hours / 24), 3.0 * (hours // 24 % 7 >= 5)
    time = np.datetime64("2020-01-06T00", "us") + hours.astype("timedelta64[h]")
    for pattern, season in ((daily + noise, 24), (daily + weekend + noise, 168)):
        table = read_table(pl.DataFrame({"hour": time, "load": pattern}))
        task, _ = ForecastingTask.learn(Forecasting(time="hour", target="load", horizon=24), table)
        assert task.season == season
        assert task.choices.seasons == (24, 168)
