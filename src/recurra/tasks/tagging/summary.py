"""Scores in words, for the terminal and for the report: what they mean, also when the model loses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from recurra.data.grid import count_of
from recurra.tasks.class_scores import weakest
from recurra.tasks.wording import aligned, list_text, number_text, percent_text

if TYPE_CHECKING:
    from recurra.tasks.tagging.scores import Scores

METRICS = {
    "span_f1": "span F1",
    "span_precision": "precision",
    "span_recall": "recall",
    "span_macro_f1": "macro F1",
    "accuracy": "accuracy",
    "unknown_accuracy": "accuracy, unknown words",
    "sentence_accuracy": "whole sentences",
}
"""The metrics and how people call them."""
RIVAL = "commonest tag of each word"


def summary(scores: Scores) -> str:
    """A few lines: the table, the verdict, the weakest labels."""
    lines = [score_table(scores), "", verdict(scores)]
    if weak := weakest(scores.classes):
        lines.append("Weakest: " + list_text([f"{one.name!r} (F1 {number_text(one.f1)})" for one in weak]) + ".")
    return "\n".join([*lines, *remarks(scores)])


def score_table(scores: Scores) -> str:
    """The metrics of the model and of the commonest tags, as aligned text."""
    return aligned(
        [
            ["", *(METRICS[metric] for metric in scores.model)],
            ["model", *(number_text(value) for value in scores.model.values())],
            [RIVAL, *(number_text(scores.naive.get(metric)) for metric in scores.model)],
        ]
    )


def verdict(scores: Scores) -> str:
    """Say how the model compares with the commonest tag of each word."""
    metric = "accuracy" if scores.scheme is None else "span_f1"
    model, naive = scores.model[metric], scores.naive[metric]
    on = f"{count_of(scores.tokens, 'token')} of {count_of(scores.sentences, 'sentence')}"
    if scores.scheme is None:
        what = f"The model is right on {percent_text(model)} of {on}"
        other = f"the {RIVAL} is right on {percent_text(naive)}"
    else:
        what = f"The model's F1 of whole spans is {number_text(model)} on {on}"
        other = f"the {RIVAL} has {number_text(naive)}"
    if model == naive:
        return f"The model is no better than the {RIVAL}. {what}; {other}."
    if model < naive:
        return f"The model LOSES to the {RIVAL}. {what}; {other}. Give it more sentences, or more steps."
    return f"{what}; {other}: {percent_text((model - naive) / (1 - naive))} of the way from there to perfect."


def tone(scores: Scores) -> Literal["good", "bad", "neutral"]:
    """Whether the verdict is good news."""
    words = verdict(scores)
    return "bad" if "LOSES" in words else "neutral" if "no better" in words else "good"


def remarks(scores: Scores) -> list[str]:
    """What should be known of the tokens that were scored."""
    said = []
    if scores.unknown:
        said.append(
            f"{percent_text(scores.unknown / scores.tokens)} of the tokens are not in the vocabulary; of these "
            f"{percent_text(scores.model['unknown_accuracy'])} are right."
        )
    if scores.strange:
        said.append(f"{count_of(scores.strange, 'token')} with a tag that was never learned: each counts as wrong.")
    return said
