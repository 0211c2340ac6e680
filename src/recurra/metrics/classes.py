"""Metrics of classes: right and wrong, and whether a probability means what it says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BINS = 10
"""Of equal width, into which calibration puts the probabilities."""
_LEAST = 1e-12  # a probability of 0 would cost infinitely much


def accuracy(actual: Ints, predicted: Ints) -> float:
    """The share of N classes [N] that were predicted right: 0 to 1.

    >>> accuracy(np.array([0, 1, 2]), np.array([0, 1, 1]))
    0.6666666666666666
    """
    return float((actual == predicted).mean())


def confusion(actual: Ints, predicted: Ints, classes: int) -> Ints:
    """[C, C] how often an actual class (row) was predicted as each (column).

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    counts: Ints = np.bincount(actual * classes + predicted, minlength=classes**2).reshape(classes, classes)
    return counts


def f1_of_classes(counts: Ints) -> Floats:
    """[C] F1 of each class, from counts [C, C] as :func:`confusion` gives them; NaN where a class never comes.

    Their mean over the classes that come is the macro F1. Source: van Rijsbergen, Information retrieval, 1979.

    >>> f1_of_classes(np.array([[2, 1], [0, 1]])).round(3).tolist()
    [0.8, 0.667]
    """
    right = np.diag(counts).astype(np.float64)
    both = counts.sum(axis=0) + counts.sum(axis=1)
    scores: Floats = np.divide(2 * right, both, out=np.full(len(counts), np.nan), where=both > 0)
    return scores


def log_loss(actual: Ints, probabilities: Floats) -> float:
    """Mean ``-log p`` of the actual class, in nats; ``probabilities [N, C]``, those below 1e-12 count as that.

    >>> round(log_loss(np.array([0, 1]), np.array([[0.5, 0.5], [0.0, 1.0]])), 4)
    0.3466
    """
    p = probabilities[np.arange(len(actual)), actual]
    return float(np.log(1 / np.maximum(p, _LEAST)).mean())


def brier(actual: Ints, probabilities: Floats) -> float:
    """Mean squared distance of ``probabilities [N, C]`` from the actual class as 0 and 1: 0 to 2 (Brier 1950).

    >>> brier(np.array([0]), np.array([[0.5, 0.5]]))
    0.5
    """
    return float(np.square(probabilities - np.eye(probabilities.shape[1])[actual]).sum(axis=1).mean())


def calibration_error(right: NDArray[np.bool_], confidence: Floats) -> float:
    """Expected calibration error: the mean distance of confidence from the share that is right, in 10 bins; 0 to 1.

    Args:
        right: [N] whether the prediction was right.
        confidence: [N] the probability it was given.

    Source: Guo et al., On calibration of modern neural networks, 2017, equation 3.

    >>> calibration_error(np.array([True, False, True, True]), np.array([0.75, 0.75, 0.75, 0.75]))
    0.0
    """
    shares, means, counts = calibration_curve(right, confidence)
    used = counts > 0
    return float((np.abs(shares - means)[used] * counts[used]).sum() / counts.sum())


def calibration_curve(right: NDArray[np.bool_], confidence: Floats) -> tuple[Floats, Floats, Ints]:
    """[10] each: the share that is right, the mean confidence, and how many there are, by bin of confidence.

    >>> [part[-1].item() for part in calibration_curve(np.array([True, False]), np.array([0.95, 0.99]))]
    [0.5, 0.97, 2]
    """
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    of = np.maximum(counts, 1)
    shares = np.bincount(place, right.astype(np.float64), BINS) / of
    means = np.bincount(place, confidence, BINS) / of
    return shares, means, counts
