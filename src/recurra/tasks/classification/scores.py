"""What a classifier is worth on samples that it has not seen, beside the answer that needs no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from recurra import metrics
from recurra.metrics.classes import calibration_curve
from recurra.tasks.class_scores import ClassScore
from recurra.tasks.classification.answers import Floats, Number, OneClass, SeveralLabels
from recurra.tasks.classification.predictions import LIKELY, Predictions
from recurra.tasks.classification.summary import summary

LARGEST = 60
"""Classes up to which the confusion matrix is kept: a larger one nobody reads."""


@dataclass(frozen=True)
class Bin:
    """Predictions of about the same confidence."""

    confidence: float
    right: float
    count: int


@dataclass(frozen=True)
class Scores:
    """The scores of a model and of the answer that needs none."""

    kind: Literal["class", "labels", "number"]
    samples: int
    model: Mapping[str, float]
    """By metric."""
    naive: Mapping[str, float]
    """The same metrics of :attr:`rival`."""
    rival: str
    """The answer that needs no model, in words."""
    classes: tuple[ClassScore, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    """[C, C] actual by predicted; empty for many classes."""
    calibration: tuple[Bin, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def summary(self) -> str:
        """Some lines for people."""
        return summary(self)


def restore_scores(values: Mapping[str, Any]) -> Scores:
    """The scores that :meth:`Scores.to_dict` made plain."""
    return Scores(
        kind=values["kind"],
        samples=values["samples"],
        model=values["model"],
        naive=values["naive"],
        rival=values["rival"],
        classes=tuple(ClassScore(**one) for one in values["classes"]),
        confusion=tuple(tuple(row) for row in values["confusion"]),
        calibration=tuple(Bin(**one) for one in values["calibration"]),
    )


def score(predictions: Predictions, answers: OneClass | SeveralLabels | Number) -> Scores:
    """Score predictions whose truth is known."""
    if isinstance(answers, OneClass):
        return _score_class(predictions, answers)
    if isinstance(answers, SeveralLabels):
        return _score_labels(predictions, answers)
    return _score_number(predictions, answers)


def _score_class(predictions: Predictions, answers: OneClass) -> Scores:
    actual, said = predictions.actual, predictions.said
    assert actual is not None
    C, counts = answers.size, np.bincount(actual, minlength=answers.size)
    frequent = int(counts.argmax())
    shares = np.tile(counts / len(actual), (len(actual), 1))
    right, confidence = predictions.best == actual, said.max(axis=1)
    confusion = metrics.confusion(actual, predictions.best, C)
    return Scores(
        kind="class",
        samples=len(actual),
        model={**_of_classes(actual, said, C), "calibration_error": metrics.calibration_error(right, confidence)},
        naive={
            **_of_classes(actual, shares, C),
            "accuracy": float(counts[frequent] / len(actual)),
        },
        rival=f"always {answers.classes.names[frequent]!r}",
        classes=tuple(
            ClassScore(name, int(confusion[c].sum()), int(confusion[:, c].sum()), int(confusion[c, c]))
            for c, name in enumerate(answers.classes.names)
        ),
        confusion=tuple(tuple(row) for row in confusion.tolist()) if C <= LARGEST else (),
        calibration=_bins(right, confidence),
    )


def _of_classes(actual: Any, said: Floats, C: int) -> dict[str, float]:
    best = said.argmax(axis=1)
    return {
        "accuracy": metrics.accuracy(actual, best),
        "macro_f1": float(np.nanmean(metrics.f1_of_classes(metrics.confusion(actual, best, C)))),
        "log_loss": metrics.log_loss(actual, said),
        "brier": metrics.brier(actual, said),
    }


def _score_labels(predictions: Predictions, answers: SeveralLabels) -> Scores:
    actual, said = predictions.actual, predictions.said
    assert actual is not None
    given, true = said >= LIKELY, actual > 0
    classes = tuple(
        ClassScore(name, int(true[:, c].sum()), int(given[:, c].sum()), int((given & true)[:, c].sum()))
        for c, name in enumerate(answers.classes.names)
    )
    shares = np.tile(true.mean(axis=0), (len(true), 1))
    model, naive = _of_labels(true, said), _of_labels(true, shares)
    return Scores("labels", len(true), model, naive, "labels that most rows have", classes)


def _of_labels(true: Any, said: Floats) -> dict[str, float]:
    given = said >= LIKELY
    hits, all_given, all_true = (part.sum(axis=0) for part in (given & true, given, true))
    both = all_given + all_true
    f1 = np.divide(2 * hits, both, out=np.full(both.shape, np.nan), where=both > 0)
    p = np.where(true, said, 1 - said)
    return {
        "exact": float((given == true).all(axis=1).mean()),
        "micro_f1": float(2 * hits.sum() / max(both.sum(), 1)),
        "macro_f1": float(np.nanmean(f1)) if (both > 0).any() else 0.0,
        "log_loss": float(-np.log(np.maximum(p, 1e-12)).mean()),
    }


def _score_number(predictions: Predictions, answers: Number) -> Scores:
    assert predictions.actual is not None
    actual = predictions.actual[:, 0].astype(np.float64) * answers.spread + answers.mean
    said = predictions.said[:, 0]
    constant = np.full_like(actual, answers.mean)  # known from the training; the mean of the test would look ahead
    return Scores("number", len(actual), _of_numbers(actual, said), _of_numbers(actual, constant), "always the mean")


def _of_numbers(actual: Floats, said: Floats) -> dict[str, float]:
    return {"mae": metrics.mae(actual, said), "rmse": metrics.rmse(actual, said)}


def _bins(right: Any, confidence: Floats) -> tuple[Bin, ...]:
    shares, means, counts = calibration_curve(right, confidence)
    return tuple(
        Bin(float(mean), float(share), int(count))
        for share, mean, count in zip(shares, means, counts, strict=True)
        if count
    )
