"""The section of the report about single classes, and the figures of classes that several tasks draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from recurra.tasks.class_scores import ClassScore
from recurra.tasks.figures import COLOURS, new_figure, style, tick_text
from recurra.tasks.sections import Picture, Section, Table
from recurra.tasks.wording import number_text, percent_text

_MOST_CLASSES = 40  # in the table
_MOST_IN_MATRIX = 25
_MOST_BARS = 30


def class_section(title: str, classes: Sequence[ClassScore], confusion: Sequence[Sequence[int]]) -> Section:
    """Precision, recall and F1 of each class, the weakest first; and a confusion matrix of few classes."""
    order = sorted(classes, key=lambda one: (one.f1 is not None, one.f1 or 0.0, one.name))[:_MOST_CLASSES]
    rows = tuple(
        (one.name, f"{one.actual:,}", f"{one.predicted:,}", *(percent_text(v) for v in (one.precision, one.recall)), f1)
        for one in order
        for f1 in [number_text(one.f1)]
    )
    left = len(classes) - len(order)
    text = "The weakest first." + (f" {left:,} better ones are left out." if left else "")
    table = Table(("", "actual", "predicted", "precision", "recall", "F1"), rows)
    figures: tuple[Picture, ...] = ()
    if 0 < len(confusion) <= _MOST_IN_MATRIX:
        names = [one.name for one in classes]
        alt = "Confusion matrix: actual classes by predicted ones"
        figures = (Picture(confusion_figure(confusion, names), alt, "Rows are actual, columns predicted."),)
    return Section(title, text, figures, table)


def confusion_figure(counts: Sequence[Sequence[int]], names: Sequence[str]) -> Figure:
    """How often an actual class (row) was predicted as each (column), shaded by the share of its row."""
    matrix = np.array(counts)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    with style():
        figure, (axes,) = new_figure(1.0 + 0.32 * max(len(names), 3))
        axes.grid(visible=False)
        for (row, column), share in np.ndenumerate(shares):
            # A rectangle for each cell and no image: its colours are the page's, also in the dark.
            axes.barh(row, 0.96, 0.94, left=column - 0.48, color=COLOURS["model"], alpha=0.06 + 0.8 * float(share))
            axes.text(column, row, f"{matrix[row, column]:,}" if matrix[row, column] else "", ha="center", va="center")
        axes.set_xticks(range(len(names)), [_short(name) for name in names], rotation=45 if len(names) > 6 else 0)
        axes.set_yticks(range(len(names)), [_short(name) for name in names])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda place, _: _short(names[int(place)])))
        axes.invert_yaxis()
        axes.set_xlabel("predicted")
        axes.set_ylabel("actual")
    return figure


def count_figure(counts: NDArray[np.int64], names: Sequence[str], title: str) -> Figure:
    """How often each class comes, the most frequent first."""
    order = np.argsort(-counts, kind="stable")[:_MOST_BARS]
    with style():
        figure, (axes,) = new_figure(0.7 + 0.2 * len(order))
        axes.barh(range(len(order)), counts[order], color=COLOURS["model"])
        axes.set_yticks(range(len(order)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda at, _: _short(names[int(order[int(at)])])))
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
        left = f", {len(names) - len(order):,} more are not shown" if len(names) > len(order) else ""
        axes.set_title(f"{title}{left}")
    return figure


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"
