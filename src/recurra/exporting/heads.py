"""What a forecaster's raw numbers mean, as nodes: quantiles in units of the window."""

from __future__ import annotations

import math

import numpy as np
import torch

from recurra.exporting.graph import Graph, Value
from recurra.exporting.modules import softplus
from recurra.tasks.forecasting.task import ForecastingTask

_SMALLEST = 1e-3  # spread of a distribution, as in recurra.tasks.forecasting.heads


def quantiles(graph: Graph, task: ForecastingTask, raw: Value, base: Value) -> Value:
    """``[B, H, Q]`` float64 of raw numbers ``[B, H, R]`` and the seasonal profile ``base [B, H]``."""
    levels, base = task.levels, base.unsqueeze(-1)  # [B, H, 1]
    head = task.settings.head
    if head == "point":
        return (raw + base).to(np.float64)
    if head == "quantiles":
        return _outwards(graph, raw, base, levels).to(np.float64)
    mean = (raw.slice(-1, 0, 1) + base).to(np.float64)
    spread = (softplus(raw.slice(-1, 1, 2)) + _SMALLEST).to(np.float64)
    if head == "normal":
        return mean + spread * graph.constant(_ndtri(np.array(levels)))
    freedom = (2.0 + softplus(raw.slice(-1, 2, 3))).to(np.float64)
    return mean + spread * graph.concat([_student_t(graph, freedom, level) for level in levels], axis=-1)


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
