"""The two files of an export, read and checked: the graph, and the JSON beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.errors import BundleError, DataError, MissingExtraError, ShapeError
from recurra.runtime.graph_file import check_graph
from recurra.sealed import check_entry, check_fields, read_sealed, read_whole

try:
    import onnxruntime
except ImportError:
    raise MissingExtraError(
        "recurra.runtime", "needs the package onnxruntime. Install: pip install 'recurra[onnx]'."
    ) from None

FORMAT = 1
_TYPES = {np.float32: "tensor(float)", np.float64: "tensor(double)"}
_LARGEST = 2**31  # bytes of a graph; protocol buffers have no larger ones
_FIELDS = {
    "format": int,
    "kind": str,
    "settings": dict,
    "onnx": dict,
    "verification": dict,
    "provenance": dict,
    "version": str,
    "sha256": str,
}
_ENTRY = {"file": str, "bytes": int, "sha256": str, "opset": int, "int8": bool}
Array = NDArray[Any]
Ports = Mapping[str, tuple[Any, list[Any]]]
"""Inputs or outputs by name: the type of their numbers and their shape, an axis of any length by a name."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A graph that is ready to run, and all that is said about it."""

    path: Path
    about: Mapping[str, Any]
    session: onnxruntime.InferenceSession

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the task, or the layer, is."""
        settings: Mapping[str, Any] = self.about["settings"]
        return settings

    @property
    def sha256(self) -> str:
        """The hash of the graph."""
        sha256: str = self.about["onnx"]["sha256"]
        return sha256

    @cached_property
    def inputs(self) -> dict[str, list[Any]]:
        """The shapes of the inputs; an axis of any length is a name."""
        return {one.name: one.shape for one in self.session.get_inputs()}

    @cached_property
    def _outputs(self) -> dict[str, list[Any]]:
        return {one.name: one.shape for one in self.session.get_outputs()}

    def require(self, outputs: Ports, states: Sequence[str] = ()) -> None:
        """Refuse a graph that says anything else than what the settings speak of: its numbers would be taken for that.

        Args:
            outputs: all of them but the states.
            states: inputs, ``[L, B, ·]`` float32, that come out as ``next_…`` in the same shape.
        """
        for name in states:
            self._check_state(name)
        after = {f"next_{name}": (np.float32, self.inputs[name]) for name in states}
        wanted = {name: (_TYPES[dtype], list(shape)) for name, (dtype, shape) in {**outputs, **after}.items()}
        found = {one.name: (one.type, one.shape) for one in self.session.get_outputs()}
        odd = sorted(name for name in set(found) | set(wanted) if found.get(name) != wanted.get(name))
        if odd:
            due, came = (_port_text(ports.get(odd[0])) for ports in (wanted, found))
            raise BundleError(
                str(self.path),
                f"its output {odd[0]!r:.50} must be {due}, as its JSON says, it is {came}. Export it anew.",
            )

    def _check_state(self, name: str) -> None:
        """A state has fewer numbers than the graph has weights, so that none is made that is larger."""
        match self.inputs[name]:
            case [int(rows), "B", int(width)] if 0 < rows * width <= self.about["onnx"]["bytes"]:
                return
        raise BundleError(
            str(self.path), f"its input {name!r:.50} must be a state of this model, it is {self.inputs[name]!s:.80}."
        )

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name.

        Raises:
            ShapeError: an input has another shape than the graph takes, or than goes with the others.
            DataError: an input has no sequences or steps, a sequence has none, or a number is not finite.
            BundleError: the graph takes other inputs, cannot compute with them, or answers in another shape.
        """
        if set(inputs) != set(self.inputs):
            odd = sorted(set(inputs) ^ set(self.inputs))[0]
            raise BundleError(str(self.path), f"must take the inputs of its settings, {odd!r:.50} is not in both.")
        axes: dict[str, int] = {}
        for name, shape in self.inputs.items():
            _check_shape(name, inputs[name], shape, axes)
            _check_numbers(name, inputs[name])
        if "lengths" in inputs and inputs["lengths"].max() > (steps := axes.get("T", axes.get("C", 0))):
            raise ShapeError("lengths", f"must be {steps} at most, got {inputs['lengths'].max()}. Check the padding.")
        answers = self._compute(inputs)
        for name, array in answers.items():
            if not _fits(array.shape, self._outputs[name], axes):
                raise BundleError(str(self.path), f"its output {name!r:.50} must fit its inputs, got {array.shape}.")
            if np.isnan(array).any():
                raise DataError(name, "the answer must be a number, it is none. Check the size of the inputs.")
        return answers

    def _compute(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        try:
            return dict(zip(self._outputs, self.session.run(list(self._outputs), dict(inputs)), strict=True))
        except Exception as error:  # ONNX Runtime has a kind of error for each cause, without a common one
            raise BundleError(str(self.path), f"the graph must compute, it cannot: {_first_line(error)}") from None


def states_of(pair: Pair) -> list[str]:
    """The inputs of a task's graph that are parts of a state."""
    return [name for name in pair.inputs if name.startswith("state_")]


def read_pair(path: str | Path) -> Pair:
    """Read ``….onnx`` and the ``….json`` beside it, also from a stranger.

    Raises:
        BundleError: the two do not belong together, or one of them is not as ``recurra export`` writes it.
    """
    path = Path(path)
    about_path = path.with_suffix(".json")
    for file, what in ((about_path, "must be beside the graph"), (path, "the graph must be there")):
        if not os.path.lexists(file):
            raise BundleError(str(file), f"{what}, there is no such file. Copy both files.")
    about = read_sealed(about_path)
    check_fields(about, _FIELDS, FORMAT, about_path)
    check_entry("the graph", about["onnx"], _ENTRY, about_path)
    if about["onnx"]["bytes"] > _LARGEST:
        raise BundleError(str(path), f"a graph has {_LARGEST:,} bytes at most, got {about['onnx']['bytes']:,}.")
    content = read_whole(path, about["onnx"])
    check_graph(content, path)
    try:
        return Pair(path, about, open_session(content))
    except Exception as error:  # of any kind, as above
        raise BundleError(
            str(path), f"must be a graph that ONNX Runtime can run: {_first_line(error)}. Export it anew."
        ) from None


def _port_text(port: tuple[str, list[Any]] | None) -> str:
    return "absent" if port is None else f"{port[0]} [{', '.join(map(str, port[1])):.80}]"


def _first_line(error: Exception) -> str:
    return f"{(str(error).splitlines() or [type(error).__name__])[0]:.200}"


def open_session(graph: bytes) -> onnxruntime.InferenceSession:
    """The graph in ONNX Runtime, on one thread, which is the fastest for a few sequences; errors are not printed.

    Nothing is computed on loading: a stranger's graph might ask for constants of any size.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
    )


def _check_shape(name: str, array: Array, shape: list[Any], axes: dict[str, int]) -> None:
    """Compare with the shape that the graph takes; ``axes`` are those of any length that are known by now."""
    if not _fits(array.shape, shape, axes):
        expected = [axes.get(axis, axis) for axis in shape]
        raise ShapeError(name, f"must be [{', '.join(map(str, expected))}], got {list(array.shape)}. Change it.")
    axes |= {axis: came for axis, came in zip(shape, array.shape, strict=True) if isinstance(axis, str)}


def _fits(came: tuple[int, ...], shape: list[Any], axes: Mapping[str, int]) -> bool:
    """Whether each axis is as long as the shape says, or as the axis of this name is known to be."""
    expected = [axes.get(axis, axis) for axis in shape]
    return len(expected) == len(came) and all(
        not isinstance(wanted, int) or wanted == found for wanted, found in zip(expected, came, strict=True)
    )


def _check_numbers(name: str, array: Array) -> None:
    if not array.size:
        raise DataError(name, f"there must be something to read, the shape is {list(array.shape)}. Give more data.")
    if name == "lengths" and array.min() < 1:
        raise DataError(name, f"every sequence must have a step, number {array.argmin() + 1} has none. Leave it out.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(name, "all numbers must be finite, one is not. Repair the data.")
