"""What is exported: something that can write itself as a graph, and be tried out beside it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from recurra.exporting.graph import Array, Graph, Value


@dataclass(frozen=True)
class Trial:
    """Inputs of the graph, and what must come out, by name."""

    inputs: Mapping[str, Array]
    expected: Mapping[str, Array]
    unit: float | None = None
    """What a difference is measured in; None for 1, or the value itself where it is larger."""


class Subject(Protocol):
    """A layer, or the model of a task."""

    kind: str
    """The name of the task, or ``"layer"``."""

    @property
    def streams(self) -> bool:
        """Whether a state goes in and comes out."""
        ...

    @property
    def steps(self) -> tuple[int, int, int]:
        """Three lengths to try."""
        ...

    def write(self, graph: Graph) -> None:
        """Write inputs, nodes and outputs."""
        ...

    def trial(self, random: np.random.Generator, steps: int, batch: int, begun: bool) -> Trial:
        """Draw inputs, and compute what must come out with torch; ``begun`` from a state that is not zero."""
        ...

    def describe(self) -> dict[str, Any]:
        """All that is needed beside the graph, as plain JSON values."""
        ...


def draw_lengths(random: np.random.Generator, steps: int, batch: int) -> Array:
    """``[B]`` int64 lengths from 1 to ``steps``; one is full."""
    lengths = random.integers(1, steps + 1, batch)
    lengths[-1] = steps
    return lengths


def mean(values: Sequence[Value]) -> Value:
    """What the members say together."""
    return functools.reduce(operator.add, values) / len(values)


def spoilt(graph: Graph, inputs: Mapping[Value, Sequence[int]]) -> Value:
    """``[B]`` 0, but NaN for a sequence with a number that is not finite; to be added to the outputs.

    ONNX Runtime's LSTM takes NaN for a number like others and answers with one. Each input comes with all of its axes
    but that of the sequences.
    """
    sums = [graph.op("ReduceSum", value * 0.0, graph.integers(*axes), keepdims=0) for value, axes in inputs.items()]
    return functools.reduce(operator.add, sums)


def state_inputs(graph: Graph, sizes: Mapping[str, tuple[int, int]]) -> tuple[Value, ...]:
    """Inputs for the parts of a state, ``[L, B, ·]`` each, by name."""
    return tuple(graph.input(name, np.float32, rows, "B", width) for name, (rows, width) in sizes.items())


def state_outputs(graph: Graph, sizes: Mapping[str, tuple[int, int]], state: tuple[Value, ...]) -> None:
    """The state after the last step, as ``next_…``."""
    for (name, (rows, width)), part in zip(sizes.items(), state, strict=True):
        graph.output(f"next_{name}", part, rows, "B", width)


def draw_state(
    random: np.random.Generator, sizes: Mapping[str, tuple[int, int]], batch: int, begun: bool
) -> dict[str, Array]:
    """A state to begin with, or zeros."""
    shapes = {name: (rows, batch, width) for name, (rows, width) in sizes.items()}
    return {name: (random.normal(size=shape) * begun * 0.5).astype(np.float32) for name, shape in shapes.items()}
