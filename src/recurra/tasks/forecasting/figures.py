"""Figures of a forecaster: the data and their holes, forecasts with intervals, errors by step, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from recurra.tasks.figures import COLOURS, legend, new_figure, step_axis, style, tick_text, time_axis
from recurra.tasks.forecasting.forecasts import Forecasts
from recurra.tasks.forecasting.scores import Scores

Floats = NDArray[np.float64]
Times = NDArray[Any]

PANELS = 6
"""Series that a figure shows at most."""
_BUCKETS = 700  # of a long series' envelope: finer than the pixels of the page
_SHORT = 2 * _BUCKETS  # steps up to which a series is drawn as it is
_WINDOWS = 4  # that a panel shows one after the other
_BASELINES = ("accent", "second", "third", "muted")


def data_figure(
    time: Sequence[Times], values: Sequence[Floats], names: Sequence[str], holes: Sequence[NDArray[np.bool_]]
) -> Figure:
    """Up to :data:`PANELS` series over time, with the steps that have no measured value marked.

    Args:
        time: of each series, [T].
        values: of each series, [T]; NaN breaks the line.
        names: of each series.
        holes: of each series, [T] true where the value was missing, filled or not.
    """
    shown = spread(len(names), PANELS)
    with style():
        figure, axes = new_figure(0.5 + 1.45 * len(shown), len(shown))
        for one, s in zip(axes, shown, strict=True):
            thin = 0.9 if len(values[s]) <= _SHORT else 0.6
            one.plot(*_envelope(time[s], values[s]), color=COLOURS["ink"], linewidth=thin)
            _mark_holes(one, time[s], holes[s])
            _panel_titles(one, names[s], _holes_text(holes[s]))
            time_axis(one, time[s])
    return figure


def forecast_figure(
    forecasts: Forecasts, history: Mapping[str, tuple[Times, Floats]] | None = None, panels: int = PANELS
) -> Figure:
    """The last windows of several series, or the last and the worst ones of a single series, with their intervals.

    Args:
        forecasts: at least one window.
        history: times and values [T] of series by name, of which the part just before and beside the windows is drawn.
        panels: series to show at most.
    """
    chosen = _choose_windows(forecasts, panels)
    with style():
        figure, axes = new_figure(0.75 + 1.75 * len(chosen), len(chosen))
        for one, (right, windows) in zip(axes, chosen, strict=True):
            name = forecasts.names[forecasts.series[windows[0]]]
            _draw_known(one, forecasts, windows, (history or {}).get(name))
            for window in windows:
                _draw_window(one, forecasts, int(window))
            _panel_titles(one, name, right)
            time_axis(one, forecasts.time)
        legend(figure, axes[0])
    return figure


def horizon_figure(scores: Scores) -> Figure:
    """MAE at each forecast step, of the model and of the naive methods."""
    steps = np.arange(1, scores.horizon + 1)
    with style():
        figure, (axes,) = new_figure(2.9)
        for rank, (name, errors) in enumerate(list(scores.by_step.items())[::-1]):
            values = np.array([np.nan if e is None else e for e in errors])
            axes.plot(steps, values, label=name, zorder=2 + rank, **_method_style(name, scores))
        axes.set_ylim(bottom=0)
        step_axis(axes, "steps ahead")
        axes.set_title("Mean absolute error")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=min(len(handles), 6))
    return figure


def calibration_figure(scores: Scores) -> Figure:
    """Whether quantiles and intervals hold what they say: each level against the share of values below it."""
    with style():
        figure, (left, right) = new_figure(3.3, 1, 2)
        _draw_levels(left, scores)
        _draw_intervals(right, scores)
        for one in (left, right):
            one.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.0f} %"))
    return figure


def spread(count: int, most: int) -> list[int]:
    """Up to ``most`` of ``count`` places, evenly spread from the first to the last.

    >>> spread(3, 6), spread(100, 4)
    ([0, 1, 2], [0, 33, 66, 99])
    """
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most))})


def _panel_titles(axes: Axes, name: str, right: str) -> None:
    axes.set_title(_shorten(name))
    axes.set_title(right, loc="right", color=COLOURS["muted"], fontsize=8.5, weight="normal")


def _shorten(name: str, most: int = 60) -> str:
    name = " ".join(name.split())
    return name if len(name) <= most else name[: most - 1] + "…"


def _envelope(time: Times, values: Floats) -> tuple[Times, Floats]:
    """A long series by the lowest and the highest value of each stretch, in their order; a short one as it is."""
    if len(values) <= _SHORT:
        return time, values
    size = -(-len(values) // _BUCKETS)
    padded = np.pad(values, (0, -len(values) % size), constant_values=np.nan).reshape(-1, size)
    low = np.where(np.isnan(padded), np.inf, padded).argmin(axis=1)
    high = np.where(np.isnan(padded), -np.inf, padded).argmax(axis=1)
    place = np.sort(np.stack([low, high], axis=1), axis=1)  # [buckets, 2]
    at = (place + size * np.arange(len(padded))[:, None]).ravel()
    return time[at], values[at]


def _runs(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[runs, 2] first and last place of each run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    runs: NDArray[np.int64] = edges.reshape(-1, 2) - np.array([0, 1])
    return runs


def _mark_holes(axes: Axes, time: Times, holes: NDArray[np.bool_]) -> None:
    """Shade the holes; those nearer to each other than a pixel become one."""
    size = max(1, -(-len(holes) // _BUCKETS))
    coarse = np.pad(holes, (0, -len(holes) % size)).reshape(-1, size).max(axis=1)
    for first, last in _runs(coarse):
        begin, end = time[first * size], time[min((last + 1) * size, len(time)) - 1]
        axes.axvspan(begin, end, facecolor=COLOURS["accent"], edgecolor=COLOURS["accent"], alpha=0.35, linewidth=1)


def _holes_text(holes: NDArray[np.bool_]) -> str:
    steps, missing, gaps = len(holes), int(holes.sum()), len(_runs(holes))
    text = f"{steps:,} steps, none missing" if not missing else f"{steps:,} steps, {missing:,} missing in {gaps:,} "
    return text + ("" if not missing else "gap" if gaps == 1 else "gaps")


def _choose_windows(forecasts: Forecasts, panels: int) -> list[tuple[str, NDArray[np.int64]]]:
    """For each panel what to say on its right, and its windows."""
    present = np.unique(forecasts.series)
    chosen = []
    for place in spread(len(present), panels):
        windows = _last_windows(forecasts, int(present[place]))
        chosen.append(("the last window" if len(windows) == 1 else f"the last {len(windows)} windows", windows))
    if len(present) == 1 and len(forecasts.series) > _WINDOWS:
        worst = _worst_window(forecasts)
        chosen.append(("the window with the largest error", np.array([worst])))
    return chosen


def _last_windows(forecasts: Forecasts, series: int) -> NDArray[np.int64]:
    """The last windows of a series that have known values and do not overlap, oldest first."""
    mine = np.flatnonzero(forecasts.series == series)
    known = mine[(~np.isnan(forecasts.actual[mine])).any(axis=1)]
    mine = known if len(known) else mine
    kept: list[int] = []
    for window in mine[np.argsort(forecasts.time[mine, 0], kind="stable")][::-1]:
        if len(kept) < _WINDOWS and (not kept or forecasts.time[window, -1] < forecasts.time[kept[-1], 0]):
            kept.append(int(window))
    return np.array(kept[::-1])


def _worst_window(forecasts: Forecasts) -> int:
    error = np.abs(forecasts.actual - forecasts.point)
    known = ~np.isnan(error)
    return int(np.argmax(np.where(known, error, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)))


def _draw_known(
    axes: Axes, forecasts: Forecasts, windows: NDArray[np.int64], history: tuple[Times, Floats] | None
) -> None:
    """What really came: over the windows, and as many steps before them."""
    if history is None:
        time, values = forecasts.time[windows].ravel(), forecasts.actual[windows].ravel()
    else:
        first, last = np.searchsorted(history[0], forecasts.time[windows[[0, -1]], [0, -1]])
        before = min(max(last - first + 1, forecasts.point.shape[1]), 3 * forecasts.point.shape[1])
        part = slice(max(first - before, 0), last + 1)
        time, values = history[0][part], history[1][part]
    mark = "" if len(values) > 60 else "o"
    axes.plot(time, values, color=COLOURS["ink"], linewidth=1.1, marker=mark, markersize=2.2, label="actual", zorder=3)


def _draw_window(axes: Axes, forecasts: Forecasts, window: int) -> None:
    time, levels = forecasts.time[window], forecasts.levels
    first = not any(line.get_label() == "forecast" for line in axes.lines)
    for low in range(len(levels) // 2):
        high = len(levels) - 1 - low  # inner intervals lie on the outer ones and are darker
        name = f"{(levels[high] - levels[low]) * 100:.4g} % interval"
        axes.fill_between(
            time,
            forecasts.quantiles[window, :, low],
            forecasts.quantiles[window, :, high],
            color=COLOURS["model"],
            alpha=min(0.2 + 0.12 * low, 0.5),
            linewidth=0,
            label=name if first else None,
        )
    axes.axvline(time[0], color=COLOURS["line"], linewidth=0.8, zorder=1)
    mark = "o" if len(time) < 3 else ""
    label = "forecast" if first else None
    axes.plot(time, forecasts.point[window], color=COLOURS["model"], linewidth=1.5, marker=mark, label=label, zorder=4)


def _method_style(name: str, scores: Scores) -> dict[str, Any]:
    mark = {"marker": "o", "markersize": 3.5} if scores.horizon <= 24 else {}
    if name == "model":
        return {"color": COLOURS["model"], "linewidth": 2.2, **mark}
    place = [other for other in scores.by_step if other != "model"].index(name)
    return {"color": COLOURS[_BASELINES[place % len(_BASELINES)]], "linewidth": 1.2, **mark}


def _draw_levels(axes: Axes, scores: Scores) -> None:
    axes.plot([0, 1], [0, 1], color=COLOURS["accent"], linewidth=1.2, linestyle=(0, (4, 3)))
    levels, below = [c.level for c in scores.calibration], [c.below for c in scores.calibration]
    axes.plot(levels, below, "o-", color=COLOURS["model"], markersize=6, clip_on=False)
    axes.set(title="Values below each quantile", xlabel="level of the quantile", xlim=(0, 1), ylim=(0, 1))
    _side_title(axes, "dashes: as it should be")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))


def _draw_intervals(axes: Axes, scores: Scores) -> None:
    """A bar for each interval, a stroke where it should end."""
    names = [f"{i.nominal * 100:.4g} % interval\nholds {i.actual * 100:.1f} %" for i in scores.coverage]
    places = np.arange(len(names))
    axes.bar(places, [i.actual for i in scores.coverage], width=0.45, color=COLOURS["model"], alpha=0.75)
    for place, interval in zip(places, scores.coverage, strict=True):
        axes.plot([place - 0.32, place + 0.32], [interval.nominal] * 2, color=COLOURS["accent"], linewidth=2)
    axes.set_xticks(places, names)
    axes.set(title="Values within each interval", ylim=(0, 1), xlim=(-0.8, max(len(names), 1) - 0.2))
    _side_title(axes, "stroke: as it should be")


def _side_title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="right", color=COLOURS["accent"], fontsize=8.5, weight="normal")
