"""What a language model tells the report: scores, samples, where it is surprised, and the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from recurra.data.vocabulary import FIRST
from recurra.settings import Sampling
from recurra.tasks.figures import COLOURS, EpochLine, legend, new_figure, step_axis, style, training_section
from recurra.tasks.generation.model import LanguageModel
from recurra.tasks.generation.parts import Part, Parts
from recurra.tasks.generation.position import START
from recurra.tasks.generation.scores import Floats, Scores
from recurra.tasks.sections import Findings, Passage, Picture, Section, Table

if TYPE_CHECKING:
    from recurra.data.vocabulary import Vocabulary
    from recurra.task import Scored
    from recurra.tasks.generation.task import GenerationTask

_TEMPERATURES = (0.5, 0.8, 1.0)
_SAMPLE, _PROMPT = 300, 60  # symbols
_TINT = 0.3  # of what the model was given
_WINDOWS = 120  # of the figure
_ROWS, _CONTEXT, _SHOWN = 12, 256, 24  # of the tables; symbols read before a surprise, and shown


def findings(
    task: GenerationTask, parts: Parts, scored: Scored | None, histories: Sequence[Sequence[EpochLine]]
) -> Findings:
    """All about a trained model."""
    about = (training_section(*histories), _data(task, parts))
    if scored is None:
        return Findings("Nothing was held out, so there is no score.", "neutral", (), about)
    model, nats, scores = scored.details
    sections = (
        Section("Scores", scores.scope(), table=_score_table(scores)),
        _samples(task, model, parts),
        _along(scores, nats),
        _costs(task, parts.test, nats),
        _surprises(task, model, parts.test, nats),
    )
    losing = scores.nats["model"] > min(scores.nats.values())
    return Findings(scores.verdict(), "bad" if losing else "good", _facts(scores), (*sections, *about))


def _facts(scores: Scores) -> tuple[tuple[str, str], ...]:
    return (
        ("perplexity", f"{scores.perplexity():,.2f}"),
        ("bits per character", f"{scores.bits_per_character():.3f}"),
        (f"nats per {scores.unit}", f"{scores.nats['model']:.3f}"),
        (f"{scores.unit}s scored", f"{scores.symbols:,}"),
    )


def _score_table(scores: Scores) -> Table:
    best = min(range(len(scores.nats)), key=lambda row: list(scores.nats.values())[row])
    caption = (
        f"Frequencies: each {scores.unit} by its share in training. Bigrams: by the {scores.unit} before it, "
        "mixed with the shares (Witten & Bell). Lower is better."
    )
    strong = frozenset((best, column) for column in (1, 2, 3))
    return Table(scores.heads(), tuple(scores.rows()), strong, caption)


def _samples(task: GenerationTask, model: nn.ModuleList, parts: Parts) -> Section:
    """What the model writes after the beginning of the test part."""
    prompt = task.vocabulary.decode(parts.test.ids[:_PROMPT])
    passages = []
    for temperature in _TEMPERATURES:
        sampling = Sampling(length=_SAMPLE, temperature=temperature)
        written = task.generate(model, prompt, sampling)
        passages.append(Passage(f"Temperature {temperature:g}", ((prompt, _TINT), (written.text, 0.0))))
    text = "It goes on with the beginning of the test part, which is tinted."
    return Section("Written by the model", text, passages=tuple(passages))


def _along(scores: Scores, nats: Floats) -> Section:
    text = "A flat line: the text is equally hard all along. A rise at the end: it changes from what was learned."
    alt = "Mean nats per symbol in windows along the test part"
    return Section("Along the text", text, (Picture(_along_figure(nats, scores.unit), alt),))


def _along_figure(nats: Floats, unit: str) -> Figure:
    size = -(-len(nats) // _WINDOWS)
    starts = np.arange(0, len(nats), size)
    means = [float(nats[start : start + size].mean()) for start in starts]
    with style():
        figure, (axes,) = new_figure(2.4)
        axes.plot(starts + size / 2, means, color=COLOURS["model"], label=f"windows of {size:,} {unit}s")
        axes.axhline(float(nats.mean()), color=COLOURS["muted"], linewidth=1, linestyle="--", label="mean")
        axes.set_ylabel(f"nats per {unit}")
        step_axis(axes, f"{unit} of the test part")
        legend(figure, axes)
    return figure


def _costs(task: GenerationTask, part: Part, nats: Floats) -> Section:
    """The symbols that the loss is made of."""
    V = len(task.vocabulary)
    times, cost = np.bincount(part.ids, minlength=V), np.bincount(part.ids, weights=nats, minlength=V)
    rows = tuple(
        (
            visible(task.vocabulary.symbol(int(number))),
            f"{times[number]:,}",
            f"{cost[number] / times[number]:.3f}",
            f"{cost[number] / cost.sum() * 100:.1f} %",
        )
        for number in np.argsort(-cost, kind="stable")[:_ROWS]
        if times[number]
    )
    unit = task.vocabulary.tokens.unit
    return Section(
        "What costs most",
        f"The {unit}s that most of the loss comes from.",
        table=Table((unit, "times", "mean nats", "share of all nats"), rows),
    )


def _surprises(task: GenerationTask, model: nn.ModuleList, part: Part, nats: Floats) -> Section:
    """Where the model was most wrong."""
    member = model[0]
    assert isinstance(member, LanguageModel)
    places = np.argsort(-nats, kind="stable")[:_ROWS]
    rows = tuple(_surprise(task.vocabulary, member, part.ids, int(place), float(nats[place])) for place in places)
    caption = f"Thought likeliest: after the {_CONTEXT} {task.vocabulary.tokens.unit}s before it alone."
    return Section(
        "Most surprising",
        "The least expected places of the test part.",
        table=Table(("what stood before", "what came", "nats", "thought likeliest"), rows, caption=caption),
    )


@torch.no_grad()
def _surprise(
    vocabulary: Vocabulary, member: LanguageModel, ids: Any, place: int, nats: float
) -> tuple[str, str, str, str]:
    before = np.concatenate([[START], ids[max(place - _CONTEXT, 0) : place]]).astype(np.int64)
    state = member.read(torch.from_numpy(before[None, :-1]), None) if len(before) > 1 else None
    scores, _ = member.step(torch.from_numpy(before[-1:]), state)
    likeliest = int(scores[0, 2:].argmax()) + 2
    shown = visible(vocabulary.decode(before[-_SHOWN:]))
    return shown, visible(vocabulary.symbol(int(ids[place]))), f"{nats:.1f}", visible(vocabulary.symbol(likeliest))


def _data(task: GenerationTask, parts: Parts) -> Section:
    unit = task.vocabulary.tokens.unit
    columns = ("part", f"{unit}s", "unknown", *([] if unit == "character" else ["characters"]))
    rows = tuple(
        (name, f"{len(part):,}", f"{part.unknown:,}", f"{part.characters:,}")[: len(columns)]
        for name, part in (("training", parts.training), ("validation", parts.validation), ("test", parts.test))
    )
    often = np.argsort(-np.asarray(task.counts), kind="stable")[:_ROWS]
    common = "  ".join(visible(task.vocabulary.symbol(int(number))) for number in often if task.counts[number])
    text = f"{len(task.vocabulary) - FIRST:,} {unit}s are told apart. The most frequent ones: {common}"
    notices = "".join(f"\n\n{notice[0].upper()}{notice[1:]}." for notice in parts.text.notices)
    return Section("Data", text + notices, table=Table(columns, rows))


def visible(text: str) -> str:
    """Text in which line breaks, tabs and spaces at the ends can be seen.

    >>> visible(" a b\\n")
    '␣a b⏎'
    """
    inner = text.strip(" ")
    start, end = len(text) - len(text.lstrip(" ")), len(text) - len(text.rstrip(" "))
    shown = "␣" * len(text) if not inner else "␣" * start + inner + "␣" * end
    return shown.replace("\n", "⏎").replace("\t", "⇥")
