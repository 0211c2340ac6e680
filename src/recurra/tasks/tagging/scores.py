"""What a tagger is worth on sentences that it has not seen, beside the commonest tag of each word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra import metrics
from recurra.metrics.spans import Found, all_spans, count_spans
from recurra.tasks.class_scores import ClassScore
from recurra.tasks.tagging.predictions import Predictions
from recurra.tasks.tagging.summary import summary

LARGEST = 60
"""Tags up to which the confusion matrix is kept: a larger one nobody reads."""
Tags = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Scores:
    """The scores of a model and of the commonest tag of each word."""

    scheme: str | None
    """How the tags write spans; None if they are plain tags."""
    sentences: int
    tokens: int
    unknown: int
    """Tokens that are not in the vocabulary."""
    strange: int
    """Tokens whose tag was never learned: they count as wrong."""
    model: Mapping[str, float]
    """By metric."""
    naive: Mapping[str, float]
    """The same metrics of the commonest tag of each word."""
    classes: tuple[ClassScore, ...]
    """Of each label of spans, or of each tag."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """[K, K] actual by predicted, in the order of ``classes``; empty for spans and for many tags."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def summary(self) -> str:
        """Some lines for people."""
        return summary(self)


def restore_scores(values: Mapping[str, Any]) -> Scores:
    """The scores that :meth:`Scores.to_dict` made plain."""
    classes = tuple(ClassScore(**one) for one in values["classes"])
    confusion = tuple(tuple(row) for row in values["confusion"])
    return Scores(**{**values, "classes": classes, "confusion": confusion})


def score(predictions: Predictions, scheme: str | None, known: Sequence[str]) -> Scores:
    """Score predictions whose truth is known; ``known`` are the tags that were learned."""
    actual = predictions.sentences.tags
    assert actual is not None
    unknown, learned = predictions.unknown, set(known)
    if scheme is None:
        classes, confusion = _tags(actual, predictions.tags)
    else:
        found = count_spans(actual, predictions.tags)
        classes = tuple(ClassScore(name, one.actual, one.predicted, one.right) for name, one in found.items())
        confusion = ()
    return Scores(
        scheme=scheme,
        sentences=len(actual),
        tokens=len(unknown),
        unknown=int(unknown.sum()),
        strange=sum(tag not in learned for tags in actual for tag in tags),
        model=_metrics(actual, predictions.tags, unknown, scheme),
        naive=_metrics(actual, predictions.naive, unknown, scheme),
        classes=classes,
        confusion=confusion,
    )


def selection_score(actual: Tags, said: Tags, scheme: str | None) -> float:
    """What weights are chosen by: the F1 of the spans, or the share of the tags that is right."""
    if scheme is not None:
        return all_spans(count_spans(actual, said).values()).f1
    return float(_right(actual, said).mean())


def _metrics(actual: Tags, said: Tags, unknown: NDArray[np.bool_], scheme: str | None) -> dict[str, float]:
    right = _right(actual, said)
    values: dict[str, float] = {}
    if scheme is not None:
        by_label = count_spans(actual, said)
        every = all_spans(by_label.values())
        values = {
            "span_f1": every.f1,
            "span_precision": every.right / every.predicted if every.predicted else 0.0,
            "span_recall": every.right / every.actual if every.actual else 0.0,
            "span_macro_f1": _macro(by_label.values()),
        }
    values["accuracy"] = float(right.mean())
    if unknown.any():
        values["unknown_accuracy"] = float(right[unknown].mean())
    values["sentence_accuracy"] = float(np.mean([tuple(a) == tuple(s) for a, s in zip(actual, said, strict=True)]))
    return values


def _macro(by_label: Any) -> float:
    scores = [one.f1 for one in by_label if isinstance(one, Found)]
    return float(np.mean(scores)) if scores else 0.0


def _right(actual: Tags, said: Tags) -> NDArray[np.bool_]:
    return np.array([a == s for one, other in zip(actual, said, strict=True) for a, s in zip(one, other, strict=True)])


def _tags(actual: Tags, said: Tags) -> tuple[tuple[ClassScore, ...], tuple[tuple[int, ...], ...]]:
    """The scores of each tag that comes in either, and how often each was said for each."""
    true, given = ([tag for tags in part for tag in tags] for part in (actual, said))
    names = sorted({*true, *given})
    number = {name: place for place, name in enumerate(names)}
    counts = metrics.confusion(
        np.array([number[tag] for tag in true]), np.array([number[tag] for tag in given]), len(names)
    )
    classes = tuple(
        ClassScore(name, int(counts[k].sum()), int(counts[:, k].sum()), int(counts[k, k]))
        for k, name in enumerate(names)
    )
    return classes, tuple(tuple(row) for row in counts.tolist()) if len(names) <= LARGEST else ()
