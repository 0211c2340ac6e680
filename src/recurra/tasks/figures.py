"""The common style of all figures, and the section of the report that every task has: its training.

Figures are made without pyplot, so nothing global is touched, and never read ``$`` in a name as a formula. Every colour
is one of :data:`COLOURS`, which lets the report exchange them in the dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from recurra.tasks.sections import Picture, Section

COLOURS = {
    "ink": "#1f2a37",
    "muted": "#66707d",
    "line": "#d5dae1",
    "grid": "#eceff3",
    "model": "#1f6fb4",
    "accent": "#c2570c",
    "second": "#3c8c6a",
    "third": "#8a5aa8",
}
"""Names and values; told apart also without red or green (each differs in lightness)."""
WIDTH = 9.0  # inches; 648 points, shown about 900 pixels wide
_STYLE: Any = {
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.edgecolor": COLOURS["line"],
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.labelcolor": COLOURS["muted"],
    "axes.linewidth": 0.8,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.labelcolor": COLOURS["ink"],
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.3,
    "lines.solid_joinstyle": "round",
    "text.color": COLOURS["ink"],
    "text.parse_math": False,
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
}


@contextmanager
def style() -> Iterator[None]:
    """The style, for as long as figures are made or drawn."""
    with mpl.rc_context(_STYLE):
        yield


def new_figure(height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure of the common width, ``height`` inches high, and its axes row by row."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel().tolist()
    for one in axes:
        one.yaxis.set_major_locator(MaxNLocator(5))
        one.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
        one.margins(x=0.01)
    return figure, axes


def tick_text(value: float) -> str:
    """A number beside an axis.

    >>> tick_text(12000.0), tick_text(0.1 + 0.2), tick_text(-2.5)
    ('12,000', '0.3', '−2.5')
    """
    return f"{value:,.6g}".replace("-", "−") if abs(value) < 1e6 else f"{value:,.10g}".replace("-", "−")


def time_axis(axes: Axes, time: NDArray[Any]) -> None:
    """Dress the horizontal axis for dates, or for plain step numbers."""
    if time.dtype.kind == "M":
        locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.xaxis.get_offset_text().set_color(COLOURS["muted"])
    else:
        step_axis(axes)


def step_axis(axes: Axes, label: str = "") -> None:
    """Dress the horizontal axis for whole numbers."""
    axes.xaxis.set_major_locator(MaxNLocator(9, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
    axes.set_xlabel(label)


def legend(figure: Figure, axes: Axes) -> None:
    """One line of legend above the figure, where it covers no data."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper left", ncols=min(len(handles), 6))


def length_figure(lengths: NDArray[np.int64], unit: str, things: str) -> Figure:
    """How many things, such as rows, have how many steps."""
    with style():
        figure, (axes,) = new_figure(1.9)
        most = int(lengths.max())
        edges = np.unique(np.linspace(lengths.min(), most + 1, min(most - int(lengths.min()) + 2, 60)).astype(int))
        axes.hist(lengths, bins=edges.tolist(), color=COLOURS["model"])
        axes.set_title(f"{things} by length")
        step_axis(axes, unit)
    return figure


class EpochLine(Protocol):
    """One line of a training's history."""

    @property
    def step(self) -> int:
        """Optimiser steps done."""

    @property
    def loss(self) -> float:
        """Mean training loss since the last line."""

    @property
    def validation(self) -> float | None:
        """Lower is better."""

    @property
    def learning_rate(self) -> float:
        """Of the last step."""


def training_figure(*histories: Sequence[EpochLine]) -> Figure:
    """Training loss, validation score (its best marked) and learning rate by optimiser step, one line per member."""
    validated = any(line.validation is not None for history in histories for line in history)
    several = f" of {len(histories)} members" if len(histories) > 1 else ""
    titles = [f"Training loss{several}", *(["Validation score"] if validated else []), "Learning rate"]
    with style():
        figure, axes = new_figure(2.5, 1, len(titles), width_ratios=[3] * (len(titles) - 1) + [1.6])
        for title, one in zip(titles, axes, strict=True):
            one.set_title(title)
            step_axis(one, "step")
            one.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        for history in histories:
            _training_lines(axes[0], axes[1] if validated else None, axes[-1], history)
        for one in axes[:-1]:
            _logarithmic_if_wide(one)
        axes[-1].yaxis.set_major_locator(MaxNLocator(3))
        axes[-1].set_ylim(bottom=0)
    return figure


def training_section(*histories: Sequence[EpochLine]) -> Section:
    """The section about the training, one history per member."""
    alt = "Training loss, validation score and learning rate by optimiser step"
    text = "The weights are those of the best validation score." if _validated(histories) else ""
    return Section("Training", text, (Picture(training_figure(*histories), alt),))


def _training_lines(loss: Axes, validation: Axes | None, rate: Axes, history: Sequence[EpochLine]) -> None:
    steps = np.array([line.step for line in history])
    mark = "o" if len(steps) < 3 else ""
    loss.plot(steps, [line.loss for line in history], color=COLOURS["ink"], marker=mark, markersize=4)
    rate.plot(steps, [line.learning_rate for line in history], color=COLOURS["muted"], marker=mark, markersize=4)
    if validation is None:
        return
    scores = np.array([np.nan if line.validation is None else line.validation for line in history])
    validation.plot(steps, scores, color=COLOURS["model"], marker=mark, markersize=4)
    if np.isfinite(scores).any():
        best = int(np.nanargmin(scores))
        validation.plot(steps[best], scores[best], "o", color=COLOURS["accent"], markersize=6)
        text = f"best {scores[best]:.4g} at {steps[best]:,}"
        validation.set_title(text, loc="right", color=COLOURS["accent"], fontsize=8.5, weight="normal")


def _logarithmic_if_wide(axes: Axes) -> None:
    """Use a logarithmic axis where the curve spans more than a factor of 20: its end would be a flat line."""
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in axes.lines] or [np.zeros(1)])
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() / values.min() > 20:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))


def _validated(histories: Sequence[Sequence[EpochLine]]) -> bool:
    return any(line.validation is not None for history in histories for line in history)
