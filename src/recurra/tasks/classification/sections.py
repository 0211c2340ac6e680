"""What a classifier tells the report: scores, classes, calibration, where it was wrong and where unsure, the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import nn

from recurra.data.samples import Samples
from recurra.task import Scored
from recurra.tasks.classification.answers import Number, OneClass
from recurra.tasks.classification.explanation import weigh_words
from recurra.tasks.classification.figures import (
    calibration_figure,
    confusion_figure,
    count_figure,
    length_figure,
    number_figure,
    sequence_figure,
)
from recurra.tasks.classification.inputs import unknown_share
from recurra.tasks.classification.predictions import Predictions
from recurra.tasks.classification.scores import Scores
from recurra.tasks.classification.split import Divided, repetitions
from recurra.tasks.classification.summary import LOWER_IS_BETTER, METRICS, calibration_text, tone, verdict
from recurra.tasks.figures import EpochLine, training_section
from recurra.tasks.sections import Findings, Passage, Picture, Section, Table
from recurra.tasks.wording import number_text, percent_text

if TYPE_CHECKING:
    from recurra.tasks.classification.task import ClassificationTask

_SHOWN = 8  # samples in a list
_MOST_CLASSES = 40  # in the table
_MOST_IN_MATRIX = 25
_LONGEST = 600  # characters of a text that are shown


def findings(
    task: ClassificationTask, divided: Divided, scored: Scored | None, histories: Sequence[Sequence[EpochLine]]
) -> Findings:
    """All about a trained model; without a score, the training and the data."""
    about = (training_section(*histories), _data(task, divided))
    if scored is None:
        return Findings("Nothing was held out, so there is no score.", "neutral", (), about)
    scores: Scores = scored.scores  # type: ignore[assignment]
    predictions, model = scored.details
    sections = [_scores(scores)]
    if isinstance(task.answers, Number):
        sections.append(_numbers(task.answers, predictions))
    else:
        sections.append(_classes(scores))
    if isinstance(task.answers, OneClass):
        sections += [_calibration(scores), *_samples(task, task.answers, predictions, model)]
    facts = [(METRICS[name], number_text(value)) for name, value in scores.model.items()]
    return Findings(verdict(scores), tone(scores), (*facts, ("rows", f"{scores.samples:,}")), (*sections, *about))


def _scores(scores: Scores) -> Section:
    names = list(scores.model)
    rows = [("model", *(number_text(scores.model[n]) for n in names))]
    rows.append((scores.rival, *(number_text(scores.naive.get(n)) for n in names)))
    best = set()
    for column, name in enumerate(names, start=1):
        naive, model = scores.naive.get(name), scores.model[name]
        wins = naive is None or ((model < naive) if name in LOWER_IS_BETTER else (model > naive))
        best.add((0 if wins else 1, column))
    caption = "The better value of each column stands out. Log loss and Brier of the rival are those of the shares."
    if scores.kind == "number":
        caption = "The lower error of each column stands out."
    table = Table(("", *(METRICS[n] for n in names)), tuple(rows), frozenset(best), caption)
    return Section("Scores", f"On {scores.samples:,} rows that the model had not seen.", table=table)


def _classes(scores: Scores) -> Section:
    order = sorted(scores.classes, key=lambda one: (one.f1 is not None, one.f1 or 0.0, one.name))[:_MOST_CLASSES]
    rows = tuple(
        (one.name, f"{one.actual:,}", f"{one.predicted:,}", *(percent_text(v) for v in (one.precision, one.recall)), f1)
        for one in order
        for f1 in [number_text(one.f1)]
    )
    left = len(scores.classes) - len(order)
    text = "The weakest first." + (f" {left:,} better ones are left out." if left else "")
    table = Table(("", "actual", "predicted", "precision", "recall", "F1"), rows)
    figures: tuple[Picture, ...] = ()
    if 0 < len(scores.confusion) <= _MOST_IN_MATRIX:
        names = [one.name for one in scores.classes]
        alt = "Confusion matrix: actual classes by predicted ones"
        figures = (Picture(confusion_figure(scores.confusion, names), alt, "Rows are actual, columns predicted."),)
    return Section("Classes" if scores.kind == "class" else "Labels", text, figures, table)


def _calibration(scores: Scores) -> Section:
    picture = Picture(calibration_figure(scores.calibration), "Share that is right by the model's confidence")
    return Section("Calibration", calibration_text(scores), (picture,))


def _samples(task: ClassificationTask, answers: OneClass, said: Predictions, model: nn.ModuleList) -> list[Section]:
    """The rows that were wrong with the most confidence, and those of which the model was least sure."""
    confidence, wrong = said.said.max(axis=1), said.best != said.actual
    top = np.sort(said.said, axis=1)[:, -2:]
    surest = np.flatnonzero(wrong)[np.argsort(-confidence[wrong], kind="stable")][:_SHOWN]
    hardest = np.argsort(top[:, 1] - top[:, 0], kind="stable")[:_SHOWN]
    text = "Wrong, and most sure of it. Labels that are wrong in the data are often found here."
    if not len(surest):
        text = "There is none: all rows are right."
    first = _list(task, answers, said, model, surest, "Most confident mistakes", text)
    second = _list(task, answers, said, model, hardest, "Hardest rows", "Those between whose classes it wavers most.")
    return [first, second]


def _list(
    task: ClassificationTask,
    answers: OneClass,
    said: Predictions,
    model: nn.ModuleList,
    chosen: NDArray[np.int64],
    title: str,
    text: str,
) -> Section:
    assert said.actual is not None
    names = answers.classes.names
    heads = []
    for number in chosen:
        best, actual = int(said.best[number]), int(said.actual[number])
        heads.append(
            f"{said.samples.names[number]}: says {names[best]} ({percent_text(said.said[number, best])}), "
            + (
                f"is {names[actual]} ({percent_text(said.said[number, actual])})"
                if best != actual
                else "which is right"
            )
        )
    if task.vocabulary is not None and said.samples.texts is not None:
        passages = []
        for number, head in zip(chosen, heads, strict=True):
            shown = said.samples.texts[number][:_LONGEST]
            passages.append(Passage(head, weigh_words(model, task.vocabulary, shown, int(said.best[number]))))
        if passages:
            text += " Words in blue speak for what the model says, words in orange against it (integrated gradients)."
        return Section(title, text, passages=tuple(passages))
    rows = tuple(tuple(head.split(": ", 1)) for head in heads)
    figures: tuple[Picture, ...] = ()
    if len(chosen) and said.samples.numbers is not None:
        picture = sequence_figure([said.samples.numbers[int(number)] for number in chosen], [row[0] for row in rows])
        figures = (Picture(picture, f"{title}: their features over the steps"),)
    return Section(title, text, figures, Table(("", "the model"), rows) if rows else None)


def _numbers(answers: Number, said: Predictions) -> Section:
    assert said.actual is not None
    actual = said.actual[:, 0].astype(np.float64) * answers.spread + answers.mean
    order = np.argsort(-np.abs(actual - said.said[:, 0]), kind="stable")[:_SHOWN]
    rows = tuple((said.samples.names[i], number_text(actual[i]), number_text(said.said[i, 0])) for i in order)
    picture = Picture(number_figure(actual, said.said[:, 0]), "Predicted by actual numbers")
    return Section(
        "Predictions", "Below, the rows with the largest errors.", (picture,), Table(("", "actual", "predicted"), rows)
    )


def _data(task: ClassificationTask, divided: Divided) -> Section:
    """How long the samples are, and how many there are of each class."""
    samples = divided.samples
    examples = task.encode(samples)
    unit = "steps" if task.vocabulary is None else f"{task.vocabulary.tokens.unit}s"
    lengths = examples.inputs.lengths
    middle = int(np.median(lengths))
    alike = lengths.min() == lengths.max()
    spread = f"{middle:,}" if alike else f"{lengths.min():,} to {lengths.max():,}"
    text = f"{len(samples):,} rows of {spread} {unit}" + ("." if alike else f", half of them up to {middle:,}.")
    if task.vocabulary is not None:
        unknown = _unknown_share(task, samples.take(divided.test if len(divided.test) else divided.validation))
        text += f" The vocabulary has {len(task.vocabulary):,} {unit}."
        text += "" if unknown is None else f" {percent_text(unknown)} of those held out are not in it."
    notices = (*samples.notices, *repetitions(divided))
    text += "".join(f"\n\n{notice[0].upper()}{notice[1:]}." for notice in notices)
    figures = [] if alike else [Picture(length_figure(lengths, unit), f"How many rows have how many {unit}")]
    if isinstance(task.answers, OneClass):
        counts = np.bincount(np.asarray(examples.target), minlength=task.answers.size)
        figures.append(Picture(count_figure(counts, task.answers.classes.names), "Rows of each class"))
    return Section("Data", text, tuple(figures))


def _unknown_share(task: ClassificationTask, held_out: Samples) -> float | None:
    return unknown_share(task.encode(held_out, answered=False).inputs) if len(held_out) else None
