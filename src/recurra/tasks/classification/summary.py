"""Scores in words, for the terminal and for the report: what they mean, also when the model loses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from recurra.data.grid import count_of
from recurra.tasks.class_scores import weakest, wilson
from recurra.tasks.wording import aligned, list_text, number_text, percent_text

if TYPE_CHECKING:
    from recurra.tasks.classification.scores import Scores

METRICS = {
    "accuracy": "accuracy",
    "exact": "all labels right",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "log_loss": "log loss",
    "brier": "Brier",
    "calibration_error": "calibration error",
    "mae": "MAE",
    "rmse": "RMSE",
}
"""The metrics and how people call them."""
MAIN = {"class": "accuracy", "labels": "micro_f1", "number": "mae"}
"""The metric of the verdict."""
LOWER_IS_BETTER = ("log_loss", "brier", "calibration_error", "mae", "rmse")
_CLOSE = 0.03


def summary(scores: Scores) -> str:
    """A few lines: the table, the verdict, the weakest classes."""
    lines = [score_table(scores), "", verdict(scores)]
    if weak := weakest(scores.classes):
        lines.append("Weakest: " + list_text([f"{one.name!r} (F1 {number_text(one.f1)})" for one in weak]) + ".")
    if scores.kind == "class":
        lines.append(calibration_text(scores))
    return "\n".join(lines)


def score_table(scores: Scores) -> str:
    """The metrics of the model and of the answer that needs none, as aligned text."""
    return aligned(
        [
            ["", *(METRICS[metric] for metric in scores.model)],
            ["model", *(number_text(value) for value in scores.model.values())],
            [scores.rival, *(number_text(scores.naive.get(metric)) for metric in scores.model)],
        ]
    )


def verdict(scores: Scores) -> str:
    """Say how the model compares with the answer that needs none."""
    metric = MAIN[scores.kind]
    model, naive = scores.model[metric], scores.naive[metric]
    better = model < naive if metric in LOWER_IS_BETTER else model > naive
    if scores.kind == "number":
        what = f"The model's mean absolute error is {number_text(model)} on {count_of(scores.samples, 'row')}"
        other = f"{scores.rival} has {number_text(naive)}"
    elif scores.kind == "labels":
        what = f"The model's micro F1 is {number_text(model)} on {count_of(scores.samples, 'row')}"
        other = f"{scores.rival} have {number_text(naive)}"
    else:
        low, high = wilson(model, scores.samples)
        interval = f"95 % interval {percent_text(low)} to {percent_text(high)}"
        what = f"The model is right on {percent_text(model)} of {count_of(scores.samples, 'row')} ({interval})"
        other = f"{scores.rival} is right on {percent_text(naive)}"
    if better:
        return f"{what}; {other}."
    return f"The model LOSES to the answer that needs none. {what}; {other}. Give it more rows, or look at the labels."


def tone(scores: Scores) -> Literal["good", "bad", "neutral"]:
    """Whether the verdict is good news."""
    return "bad" if "LOSES" in verdict(scores) else "good"


def calibration_text(scores: Scores) -> str:
    """Say whether the probabilities mean what they say."""
    mean = sum(one.confidence * one.count for one in scores.calibration) / scores.samples
    right = scores.model["accuracy"]
    how = None
    if abs(mean - right) > _CLOSE:
        how = "too sure of itself" if mean > right else "less sure than it could be"
    said = f"Its probabilities say {percent_text(mean)} on average, {percent_text(right)} are right"
    return f"{said}: it is {how}." if how else f"{said}."
