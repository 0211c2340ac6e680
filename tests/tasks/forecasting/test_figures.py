"""Figures: what is drawn is what was given, long series stay small and keep their extremes, names stay text."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure

from recurra.tasks.figures import COLOURS, tick_text, training_figure
from recurra.tasks.forecasting.figures import calibration_figure, data_figure, forecast_figure, horizon_figure, spread
from recurra.tasks.forecasting.forecasts import Forecasts
from recurra.tasks.forecasting.scores import score

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def make(windows: int = 6, series: int = 1, dates: bool = True, stride: int = 6, horizon: int = 6) -> Forecasts:
    """The same windows of each series, ``stride`` steps apart."""
    rng = np.random.default_rng(7)
    owner = np.repeat(np.arange(series), windows)
    step = np.tile(np.arange(windows) * stride, series)[:, None] + np.arange(horizon)
    point = rng.normal(50, 5, step.shape)
    return Forecasts(
        names=tuple(f"$a_{s}$ <b>{s}</b>" for s in range(series)),
        series=owner,
        time=np.datetime64("2024-01-01T00:00:00.000000") + step * np.timedelta64(3600, "s") if dates else step,
        actual=point + rng.normal(size=step.shape),
        point=point,
        quantiles=point[..., None] + np.array([-2.0, -1.0, 0.0, 1.0, 2.0]),
        levels=LEVELS,
        baselines={"naive": point + 2, "seasonal naive (24)": point - 1.5},
        scale=np.ones(len(owner)),
    )


def lines(figure: Figure, panel: int, colour: str) -> list[np.ndarray]:
    """[points, 2] of each line of a colour."""
    axes = figure.axes[panel]
    return [np.asarray(line.get_xydata()) for line in axes.lines if line.get_color() == COLOURS[colour]]


def save(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    return buffer.getvalue()


def test_long_series_keep_their_extremes_and_their_holes_in_a_small_figure() -> None:
    values = np.sin(np.arange(200_000) / 50.0)
    values[123_456], values[77_777] = 9.0, -9.0
    values[50_000:60_000] = math.nan
    figure = data_figure([np.arange(200_000)], [values], ["load"], [np.isnan(values)])
    (drawn,) = lines(figure, 0, "ink")
    assert len(drawn) < 2000
    assert np.nanmax(drawn[:, 1]) == 9.0
    assert np.nanmin(drawn[:, 1]) == -9.0
    inside = (drawn[:, 0] > 50_500) & (drawn[:, 0] < 59_500)
    assert np.isnan(drawn[inside, 1]).all()
    assert len(save(figure)) < 150_000
    (span,) = figure.axes[0].patches
    left, right = span.get_extents().transformed(figure.axes[0].transData.inverted()).intervalx
    assert left == pytest.approx(50_000, abs=300)
    assert right == pytest.approx(60_000, abs=300)
    assert figure.axes[0].get_title("right") == "200,000 steps, 10,000 missing in 1 gap"


def test_short_series_are_drawn_as_they_are_and_filled_steps_are_marked() -> None:
    values = np.arange(30.0)
    holes = np.zeros(30, dtype=bool)
    holes[[4, 5, 20]] = True
    figure = data_figure([np.arange(30)] * 2, [values] * 2, ["a", "b"], [holes, ~holes & False])
    np.testing.assert_array_equal(lines(figure, 0, "ink")[0], np.stack([np.arange(30), values], axis=1))
    assert len(figure.axes[0].patches) == 2
    assert len(figure.axes[1].patches) == 0
    assert figure.axes[1].get_title("right") == "30 steps, none missing"


def test_the_last_windows_that_do_not_overlap_are_drawn_with_every_interval() -> None:
    forecasts = make(windows=10, stride=4, dates=False)
    figure = forecast_figure(forecasts)
    drawn = lines(figure, 0, "model")
    starts = [int(line[0, 0]) for line in drawn]
    assert starts == [12, 20, 28, 36]  # windows of 6 steps every 4 steps: each second one
    np.testing.assert_array_equal(drawn[-1][:, 1], forecasts.point[9])
    bands = [c for c in figure.axes[0].collections if isinstance(c, FillBetweenPolyCollection)]
    assert len(bands) == 2 * len(drawn)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["actual", "80 % interval", "50 % interval", "forecast"]


def test_a_single_series_also_shows_its_worst_window() -> None:
    forecasts = make(windows=8)
    forecasts.actual[2] += 30
    figure = forecast_figure(forecasts)
    assert [axes.get_title("right") for axes in figure.axes] == [
        "the last 4 windows",
        "the window with the largest error",
    ]
    np.testing.assert_array_equal(lines(figure, 1, "model")[0][:, 1], forecasts.point[2])


def test_several_series_have_a_panel_each_and_history_leads_in() -> None:
    forecasts = make(windows=3, series=9, dates=False)
    time = np.arange(-50, 18)
    history = {name: (time, np.full(68, 40.0 + s)) for s, name in enumerate(forecasts.names)}
    figure = forecast_figure(forecasts, history)
    assert len(figure.axes) == 6
    assert figure.axes[0].get_title("left") == forecasts.names[0]
    assert figure.axes[5].get_title("left") == forecasts.names[8]
    (known,) = lines(figure, 5, "ink")
    assert known[0, 0] == -18
    assert known[-1, 0] == 17
    assert (known[:, 1] == 48.0).all()


def test_errors_by_step_are_those_of_the_scores() -> None:
    scores = score(make())
    figure = horizon_figure(scores)
    (model,) = lines(figure, 0, "model")
    np.testing.assert_allclose(model[:, 1], scores.by_step["model"])
    assert model[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["model", "naive", "seasonal naive (24)"]


def test_calibration_shows_levels_and_intervals() -> None:
    scores = score(make())
    figure = calibration_figure(scores)
    (line,) = lines(figure, 0, "model")
    np.testing.assert_allclose(line, [(c.level, c.below) for c in scores.calibration])
    heights = [patch.get_height() for patch in figure.axes[1].patches]
    assert heights == pytest.approx([i.actual for i in scores.coverage])


def test_training_marks_the_best_validation() -> None:
    scores = [3.0, 1.0, 0.5, 0.75]
    history = [
        SimpleNamespace(step=10 * i, loss=100.0 / 10**i, validation=s, learning_rate=0.1) for i, s in enumerate(scores)
    ]
    figure = training_figure(history)
    assert [axes.get_title() or axes.get_title("left") for axes in figure.axes] == [
        "Training loss", "Validation score", "Learning rate",
    ]  # fmt: skip
    assert lines(figure, 1, "accent")[0].tolist() == [[20.0, 0.5]]
    assert figure.axes[0].get_yscale() == "log"
    assert figure.axes[1].get_yscale() == "linear"
    without = [SimpleNamespace(step=1, loss=1.0, validation=None, learning_rate=0.1)]
    assert len(training_figure(without).axes) == 2
    assert len(lines(training_figure(history, history), 0, "ink")) == 2


def test_everything_can_be_saved_without_pyplot() -> None:
    forecasts = make(series=2, windows=1, horizon=1)
    scores = score(forecasts)
    for figure in (forecast_figure(forecasts), horizon_figure(scores), calibration_figure(scores)):
        assert save(figure).startswith("<?xml")
    check = (
        "import sys, recurra.report, recurra.tasks.forecasting.sections; sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_places_are_spread_and_ticks_are_readable() -> None:
    assert spread(1, 6) == [0]
    assert spread(6, 6) == [0, 1, 2, 3, 4, 5]
    assert tick_text(1_500_000.0) == "1,500,000"
    assert tick_text(0.00025) == "0.00025"
