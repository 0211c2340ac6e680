"""Windows against the plainest computation of the same thing, one window at a time."""

import numpy as np
import pytest
import torch
from series import learn, seasonal_frame

from recurra.tasks.forecasting.origins import extend_future, last_origins, training_origins
from recurra.tasks.forecasting.windows import Windows


def test_values_are_seen_from_the_anchor_in_units_of_the_window():
    task, series = learn(transform="none", season=1, context=10)
    batch = Windows(task, series, np.array([1]), np.array([50])).batch(torch.tensor([0]))
    values = series.target[series.rows(1)]
    context, anchor = values[40:50], values[49]
    size = np.abs(values[:50] - values[:50].mean()).mean()
    unit = np.sqrt(np.mean((context - anchor) ** 2)) + 0.01 * size
    np.testing.assert_allclose(batch.past[0, :, 0], (context - anchor) / unit, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(batch.target[0], (values[50:55] - anchor) / unit, rtol=1e-5, atol=1e-5)
    assert batch.lengths is None
    assert batch.base.abs().max() == 0


def test_the_logarithm_is_taken_of_positive_targets_only():
    frame = seasonal_frame()
    assert learn(frame)[0].log
    assert not learn(frame.with_columns(sales=frame["sales"] - 22))[0].log
    assert not learn(frame, head="negative-binomial")[0].log


def test_a_window_near_the_beginning_is_padded_at_the_end():
    task, series = learn(season=1, context=10)
    windows = Windows(task, series, np.array([0, 0]), np.array([4, 30]))
    batch = windows.batch(torch.tensor([0, 1]))
    assert batch.lengths.tolist() == [4, 10]
    assert batch.past[0, 4:, :2].abs().max() == 0
    assert batch.past[0, :4, 1].tolist() == [1, 1, 1, 1]


def test_what_lies_outside_a_window_never_changes_it():
    """Neither another series nor the future of this one may leak into what the model reads."""
    frame = seasonal_frame()
    task, series = learn(frame, past=("weather",), future=("promotion",))
    before = Windows(task, series, np.array([1]), np.array([100])).batch(torch.tensor([0]))
    target = series.target.copy()
    target[series.rows(0)] *= 3
    target[series.starts[1] + 100 :] += 7
    past = series.past.copy()
    past[series.starts[1] + 100 :] = 0
    series.target[:], series.past[:] = target, past
    after = Windows(task, series, np.array([1]), np.array([100])).batch(torch.tensor([0]))
    for name in ("past", "known", "ahead", "base", "anchor", "unit", "static"):
        torch.testing.assert_close(getattr(before, name), getattr(after, name), msg=name)
    assert not torch.equal(before.target, after.target)


def test_the_season_of_a_pure_pattern_is_the_base():
    frame = seasonal_frame(noise=0.0)
    pattern = np.tile([1.0, 2.0, 5.0, 3.0, 2.0, 1.0, 0.0], 29)[:200]
    task, series = learn(frame.with_columns(sales=np.tile(pattern, 2)), transform="none")
    batch = Windows(task, series, np.array([0]), np.array([150])).batch(torch.tensor([0]))
    forecast = batch.base.double() * batch.unit + batch.anchor
    np.testing.assert_allclose(forecast[0], pattern[150:155], atol=1e-5)
    assert batch.past[0, :, 0].abs().max() < 1e-5  # nothing is left to say
    assert batch.ahead[0, :, 3].min() > 0.99  # the strength of the season


def test_missing_targets_are_marked_and_never_learned_from():
    frame = seasonal_frame()
    holes = frame.with_columns(sales=frame["sales"].scatter([45, 52], [np.nan, np.nan]))
    task, series = learn(holes, season=1, context=10, reading={"mask_missing": True})
    batch = Windows(task, series, np.array([0]), np.array([50])).batch(torch.tensor([0]))
    assert batch.past[0, :, 1].tolist() == [1, 1, 1, 1, 1, 0, 1, 1, 1, 1]
    assert torch.isnan(batch.target[0]).tolist() == [False, False, True, False, False]
    model = task.build_model()[0]
    task.loss(model, batch).backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters() if weight.grad is not None)


def test_origins_of_training_stay_within_the_history():
    task, series = learn(context=10)
    owner, origin = training_origins(series.drop_last(20), task.choices.shortest, 5)
    assert set(owner) == {0, 1}
    assert origin.min() == task.choices.shortest
    assert origin.max() == 200 - 20 - 5


def test_the_last_origins_are_a_stride_apart():
    _task, series = learn(context=10)
    owner, origin = last_origins(series, windows=3, stride=7, horizon=5, shortest=4)
    assert owner.tolist() == [0, 0, 0, 1, 1, 1]
    assert origin.tolist() == [181, 188, 195] * 2


def test_a_backtest_needs_one_window_at_least():
    _, series = learn(context=10)
    with pytest.raises(ValueError, match="needs 305 steps of one series at least, the longest has 200"):
        last_origins(series, windows=3, stride=7, horizon=5, shortest=300)


def test_the_future_is_extended_only_where_it_is_missing():
    _task, series = learn()
    longer = extend_future(series.drop_last(np.array([2, 0])), 5)
    assert (longer.lengths - longer.observed).tolist() == [5, 5]
    assert longer.time[longer.rows(0)][-5:].astype("datetime64[D]").tolist() == [
        np.datetime64("2020-07-17") + i for i in range(5)
    ]
    assert np.isnan(longer.target[longer.rows(1)][-5:]).all()


def test_a_window_is_named_by_its_series_and_rows():
    task, series = learn(context=10)
    windows = Windows(task, series, np.array([1]), np.array([50]))
    assert windows.name(0) == "series 'shop 1', row 241 to row 255"
