"""What a forecaster's raw numbers mean, as nodes: quantiles in units of the window, or what these are drawn from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.exporting.graph import Graph, Value
from recurra.exporting.modules import softplus
from recurra.exporting.windows import Windows
from recurra.tasks.forecasting.drawing import PARAMETERS
from recurra.tasks.forecasting.task import ForecastingTask
from recurra.tasks.forecasting.windows import Batch

_SMALLEST = 1e-3  # spread of a distribution, as in recurra.tasks.forecasting.heads


def quantiles(graph: Graph, task: ForecastingTask, raw: Value, base: Value) -> Value:
    """``[B, H, Q]`` float64 of raw numbers ``[B, H, R]`` and the seasonal profile ``base [B, H]``."""
    levels, base = task.levels, base.unsqueeze(-1)  # [B, H, 1]
    head = task.settings.head
    if head == "point":
        return (raw + base).to(np.float64)
    if head == "quantiles":
        return _outwards(graph, raw, base, levels).to(np.float64)
    if head == "normal":
        mean, spread = _normal(raw, base)
        return mean + spread * graph.constant(_ndtri(np.array(levels)))
    freedom, mean, spread = _student(raw, base)
    return mean + spread * graph.concat([_student_t(graph, freedom, level) for level in levels], axis=-1)


def write_parameters(
    graph: Graph, task: ForecastingTask, raws: Iterable[Value], windows: Windows, spoil: Value
) -> None:
    """The output ``parameters [M, B, H, P]`` of distributions, from each member's raw numbers ``[B, H, R]``.

    They are float64, in units of the window; those of counts in units of the data. ``spoil [B]`` is added to them.
    """
    said = [_parameters(task, raw, windows) for raw in raws]
    stacked = graph.concat([one.unsqueeze(0) for one in said], axis=0) + spoil.reshape(1, -1, 1, 1).to(np.float64)
    graph.output("parameters", stacked, len(said), "B", windows.ahead, PARAMETERS[task.settings.head])


def expected_parameters(task: ForecastingTask, raws: Iterable[Tensor], batch: Batch) -> NDArray[np.float64]:
    """The same in torch."""
    head: Any = task.head
    return np.stack([torch.stack(head.parameters(raw, batch), dim=-1).double().numpy() for raw in raws])


def _parameters(task: ForecastingTask, raw: Value, windows: Windows) -> Value:
    base = windows.base.unsqueeze(-1)
    if task.settings.head == "normal":
        return raw.graph.concat(_normal(raw, base), axis=-1)
    if task.settings.head == "student-t":
        return raw.graph.concat(_student(raw, base), axis=-1)
    return raw.graph.concat(_counts(raw, base, windows.unit.unsqueeze(-1), windows.anchor.unsqueeze(-1)), axis=-1)


def _normal(raw: Value, base: Value) -> tuple[Value, Value]:
    """Mean and spread, ``[B, H, 1]`` float64 each."""
    return (raw.slice(-1, 0, 1) + base).to(np.float64), (softplus(raw.slice(-1, 1, 2)) + _SMALLEST).to(np.float64)


def _student(raw: Value, base: Value) -> tuple[Value, Value, Value]:
    """Degrees of freedom, location and scale."""
    return (2.0 + softplus(raw.slice(-1, 2, 3))).to(np.float64), *_normal(raw, base)


def _counts(raw: Value, base: Value, unit: Value, anchor: Value) -> tuple[Value, Value]:
    """Mean and dispersion; the mean bends away from 0 within one unit of the window."""
    location = (raw.slice(-1, 0, 1) + base).to(np.float64) * unit + anchor
    softness = raw.graph.op("Max", unit, raw.graph.constant(np.array(1e-6)))
    mean = softplus(location / softness) * softness + 1e-6
    return mean, softplus(raw.slice(-1, 1, 2)).to(np.float64) + 1e-4


def _outwards(graph: Graph, raw: Value, base: Value, levels: tuple[float, ...]) -> Value:
    """The median, and positive distances outwards from it."""
    below = levels.index(0.5)
    median = raw.slice(-1, 0, 1) + base
    if len(levels) == 1:
        return median
    distances = softplus(raw.slice(-1, 1)).split([1] * (len(levels) - 1), axis=-1)
    found = [median]
    for distance in reversed(distances[:below]):
        found.insert(0, found[0] - distance)
    for distance in distances[below:]:
        found.append(found[-1] + distance)
    return graph.concat(found, axis=-1)


def _student_t(graph: Graph, freedom: Value, level: float) -> Value:
    """Quantile of Student's t by Hill's expansion, as :func:`recurra.tasks.forecasting.heads.student_t_quantile`."""
    p = 2 * min(level, 1 - level)  # two tails
    a = 1.0 / (freedom - 0.5)
    b = 48.0 / (a * a)
    c = ((20700.0 * a / b - 98.0) * a - 16.0) * a + 96.36
    d = ((94.5 / (b + c) - 3.0) / b + 1.0) * graph.op("Sqrt", a * (math.pi / 2)) * freedom
    x = d * p
    y = x ** (2.0 / freedom)
    z = float(_ndtri(np.array(max(p / 2, 1e-300))))
    near = z * z
    c_near = graph.where(freedom < 5.0, c + 0.3 * (freedom - 4.5) * (z + 0.6), c)
    c_near = (((0.05 * d * z - 5.0) * z - 7.0) * z - 2.0) * z + b + c_near
    w = (((((0.4 * near + 6.3) * near + 36) * near + 94.5) / c_near - near - 3.0) / b + 1.0) * z
    central = graph.op("Exp", a * w * w) - 1.0
    tail = (
        (1.0 / (((freedom + 6.0) / (freedom * y) - 0.089 * d - 0.822) * (freedom + 2.0) * 3.0) + 0.5 / (freedom + 4.0))
        * y
        - 1.0
    ) * (freedom + 1.0) / (freedom + 2.0) + 1.0 / y
    squared = freedom * graph.where(y > 0.05 + a, central, tail)
    size = graph.op("Sqrt", graph.op("Max", squared, graph.constant(np.array(0.0))))
    return -size if level < 0.5 else size


def _ndtri(levels: np.ndarray) -> np.ndarray:
    """Quantiles of the standard normal distribution."""
    values: np.ndarray = torch.special.ndtri(torch.from_numpy(levels)).numpy()
    return values
