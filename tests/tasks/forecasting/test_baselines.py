"""Naive forecasts against a slow, literal implementation, with holes and short histories."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from recurra.errors import SettingsError
from recurra.tasks.forecasting.baselines import drift, naive, seasonal_naive, seasonal_scale

Floats = NDArray[np.float64]
NAN = math.nan


def known(row: list[float]) -> list[tuple[int, float]]:
    return [(t, y) for t, y in enumerate(row) if not math.isnan(y)]


def slow_naive(row: list[float], horizon: int) -> list[float]:
    values = known(row)
    return [values[-1][1] if values else NAN] * horizon


def slow_drift(row: list[float], horizon: int) -> list[float]:
    values = known(row)
    if not values:
        return [NAN] * horizon
    (t0, y0), (t1, y1) = values[0], values[-1]
    slope = (y1 - y0) / (t1 - t0) if t1 > t0 else 0.0
    return [y1 + slope * (len(row) + h - t1) for h in range(horizon)]


def slow_seasonal(row: list[float], horizon: int, season: int) -> list[float]:
    values = known(row)
    plain = slow_naive(row, horizon)
    if not values or values[-1][0] - values[0][0] + 1 < season:
        return plain
    forecast = []
    for h in range(horizon):
        place = len(row) + h - season
        while place >= len(row) or (place >= 0 and math.isnan(row[place])):
            place -= season
        forecast.append(row[place] if place >= 0 else plain[h])
    return forecast


def histories() -> Floats:
    """30 rows of 23 steps: holes, short histories, an empty one, one single value, a whole one."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(30, 23)).cumsum(axis=1)
    rows[rng.random(rows.shape) < 0.3] = NAN
    for row in range(12):
        rows[row, : 2 * row] = NAN
    rows[12], rows[13, :-1], rows[13, -1] = NAN, NAN, 4.0
    rows[14] = np.arange(23)
    return rows


@pytest.mark.parametrize("horizon", [1, 4, 30])
def test_forecasts_match_a_literal_loop(horizon: int) -> None:
    rows = histories()
    np.testing.assert_array_equal(naive(rows, horizon), [slow_naive(row, horizon) for row in rows.tolist()])
    np.testing.assert_allclose(drift(rows, horizon), [slow_drift(row, horizon) for row in rows.tolist()])
    for season in (1, 3, 7, 23, 40):
        expected = [slow_seasonal(row, horizon, season) for row in rows.tolist()]
        np.testing.assert_array_equal(seasonal_naive(rows, horizon, season), expected)


def test_a_season_is_repeated_from_the_right() -> None:
    rows = np.array([[9.0, 9.0, 1.0, 2.0, 3.0]])
    assert seasonal_naive(rows, 7, 3).tolist() == [[1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0]]


def test_seasonal_naive_is_naive_when_history_is_shorter_than_a_season() -> None:
    rows = np.array([[NAN, NAN, 1.0, 2.0, 3.0]])
    assert seasonal_naive(rows, 5, 4).tolist() == naive(rows, 5).tolist()
    assert seasonal_naive(rows, 3, 3).tolist() == [[1.0, 2.0, 3.0]]


def test_inputs_are_left_as_they_are() -> None:
    rows = histories()
    before = rows.copy()
    naive(rows, 3), drift(rows, 3), seasonal_naive(rows, 3, 5)
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize("season", [1, 2, 7, 50])
def test_scale_at_every_origin_matches_a_literal_loop(season: int) -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=40)
    values[rng.random(40) < 0.2] = NAN
    scale = seasonal_scale(values, season)
    assert scale.shape == (41,)
    for origin in range(41):
        errors = [abs(values[t] - values[t - season]) for t in range(season, origin)]
        errors = [e for e in errors if not math.isnan(e)]
        assert scale[origin] == pytest.approx(np.mean(errors) if errors else NAN, nan_ok=True)


def test_a_season_has_at_least_one_step() -> None:
    with pytest.raises(SettingsError, match=r"\[seasonal_naive\] a season must have at least 1 step, 0 came"):
        seasonal_naive(np.zeros((1, 3)), 2, 0)
    with pytest.raises(SettingsError, match="seasonal_scale"):
        seasonal_scale(np.zeros(3), -1)
