"""An ONNX graph, written node by node: values know arithmetic, so that equations read as they do in the papers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Array = NDArray[Any]
_LEVELS = 127  # of an int8 weight, on both sides of 0
_REDUCTIONS_TAKE_INPUTS = 18  # the opset from which on the axes of ReduceMax and ReduceMean are an input


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the graph, by name; with numbers and other values it makes nodes.

    Comparisons make booleans. A number takes the type of the value beside it.
    """

    graph: Graph
    name: str
    dtype: Any

    def __add__(self, other: Value | float) -> Value:
        return self.graph.op("Add", self, self._value(other))

    def __radd__(self, other: float) -> Value:
        return self + other

    def __sub__(self, other: Value | float) -> Value:
        return self.graph.op("Sub", self, self._value(other))

    def __rsub__(self, other: float) -> Value:
        return self._value(other) - self

    def __mul__(self, other: Value | float) -> Value:
        return self.graph.op("Mul", self, self._value(other))

    def __rmul__(self, other: float) -> Value:
        return self * other

    def __truediv__(self, other: Value | float) -> Value:
        return self.graph.op("Div", self, self._value(other))

    def __rtruediv__(self, other: float) -> Value:
        return self._value(other) / self

    def __pow__(self, other: Value | float) -> Value:
        return self.graph.op("Pow", self, self._value(other))

    def __neg__(self) -> Value:
        return self.graph.op("Neg", self)

    def __matmul__(self, other: Value) -> Value:
        return self.graph.op("MatMul", self, other)

    def __lt__(self, other: Value | float) -> Value:
        return self.graph.op("Less", self, self._value(other), dtype=np.bool_)

    def __gt__(self, other: Value | float) -> Value:
        return self.graph.op("Greater", self, self._value(other), dtype=np.bool_)

    def _value(self, other: Value | float) -> Value:
        return other if isinstance(other, Value) else self.graph.constant(np.array(other, self.dtype))

    def to(self, dtype: Any) -> Value:
        """In another type."""
        code = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.graph.op("Cast", self, dtype=dtype, to=code)

    def reshape(self, *shape: int) -> Value:
        """Laid out anew; 0 keeps an axis, -1 is what is left."""
        return self.graph.op("Reshape", self, self.graph.integers(*shape))

    def transpose(self, *axes: int) -> Value:
        """With its axes in another order."""
        return self.graph.op("Transpose", self, perm=axes)

    def unsqueeze(self, axis: int) -> Value:
        """With a new axis of 1."""
        return self.graph.op("Unsqueeze", self, self.graph.integers(axis))

    def squeeze(self, axis: int) -> Value:
        """Without an axis of 1."""
        return self.graph.op("Squeeze", self, self.graph.integers(axis))

    def split(self, sizes: Sequence[int], axis: int) -> tuple[Value, ...]:
        """Cut into parts of the given sizes."""
        if len(sizes) == 1:
            return (self,)
        return self.graph.ops("Split", self, self.graph.integers(*sizes), outputs=len(sizes), axis=axis)

    def slice(self, axis: int, start: int, stop: int | None = None) -> Value:
        """The part from ``start`` to ``stop`` of one axis."""
        bounds = (self.graph.integers(n) for n in (start, 2**62 if stop is None else stop, axis))
        return self.graph.op("Slice", self, *bounds)

    def take(self, index: int | Value, axis: int) -> Value:
        """One place of an axis, which goes; or those of the int64 ``index``."""
        place = index if isinstance(index, Value) else self.graph.constant(np.array(index, np.int64))
        return self.graph.op("Gather", self, place, axis=axis)

    def size(self, axis: int) -> Value:
        """``[1]`` int64, how long an axis is."""
        return self.graph.op("Shape", self, dtype=np.int64).slice(0, axis, axis + 1 or None)

    def sum(self, axis: int) -> Value:
        """The sum along an axis, which stays, 1 long."""
        return self.graph.op("ReduceSum", self, self.graph.integers(axis), keepdims=1)

    def max(self, axis: int) -> Value:
        """The largest along an axis, which stays, 1 long."""
        if self.graph.opset >= _REDUCTIONS_TAKE_INPUTS:
            return self.graph.op("ReduceMax", self, self.graph.integers(axis), keepdims=1)
        return self.graph.op("ReduceMax", self, axes=[axis], keepdims=1)


