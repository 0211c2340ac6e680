"""Windows of a forecaster as inputs of a graph, and windows that are drawn to try it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.exporting.graph import Graph, Value
from recurra.exporting.modules import embedding, to_array
from recurra.exporting.subject import spoilt
from recurra.runtime.forecaster import GROUPS
from recurra.tasks.forecasting.cutting import Cut
from recurra.tasks.forecasting.embedding import Inputs
from recurra.tasks.forecasting.task import ForecastingTask


class Windows:
    """The fields of a batch of windows that are not empty; categories are embedded by each member's own tables.

    Args:
        graph: to write to.
        task: says which fields there are.
        ahead: how many steps there are to forecast.
        members: each reads a past of its own, ``past [M, B, C, ·]``; None if all read the same, ``[B, C, ·]``.
    """

    def __init__(self, graph: Graph, task: ForecastingTask, ahead: int, members: int | None = None) -> None:
        self.graph, self.ahead, self._members = graph, ahead, members
        sizes, counts = task.input_sizes
        own = () if members is None else (members,)
        axes: dict[str, tuple[int | str, ...]] = {
            "past": (*own, "B", "C"),
            "known": ("B", "C"),
            "ahead": ("B", ahead),
            "static": ("B",),
        }
        self._numbers, self._codes = {}, {}
        for name in GROUPS:
            group = "known" if name == "ahead" else name
            if sizes[group]:
                self._numbers[name] = graph.input(name, np.float32, *axes[name], sizes[group])
            if counts[group]:
                self._codes[name] = graph.input(f"{name}_codes", np.int64, *axes[name], len(counts[group]))
        self.base = graph.input("base", np.float32, "B", ahead)
        self._weight = graph.input("weight", np.float32, "B", 1)
        self.lengths = graph.input("lengths", np.int64, "B")

    @cached_property
    def anchor(self) -> Value:
        """``[B, 1]`` float64; an input only of graphs that speak in the units of the data, as ``unit``."""
        return self.graph.input("anchor", np.float64, "B", 1)

    @cached_property
    def unit(self) -> Value:
        """``[B, 1]`` float64."""
        return self.graph.input("unit", np.float64, "B", 1)

    def spoilt(self) -> Value:
        """``[B]`` NaN where an input is not finite; base, anchor and unit reach the output anyway."""
        axes: dict[Value, tuple[int, ...]] = dict.fromkeys(self._numbers.values(), (1, 2))
        if "static" in self._numbers:
            axes[self._numbers["static"]] = (1,)
        if self._members is not None:
            axes[self._numbers["past"]] = (0, 2, 3)
        return spoilt(self.graph, axes)

    def read(self, name: str, inputs: Inputs, member: int = 0) -> Value:
        """The numbers and the embedded categories of a group, as a member reads them."""
        tables: Any = inputs.tables["known" if name == "ahead" else name]
        parts = [self._numbers[name]] if name in self._numbers else []
        if name == "past" and self._members is not None:
            parts = [self._numbers[name].take(member, axis=0)]
        parts += [
            embedding(self.graph, to_array(table.weight), self._codes[name].take(i, axis=-1))
            for i, table in enumerate(tables)
        ]
        if name == "static":
            parts.append(self.graph.op("Log", self._weight))
        return self.graph.concat(parts, axis=-1)


def repeat(graph: Graph, vector: Value, steps: Value) -> Value:
    """``[B, ·]`` to ``[B, steps, ·]``."""
    wide = vector.unsqueeze(1)
    shape = graph.concat([wide.size(0), steps, wide.size(2)], axis=0)
    return graph.op("Expand", wide, shape)


def draw_windows(random: np.random.Generator, task: ForecastingTask, lengths: NDArray[np.int64], ahead: int) -> Cut:
    """Windows with contexts of these ``lengths [B]``, and numbers of the size that real ones have."""
    batch, steps = len(lengths), int(lengths.max())
    axes = {"past": (batch, steps), "known": (batch, steps), "ahead": (batch, ahead), "static": (batch,)}
    numbers, counts = task.input_sizes
    numbers, counts = {**numbers, "ahead": numbers["known"]}, {**counts, "ahead": counts["known"]}
    drawn = {name: random.normal(size=(*axes[name], numbers[name])).astype(np.float32) for name in GROUPS}
    codes = {
        name: np.stack([random.integers(0, count + 1, axes[name]) for count in counts[name]], axis=-1)
        for name in GROUPS
        if counts[name]
    }
    return Cut(
        **drawn,
        codes=codes,
        lengths=lengths,
        base=random.normal(size=(batch, ahead)).astype(np.float32),
        target=np.full((batch, ahead), np.nan, np.float32),
        weight=random.uniform(0.1, 2, (batch, 1)).astype(np.float32),
        anchor=random.normal(size=(batch, 1)),
        unit=random.uniform(0.5, 1.5, (batch, 1)),
    )
