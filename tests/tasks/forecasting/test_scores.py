"""Scores against plain computations, their words, and their way through JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from recurra.errors import DataError
from recurra.metrics import mae, mase, weighted_quantile_loss
from recurra.tasks.forecasting.forecasts import Forecasts
from recurra.tasks.forecasting.scores import Scores, score
from recurra.tasks.forecasting.summary import summary, verdict
from recurra.tasks.wording import number_text

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
Z = np.array([-1.2815515655, -0.6744897502, 0.0, 0.6744897502, 1.2815515655])


def make(windows: int = 40, horizon: int = 6, series: int = 3, spread: float = 1.0) -> Forecasts:
    """A model whose errors are normal with this spread, beside naive methods whose errors are larger."""
    rng = np.random.default_rng(5)
    shape = (windows, horizon)
    point = rng.normal(100, 10, shape)
    actual = point + spread * rng.normal(size=shape)
    actual[0, :2], actual[5] = math.nan, math.nan
    return Forecasts(
        names=tuple(f"shop {s}" for s in range(series)),
        series=np.arange(windows) % series,
        time=np.arange(windows * horizon).reshape(shape),
        actual=actual,
        point=point,
        quantiles=point[..., None] + spread * Z,
        levels=LEVELS,
        baselines={
            "naive": point + rng.normal(0, 4, shape),
            "seasonal naive (12)": point + rng.normal(0, 2, shape),
            "drift": point + rng.normal(0, 5, shape),
        },
        scale=np.where(np.arange(windows) == 1, 0.0, 2.5),
    )


def with_model(forecasts: Forecasts, point: NDArray[np.float64]) -> Forecasts:
    return replace(forecasts, point=point)


def test_the_table_holds_the_model_first_and_every_baseline() -> None:
    forecasts = make()
    scores = score(forecasts)
    assert list(scores.table) == ["model", "naive", "seasonal naive (12)", "drift"]
    for name, point in {"model": forecasts.point, **forecasts.baselines}.items():
        assert scores.table[name]["mae"] == pytest.approx(mae(forecasts.actual, point))
        assert scores.table[name]["mase"] == pytest.approx(mase(forecasts.actual, point, forecasts.scale))
    expected = weighted_quantile_loss(forecasts.actual, forecasts.quantiles, LEVELS)
    assert scores.table["model"]["wql"] == pytest.approx(expected)
    known = ~np.isnan(forecasts.actual)
    error = np.abs(forecasts.actual - forecasts.baselines["drift"])[known].sum()
    size = np.abs(forecasts.actual[known]).sum()
    assert scores.table["drift"]["wql"] == pytest.approx(error / size, rel=0.02)  # symmetric levels: about MAE / size


def test_counts_and_steps() -> None:
    forecasts = make()
    scores = score(forecasts)
    assert (scores.series, scores.windows, scores.horizon, scores.points) == (3, 39, 6, 39 * 6 - 2)
    assert scores.unscaled == 1
    for name, point in {"model": forecasts.point, **forecasts.baselines}.items():
        expected = np.nanmean(np.abs(forecasts.actual - point), axis=0)
        assert scores.by_step[name] == pytest.approx(tuple(expected))


def test_skill_is_against_the_best_baseline() -> None:
    scores = score(make())
    skill = scores.skill["mae"]
    assert skill.baseline == "seasonal naive (12)"
    model, best = scores.table["model"]["mae"], scores.table[skill.baseline]["mae"]
    assert model is not None
    assert best is not None
    assert skill.value == pytest.approx(1 - model / best)
    assert set(scores.skill) == {"mae", "rmse", "smape", "mase", "wql"}


def test_intervals_and_calibration_of_a_right_model_are_nominal() -> None:
    scores = score(make(windows=4000))
    assert [(i.low, i.high, i.nominal) for i in scores.coverage] == [(0.1, 0.9, 0.8), (0.25, 0.75, 0.5)]
    assert [i.actual for i in scores.coverage] == pytest.approx([0.8, 0.5], abs=0.01)
    assert [c.below for c in scores.calibration] == pytest.approx(LEVELS, abs=0.01)


def test_all_methods_are_scored_on_the_same_values() -> None:
    forecasts = make()
    short = forecasts.baselines["naive"].copy()
    short[7] = math.nan
    scores = score(replace(forecasts, baselines={**forecasts.baselines, "naive": short}))
    rest = forecasts.actual.copy()
    rest[7] = math.nan
    assert scores.table["model"]["mae"] == pytest.approx(mae(rest, forecasts.point))
    assert scores.windows == 38


def test_series_are_ranked() -> None:
    forecasts = make(series=12, windows=120)
    worse = forecasts.point + np.where(forecasts.series == 4, 50.0, 0.0)[:, None]
    scores = score(with_model(forecasts, worse))
    assert scores.worst_series[0].name == "shop 4"
    assert len(scores.best_series) == len(scores.worst_series) == 5
    mine = forecasts.series == 4
    known = forecasts.actual[mine]
    assert scores.worst_series[0].mae == pytest.approx(mae(known, worse[mine]))
    assert scores.worst_series[0].mase == pytest.approx(mase(known, worse[mine], forecasts.scale[mine]))
    rival = mae(known, forecasts.baselines["seasonal naive (12)"][mine])
    assert scores.worst_series[0].skill == pytest.approx(1 - mae(known, worse[mine]) / rival)
    assert score(make(series=1)).worst_series == ()


def test_scores_go_through_json_unchanged() -> None:
    forecasts = replace(make(), scale=np.full(40, math.nan))
    scores = score(forecasts)
    assert scores.table["model"]["mase"] is None
    text = json.dumps(scores.to_dict(), allow_nan=False)
    assert Scores.from_dict(json.loads(text)) == scores


def test_damaged_scores_are_refused() -> None:
    values = score(make()).to_dict()
    values["table"]["model"]["mae"] = "good"
    with pytest.raises(DataError, match=r"\[scores\.table\.model\.mae\] input should be a valid number.*got 'good'"):
        Scores.from_dict(values)


def test_the_words_for_winning_losing_and_drawing() -> None:
    forecasts = make()
    won = verdict(score(forecasts))
    assert won.startswith("The model's MAE is ")
    assert "below that of the best naive method, the seasonal naive (12) forecast." in won

    best = forecasts.baselines["seasonal naive (12)"]
    error = best - forecasts.actual
    lost = verdict(score(with_model(forecasts, np.nan_to_num(forecasts.actual + 1.071 * error))))
    assert lost.startswith("The model LOSES to the seasonal naive (12) forecast: its MAE is 7.1 % above. Use ")

    drawn = verdict(score(with_model(forecasts, best)))
    assert "the model adds nothing" in drawn

    perfect = {"naive": np.nan_to_num(forecasts.actual)}
    assert "makes no error at all" in verdict(score(replace(forecasts, baselines=perfect)))
    both = replace(forecasts, baselines=perfect, point=perfect["naive"])
    assert "adds nothing" in verdict(score(both))


def test_a_win_by_mae_and_a_loss_by_rmse_are_both_said() -> None:
    forecasts = make(spread=0.1)
    point = forecasts.point.copy()
    point[10, 0] += 60
    scores = score(with_model(forecasts, point))
    assert scores.skill["mae"].value is not None
    assert scores.skill["mae"].value > 0
    assert "But by RMSE it loses to a naive method." in verdict(scores)


def test_the_summary_is_aligned_and_complete() -> None:
    text = summary(score(make()))
    lines = text.splitlines()
    assert lines[0].split() == ["MAE", "RMSE", "sMAPE", "%", "MASE", "WQL"]
    assert len({len(line) for line in lines[:5]}) == 1
    assert lines[1].startswith("model")
    assert "The 80 % interval holds " in text
    assert "Scored on 232 values in 39 windows of 6 steps, 3 series." in text
    assert "MASE leaves out 1 of the windows" in text
    assert "nan" not in text.lower().replace("nant", "")


def test_a_point_model_has_no_quantile_scores() -> None:
    forecasts = make()
    scores = score(replace(forecasts, quantiles=forecasts.quantiles[..., :0], levels=()))
    assert "wql" not in scores.table["naive"]
    assert scores.coverage == scores.calibration == ()
    assert "interval" not in summary(scores)


def test_nothing_known_and_forecasts_that_are_not_finite_are_errors() -> None:
    forecasts = make()
    with pytest.raises(DataError, match="at least one known value"):
        score(replace(forecasts, actual=np.full_like(forecasts.actual, math.nan)))
    point = forecasts.point.copy()
    point[3, 3] = math.inf
    with pytest.raises(DataError, match="forecasts must be finite, 1 of 232 are not"):
        score(with_model(forecasts, point))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"), (9.99996, "10.00"), (12.345, "12.35"), (-1234.5, "-1,234"), (99999.0, "99,999"),
        (0.05, "0.05000"), (1e-7, "1.000e-07"), (3e12, "3.000e+12"), (math.nan, "–"), (math.inf, "–"),
    ],
)  # fmt: skip
def test_numbers_for_people(value: float, text: str) -> None:
    assert number_text(value) == text
