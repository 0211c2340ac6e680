"""Metrics against hand computations, loops, and published examples; unknown values never count."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from recurra.metrics import coverage, has_scale, mae, mase, rmse, smape, weighted_quantile_loss

Floats = NDArray[np.float64]
NAN = math.nan


def random_forecasts() -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    actual, point = rng.normal(10, 3, (2, 7, 5))
    actual[rng.random((7, 5)) < 0.2] = NAN
    actual[3] = NAN
    return actual, point


def pairs(actual: Floats, point: Floats) -> list[tuple[float, float]]:
    return [(y, p) for y, p in zip(actual.ravel(), point.ravel(), strict=True) if not math.isnan(y)]


def test_errors_match_a_plain_loop() -> None:
    actual, point = random_forecasts()
    known = pairs(actual, point)
    assert mae(actual, point) == pytest.approx(sum(abs(y - p) for y, p in known) / len(known))
    assert rmse(actual, point) == pytest.approx(math.sqrt(sum((y - p) ** 2 for y, p in known) / len(known)))
    terms = [200 * abs(y - p) / (abs(y) + abs(p)) for y, p in known]
    assert smape(actual, point) == pytest.approx(sum(terms) / len(terms))


def test_smape_is_bounded_and_defined_at_zero() -> None:
    assert smape(np.array([0.0, 0.0]), np.array([0.0, 5.0])) == 100.0
    assert smape(np.array([1.0]), np.array([-1.0])) == 200.0
    # 200 · 10 / 210
    assert smape(np.array([110.0]), np.array([100.0])) == pytest.approx(9.523809523809524)


def test_mase_of_a_published_example() -> None:
    """The example in the documentation of sktime's ``mean_absolute_scaled_error``."""
    training = np.array([5.0, 0.5, 4.0, 6.0, 3.0, 5.0, 2.0])
    actual, point = np.array([[3.0, -0.5, 2.0, 7.0, 2.0]]), np.array([[2.5, 0.0, 2.0, 8.0, 1.25]])
    scale = np.abs(np.diff(training)).mean()
    assert mase(actual, point, np.array([scale])) == pytest.approx(0.18333333333333335)


def test_mase_averages_windows_and_leaves_out_those_without_scale() -> None:
    actual = np.array([[1.0, NAN], [2.0, 2.0], [5.0, 5.0], [NAN, NAN], [1.0, 1.0]])
    point = np.array([[3.0, 9.0], [1.0, 4.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    scale = np.array([4.0, 0.5, 0.0, 1.0, NAN])
    assert mase(actual, point, scale) == pytest.approx((2 / 4 + 1.5 / 0.5) / 2)
    assert has_scale(scale).tolist() == [True, True, False, True, False]
    assert math.isnan(mase(actual, point, np.zeros(5)))


def test_weighted_quantile_loss_matches_a_plain_loop() -> None:
    actual, point = random_forecasts()
    levels = (0.1, 0.5, 0.9)
    quantiles = point[..., None] + np.array([-2.0, 0.0, 2.5])
    each = []
    for q, level in enumerate(levels):
        known = pairs(actual, quantiles[..., q])
        loss = sum((level if y > p else level - 1) * (y - p) for y, p in known)
        each.append(2 * loss / sum(abs(y) for y, _ in known))
    assert weighted_quantile_loss(actual, quantiles, levels) == pytest.approx(sum(each) / 3)
    median = weighted_quantile_loss(actual, point[..., None], (0.5,))
    known = pairs(actual, point)
    assert median == pytest.approx(sum(abs(y - p) for y, p in known) / sum(abs(y) for y, _ in known))


def test_coverage_counts_the_ends() -> None:
    actual = np.array([0.0, 1.0, 2.0, 3.0, NAN])
    assert coverage(actual, np.full(5, 1.0), np.full(5, 2.0)) == 0.5
    assert coverage(actual, np.full(5, 0.0), np.full(5, 9.0)) == 1.0


def test_coverage_of_a_normal_sample_is_nominal() -> None:
    sample = np.random.default_rng(2).normal(size=(400, 100))
    assert coverage(sample, np.full_like(sample, -1.2815515655), np.full_like(sample, 1.2815515655)) == pytest.approx(
        0.8, abs=0.01
    )


@pytest.mark.parametrize("metric", [mae, rmse, smape])
def test_nothing_known_is_nan_and_a_missing_forecast_too(metric: Callable[[Floats, Floats], float]) -> None:
    assert math.isnan(metric(np.array([NAN]), np.array([1.0])))
    assert math.isnan(metric(np.array([1.0, 2.0]), np.array([1.0, NAN])))
    assert metric(np.array([1.0, NAN]), np.array([1.0, NAN])) == 0.0


def test_weighted_quantile_loss_without_size_or_levels_is_nan() -> None:
    assert math.isnan(weighted_quantile_loss(np.zeros(2), np.zeros((2, 1)), (0.5,)))
    assert math.isnan(weighted_quantile_loss(np.ones(2), np.zeros((2, 0)), ()))
