"""The two files of an export, read and checked: the graph, and the JSON beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.errors import BundleError, DataError, MissingExtraError, ShapeError

try:
    import onnxruntime
except ImportError:
    raise MissingExtraError(
        "recurra.runtime", "needs the package onnxruntime. Install: pip install 'recurra[onnx]'."
    ) from None

FORMAT = 1
Array = NDArray[Any]
_FIELDS = {"format": int, "kind": str, "settings": dict, "onnx": dict}


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

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name.

        Raises:
            ShapeError: an input has another shape than the graph takes, or than goes with the others.
            DataError: an input has no sequences or steps, a sequence has none, or a number is not finite.
        """
        axes: dict[str, int] = {}
        for name, shape in self.inputs.items():
            _check_shape(name, inputs[name], shape, axes)
            _check_numbers(name, inputs[name])
        if "lengths" in inputs and inputs["lengths"].max() > (steps := axes.get("T", axes.get("C", 0))):
            raise ShapeError("lengths", f"must be {steps} at most, got {inputs['lengths'].max()}. Check the padding.")
        outputs = [output.name for output in self.session.get_outputs()]
        answers = dict(zip(outputs, self.session.run(outputs, dict(inputs)), strict=True))
        for name, array in answers.items():
            if np.isnan(array).any():
                raise DataError(name, "the answer must be a number, it is none. Check the size of the inputs.")
        return answers

    @property
    def inputs(self) -> dict[str, list[Any]]:
        """The shapes of the inputs; an axis of any length is a name."""
        return {one.name: one.shape for one in self.session.get_inputs()}


def read_pair(path: str | Path) -> Pair:
    """Read ``….onnx`` and the ``….json`` beside it; a pair that does not belong together is a BundleError."""
    path = Path(path)
    about = _read_about(path.with_suffix(".json"))
    if not path.is_file():
        raise BundleError(str(path), "the graph must be there, there is no such file. Check the path.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != about["onnx"].get("sha256"):
        raise BundleError(str(path), "must be the file that was exported (its SHA-256 differs). Export it anew.")
    try:
        return Pair(path, about, open_session(content))
    except Exception as error:  # ONNX Runtime has a kind of error for each cause, without a common one
        reason = str(error).splitlines()[0]
        raise BundleError(str(path), f"must be a graph that ONNX Runtime can run: {reason}. Export it anew.") from None


def open_session(graph: bytes) -> onnxruntime.InferenceSession:
    """The graph in ONNX Runtime, on one thread, which is the fastest for a few sequences; only errors are told."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _check_shape(name: str, array: Array, shape: list[Any], axes: dict[str, int]) -> None:
    """Compare with the shape that the graph takes; ``axes`` are those of any length that are known by now."""
    expected = [axes.get(axis, axis) for axis in shape]
    fits = len(expected) == array.ndim and all(
        isinstance(wanted, str) or wanted == came for wanted, came in zip(expected, array.shape, strict=True)
    )
    if not fits:
        raise ShapeError(name, f"must be [{', '.join(map(str, expected))}], got {list(array.shape)}. Change it.")
    axes |= {axis: came for axis, came in zip(shape, array.shape, strict=True) if isinstance(axis, str)}


def _check_numbers(name: str, array: Array) -> None:
    if not array.size:
        raise DataError(name, f"there must be something to read, the shape is {list(array.shape)}. Give more data.")
    if name == "lengths" and array.min() < 1:
        raise DataError(name, f"every sequence must have a step, number {array.argmin() + 1} has none. Leave it out.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(name, "all numbers must be finite, one is not. Repair the data.")


def _read_about(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise BundleError(str(path), "must be beside the graph, there is no such file. Copy both files.")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(str(path), f"must be JSON in UTF-8: {error}. Export it anew.") from None
    if not isinstance(about, dict) or any(type(about.get(name)) is not kind for name, kind in _FIELDS.items()):
        raise BundleError(str(path), f"must have the fields {', '.join(_FIELDS)}. Export it anew.")
    if about["format"] != FORMAT:
        raise BundleError(str(path), f"format {FORMAT} can be read, got {about['format']}. Use a newer recurra.")
    return about