class Graph:
    """A graph under construction: nodes are added in the order in which they are computed.

    Args:
        opset: of the ONNX standard.
        int8: keep the weights in int8, with a scale for each row.
    """

    def __init__(self, opset: int, int8: bool = False) -> None:
        self.opset, self._int8 = opset, int8
        self._bodies: list[list[onnx.NodeProto]] = [[]]  # of the graph, and of the loops that are being written
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._quantized: dict[tuple[str, str], Value] = {}
        self._names = 0

    def input(self, name: str, dtype: Any, *shape: int | str) -> Value:
        """An input; axes with a name may have any length."""
        self._inputs.append(_info(name, dtype, shape))
        return Value(self, name, dtype)

    def output(self, name: str, value: Value, *shape: int | str) -> None:
        """Make a value an output."""
        self._bodies[0].append(helper.make_node("Identity", [value.name], [name]))
        self._outputs.append(_info(name, value.dtype, shape))

    def op(self, kind: str, *inputs: Value | None, dtype: Any = None, **attributes: Any) -> Value:
        """Add a node with one output, which has the type of the first input unless ``dtype`` is given."""
        (value,) = self.ops(kind, *inputs, outputs=1, dtype=dtype, **attributes)
        return value

    def ops(
        self, kind: str, *inputs: Value | None, outputs: int, dtype: Any = None, **attributes: Any
    ) -> tuple[Value, ...]:
        """Add a node; an input that is None is left out."""
        names = [self._name() for _ in range(outputs)]
        given = ["" if value is None else value.name for value in inputs]
        while given and not given[-1]:
            given.pop()
        self._bodies[-1].append(helper.make_node(kind, given, names, **attributes))
        if dtype is None:
            dtype = next(value.dtype for value in inputs if value is not None)
        return tuple(Value(self, name, dtype) for name in names)

    def constant(self, array: Array) -> Value:
        """A constant; equal ones are stored once."""
        array = np.ascontiguousarray(array).reshape(np.shape(array))  # a scalar stays one
        digest = hashlib.sha256(array.tobytes() + f"{array.dtype}{array.shape}".encode()).hexdigest()
        if digest not in self._constants:
            self._constants[digest] = numpy_helper.from_array(array, f"c{len(self._constants)}")
        return Value(self, self._constants[digest].name, array.dtype.type)

    def integers(self, *numbers: int) -> Value:
        """``[n]`` int64, such as a shape."""
        return self.constant(np.array(numbers, np.int64))

    def weight(self, array: Array, *rows: int) -> Value:
        """A constant that was learned, in int8 if so wanted; each place of the axes ``rows`` has a scale of its own."""
        if not self._int8 or array.ndim < 2:
            return self.constant(array)
        numbers, scale = quantize(array, *rows)
        return self._whole(numbers, scale)

    def weight_parts(self, array: Array, rows: int, axis: int, at: int) -> tuple[Value, Value]:
        """A weight cut in two before the place ``at`` of an axis; in int8 both have the scales of the whole."""
        if not self._int8:
            first, second = np.split(array, [at], axis)
            return self.constant(first), self.constant(second)
        numbers, scale = quantize(array, rows)
        first, second = np.split(numbers, [at], axis)
        return self._whole(first, scale), self._whole(second, scale)

    def rows_of(self, array: Array, index: Value) -> Value:
        """The rows of a weight at the places ``index``; in int8 only these are scaled."""
        if not self._int8:
            return self.op("Gather", self.constant(array), index, dtype=array.dtype.type, axis=0)
        numbers, scale = (self.constant(part).take(index, axis=0) for part in quantize(array))
        return numbers.to(array.dtype.type) * scale

    def _whole(self, numbers: Array, scale: Array) -> Value:
        """An int8 weight times its scales, computed once in each run, outside of any loop."""
        stored, scales = self.constant(numbers), self.constant(scale)
        if (key := (stored.name, scales.name)) not in self._quantized:
            body = self._bodies.pop() if len(self._bodies) > 1 else None  # a loop reads it from outside
            self._quantized[key] = stored.to(scale.dtype.type) * scales
            if body is not None:
                self._bodies.append(body)
        return self._quantized[key]

    def concat(self, parts: Sequence[Value], axis: int) -> Value:
        """Put values side by side."""
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=axis)

    def where(self, condition: Value, yes: Value, no: Value | float) -> Value:
        """``yes`` where the condition holds, else ``no``."""
        return self.op("Where", condition, yes, yes._value(no), dtype=yes.dtype)

    def steps(self, count: Value) -> Value:
        """``[n]`` int64 0, 1, … up to the ``count [1]``."""
        zero, one = (self.constant(np.array(n, np.int64)) for n in (0, 1))
        return self.op("Range", zero, count.squeeze(0), one)

    def scan(
        self,
        step: Callable[[tuple[Value, ...], tuple[Value, ...]], tuple[tuple[Value, ...], Value]],
        state: Sequence[Value],
        over: Sequence[Value],
    ) -> tuple[Value, tuple[Value, ...]]:
        """Loop over the first axis of the values ``over``: all outputs, and the last state.

        ``step(state, values)`` of one place returns the next state and the output there.
        """
        before = [Value(self, self._name(), part.dtype) for part in state]
        at = [Value(self, self._name(), part.dtype) for part in over]
        self._bodies.append([])
        after, said = step(tuple(before), tuple(at))
        results = [self.op("Identity", value) for value in (*after, said)]
        body = helper.make_graph(
            self._bodies.pop(),
            self._name(),
            [_info(value.name, value.dtype, None) for value in (*before, *at)],
            [_info(value.name, value.dtype, None) for value in results],
        )
        *final, outputs = self.ops("Scan", *state, *over, outputs=len(results), num_scan_inputs=len(over), body=body)
        return outputs, tuple(final)

    def build(self) -> onnx.ModelProto:
        """The finished model, checked against the standard."""
        graph = helper.make_graph(
            self._bodies[0], "recurra", self._inputs, self._outputs, list(self._constants.values())
        )
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=helper.find_min_ir_version_for(opsets), producer_name="recurra"
        )
        onnx.checker.check_model(model)
        return model

    def _name(self) -> str:
        self._names += 1
        return f"v{self._names}"


def quantize(array: Array, *rows: int) -> tuple[NDArray[np.int8], Array]:
    """The nearest int8 numbers, and the scale of each place of the axes ``rows``, the first one if none is named.

    >>> quantize(np.array([[1.0, -2.0], [0.0, 0.5]], np.float32))[0].tolist()
    [[64, -127], [0, 127]]
    """
    others = tuple(axis for axis in range(array.ndim) if axis not in (rows or (0,)))
    scale = np.abs(array).max(axis=others, keepdims=True) / np.array(_LEVELS, array.dtype)
    scale[scale == 0] = 1.0
    return np.rint(array / scale).astype(np.int8), scale


def _info(name: str, dtype: Any, shape: Sequence[int | str] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
