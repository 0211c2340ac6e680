"""Figures of a classifier: calibration, numbers, and single sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from recurra.tasks.figures import COLOURS, new_figure, step_axis, style, tick_text

if TYPE_CHECKING:
    from recurra.tasks.classification.scores import Bin

_MOST_LINES = 12  # features of a sequence that are drawn


def calibration_figure(bins: Sequence[Bin]) -> Figure:
    """The share that is right by the model's confidence, beside the diagonal; and how often each confidence comes."""
    means = np.array([one.confidence for one in bins])
    with style():
        figure, (curve, often) = new_figure(2.8, 1, 2)
        curve.plot([0, 1], [0, 1], color=COLOURS["line"])
        curve.plot(means, [one.right for one in bins], color=COLOURS["model"], marker="o", markersize=4)
        often.bar(means, [one.count for one in bins], width=0.05, color=COLOURS["model"])
        curve.set_title("Share that is right")
        often.set_title("Rows")
        curve.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for axes in (curve, often):
            axes.set_xlim(0, 1.02)
            axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.set_xlabel("confidence")
    return figure


def number_figure(actual: NDArray[np.float64], said: NDArray[np.float64]) -> Figure:
    """Predicted by actual numbers, beside the diagonal."""
    with style():
        figure, (axes,) = new_figure(3.6)
        ends = [float(min(actual.min(), said.min())), float(max(actual.max(), said.max()))]
        axes.plot(ends, ends, color=COLOURS["line"])
        axes.plot(actual, said, ".", color=COLOURS["model"], markersize=4, alpha=0.6)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
        axes.set_xlabel("actual")
        axes.set_ylabel("predicted")
    return figure


def sequence_figure(sequences: Sequence[NDArray[Any]], titles: Sequence[str]) -> Figure:
    """Up to eight sequences: features over steps, pixels as an image of rows."""
    columns = 4
    rows = -(-len(sequences) // columns)
    with style():
        figure, axes = new_figure(1.9 * rows, rows, columns)
        for one, values, title in zip(axes, sequences, titles, strict=False):
            one.set_title(title, fontsize=8)
            if values.dtype == np.uint8:
                one.imshow(values, cmap="gray", aspect="equal")
                one.set_axis_off()
            else:
                one.plot(values[:, :_MOST_LINES], linewidth=0.8)
                step_axis(one)
                one.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        for unused in axes[len(sequences) :]:
            unused.set_axis_off()
    return figure
