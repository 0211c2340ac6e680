"""Metrics of classes against loops over the rows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recurra import metrics


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    said = random.dirichlet(np.ones(4), size=500)
    return random.integers(0, 4, 500), said


def test_accuracy_and_confusion(rows):
    actual, said = rows
    best = said.argmax(axis=1)
    counts = metrics.confusion(actual, best, 5)
    assert counts.shape == (5, 5)
    for a in range(5):
        for p in range(5):
            assert counts[a, p] == sum(1 for x, y in zip(actual, best, strict=True) if (x, y) == (a, p))
    assert metrics.accuracy(actual, best) == np.trace(counts) / 500


def test_f1_is_the_harmonic_mean_of_precision_and_recall(rows):
    actual, said = rows
    best = said.argmax(axis=1)
    f1 = metrics.f1_of_classes(metrics.confusion(actual, best, 5))
    for c in range(4):
        precision = (actual[best == c] == c).mean()
        recall = (best[actual == c] == c).mean()
        assert f1[c] == pytest.approx(2 / (1 / precision + 1 / recall))
    assert math.isnan(f1[4])


def test_log_loss_and_brier(rows):
    actual, said = rows
    expected = [-math.log(p[a]) for a, p in zip(actual, said, strict=True)]
    assert metrics.log_loss(actual, said) == pytest.approx(sum(expected) / 500)
    assert math.isfinite(metrics.log_loss(np.array([0]), np.array([[0.0, 1.0]])))
    squares = [sum((p[c] - (c == a)) ** 2 for c in range(4)) for a, p in zip(actual, said, strict=True)]
    assert metrics.brier(actual, said) == pytest.approx(sum(squares) / 500)


def test_calibration(rows):
    actual, said = rows
    confidence, right = said.max(axis=1), said.argmax(axis=1) == actual
    expected = 0.0
    for low in np.arange(10) / 10:
        inside = (confidence >= low) & (confidence < low + 0.1)
        if inside.any():
            expected += abs(right[inside].mean() - confidence[inside].mean()) * inside.mean()
    assert metrics.calibration_error(right, confidence) == pytest.approx(expected)
    assert metrics.calibration_error(np.array([True]), np.array([1.0])) == 0.0
