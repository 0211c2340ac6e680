"""What a tagger tells the report: scores, labels, where it was wrong, the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from recurra.task import Scored
from recurra.tasks.class_sections import class_section, count_figure
from recurra.tasks.figures import EpochLine, length_figure, training_section
from recurra.tasks.sections import Findings, Passage, Picture, Section, Table
from recurra.tasks.tagging.predictions import Predictions
from recurra.tasks.tagging.scores import Scores
from recurra.tasks.tagging.split import Divided, repetitions
from recurra.tasks.tagging.summary import METRICS, RIVAL, remarks, tone, verdict
from recurra.tasks.wording import number_text, percent_text

if TYPE_CHECKING:
    from recurra.tasks.tagging.task import TaggingTask

_SHOWN = 8  # sentences in a list
_LONGEST = 60  # tokens of a sentence that are shown
_FACTS = 4


def findings(
    task: TaggingTask, divided: Divided, scored: Scored | None, histories: Sequence[Sequence[EpochLine]]
) -> Findings:
    """All about a trained model; without a score, the training and the data."""
    about = (training_section(*histories), _data(task, divided))
    if scored is None:
        return Findings("Nothing was held out, so there is no score.", "neutral", (), about)
    scores: Scores = scored.scores  # type: ignore[assignment]
    predictions: Predictions = scored.details
    labels = "Tags" if scores.scheme is None else "Spans by label"
    sections = (
        _scores(scores),
        class_section(labels, scores.classes, scores.confusion),
        _hardest(predictions),
    )
    facts = [(METRICS[name], number_text(value)) for name, value in list(scores.model.items())[:_FACTS]]
    facts.append(("tokens", f"{scores.tokens:,}"))
    return Findings(verdict(scores), tone(scores), tuple(facts), (*sections, *about))


def _scores(scores: Scores) -> Section:
    names = list(scores.model)
    rows = tuple(
        (who, *(number_text(values.get(name)) for name in names))
        for who, values in (("model", scores.model), (RIVAL, scores.naive))
    )
    best = frozenset((int(scores.model[n] < scores.naive[n]), column) for column, n in enumerate(names, start=1))
    table = Table(("", *(METRICS[n] for n in names)), rows, best, "The better value of each column stands out.")
    text = f"On {scores.sentences:,} sentences that the model had not seen."
    if scores.scheme is not None:
        text += " A span is right if its label, its first and its last token all are."
    return Section("Scores", " ".join([text, *remarks(scores)]), table=table)


def _hardest(said: Predictions) -> Section:
    """The sentences with the most mistakes."""
    assert said.sentences.tags is not None
    wrong = np.array(
        [
            sum(a != b for a, b in zip(true, given, strict=True))
            for true, given in zip(said.sentences.tags, said.tags, strict=True)
        ]
    )
    order = np.argsort(-wrong, kind="stable")[:_SHOWN]
    passages = tuple(_passage(said, int(number)) for number in order if wrong[number])
    if not passages:
        return Section("Hardest sentences", "There is none: all tags are right.")
    text = (
        "Those with the most mistakes. A wrong tag stands behind its word: what the model says, then what is true. "
        "Tags that are wrong in the data are often found here."
    )
    text += "" if said.sentences.marks is None else " Marked words are blue."
    return Section("Hardest sentences", text, passages=passages)


def _passage(said: Predictions, number: int) -> Passage:
    assert said.sentences.tags is not None
    tokens = said.sentences.tokens[number]
    marks = (False,) * len(tokens) if said.sentences.marks is None else said.sentences.marks[number]
    pieces = []
    rows = zip(tokens, said.sentences.tags[number], said.tags[number], marks, strict=True)
    for token, true, given, mark in list(rows)[:_LONGEST]:
        right = (f"{token} ", float(mark))
        pieces.append(right if true == given else (f"{token} [{given}, not {true}] ", -1.0))
    return Passage(said.sentences.names[number], tuple(pieces))


def _data(task: TaggingTask, divided: Divided) -> Section:
    """How long the sentences are, and how often each tag comes."""
    sentences = divided.sentences
    examples = task.encode(sentences)
    assert examples.target is not None
    lengths = examples.inputs.lengths
    held_out = sentences.take(divided.test if len(divided.test) else divided.validation)
    text = f"{sentences.size}, half of the sentences of up to {int(np.median(lengths)):,} tokens."
    text += f" {len(task.words):,} words are known."
    if len(held_out):
        unknown = float(task.inputs(held_out).unknown.mean())
        text += f" {percent_text(unknown)} of the held-out tokens are not among them."
    text += "".join(f"\n\n{notice[0].upper()}{notice[1:]}." for notice in (*sentences.notices, *repetitions(divided)))
    counts = np.bincount(examples.target.numpy(), minlength=len(task.classes))
    figures = (
        Picture(length_figure(lengths, "tokens", "Sentences"), "How many sentences have how many tokens"),
        Picture(count_figure(counts, task.classes.names, "Tokens by tag"), "Tokens of each tag"),
    )
    return Section("Data", text, figures)
