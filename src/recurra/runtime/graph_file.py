"""What the file of a graph may hold: the parts of the standard that an export is made of, and nothing else.

The file is a message of protocol buffers (https://protobuf.dev/programming-guides/encoding), whose fields have numbers.
ONNX Runtime understands more than an export needs: weights in other files, operators of other makers, functions, loops
without an end. So each field of each message, and each operator, must be in a closed table before the file reaches it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from recurra.errors import BundleError

_KNOWN: dict[str, Mapping[int, str]] = {
    "model": {1: "", 2: "", 7: "graph", 8: "opset"},  # version of the format, producer
    "opset": {1: "domain", 2: ""},
    "graph": {1: "node", 2: "", 5: "tensor", 11: "", 12: ""},  # name; inputs and outputs, which are compared later
    "node": {1: "", 2: "", 3: "", 4: "operator", 5: "attribute"},  # inputs, outputs, name
    "attribute": {1: "", 2: "", 3: "", 4: "", 6: "graph", 7: "", 8: "", 9: "", 20: ""},  # numbers and texts, type
    "tensor": {1: "", 2: "", 8: "", 9: ""},  # shape, type, name, the numbers themselves
}
"""The fields of each message by number, and the message that is in them."""
OPERATORS = frozenset(
    (
        *("Abs", "Add", "Cast", "Clip", "Concat", "Conv", "Div", "Exp", "Expand", "GRU", "Gather", "Gemm", "Greater"),
        *("Identity", "LSTM", "LayerNormalization", "Less", "Log", "LogSoftmax", "MatMul", "Max", "Mul", "Neg"),
        *("OneHot", "Pow", "RNN", "Range", "ReduceMax", "ReduceSum", "Relu", "Reshape", "ReverseSequence"),
        *("Scan", "Shape", "Sigmoid", "Slice", "Softmax", "Softplus", "Split", "Sqrt", "Squeeze", "Sub", "Tanh"),
        *("Transpose", "Unsqueeze", "Where"),
    )
)
"""The operators of the standard that exports are made of."""
_DEEPEST = 7  # the model, its graph, a node, an attribute that is the body of a loop, a node and an attribute there
_NUMBERS_OF = {1: "<f4", 3: "i1", 6: "<i4", 7: "<i8", 9: "?", 11: "<f8"}  # by the number of the type
_TYPE, _NUMBERS = 2, 9  # fields of a tensor
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # how the value of a field is written

Field = tuple[int, int | memoryview | None]


def check_graph(content: bytes, path: Path) -> None:
    """Refuse a file that holds anything but what exports are made of, or weights that are not finite.

    Raises:
        BundleError: it does, or is no such file.
    """
    try:
        _check_message("model", memoryview(content), _DEEPEST)
    except ValueError as error:
        raise BundleError(str(path), f"must be a graph as recurra exports it: {error}. Export it anew.") from None


def _check_message(kind: str, content: memoryview, depth: int) -> None:
    if depth == 0:
        raise ValueError("its parts are nested too deeply")
    fields = list(_fields(content))
    for number, value in fields:
        inner = _KNOWN[kind].get(number)
        if inner is None:
            raise ValueError(f"field {number} of a {kind} is not of an export, such as data in another file or code")
        if inner == "operator" and _text(value) not in OPERATORS:
            raise ValueError(f"the operator {_text(value)!r:.50} is not of an export")
        if inner == "domain" and _text(value):
            raise ValueError(f"operators of {_text(value)!r:.50} are not of an export")
        if inner in _KNOWN:
            _check_message(inner, _part(value), depth - 1)
    if kind == "tensor":
        _check_numbers(dict(fields))


def _check_numbers(tensor: Mapping[int, int | memoryview | None]) -> None:
    kind, numbers = tensor.get(_TYPE), tensor.get(_NUMBERS)
    if not isinstance(kind, int) or kind not in _NUMBERS_OF or not isinstance(numbers, memoryview):
        raise ValueError("a weight is of a type that is not of an export")
    dtype = np.dtype(_NUMBERS_OF[kind])
    if len(numbers) % dtype.itemsize:
        raise ValueError("a weight is cut off")
    if dtype.kind == "f" and not np.isfinite(np.frombuffer(numbers, dtype)).all():
        raise ValueError("a weight is not finite")


def _fields(content: memoryview) -> Iterator[Field]:
    """The number and the value of each field; a number of four or eight bytes is passed over."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        number, way = key >> 3, key & 7
        value: int | memoryview | None = None
        if way == _VARINT:
            value, at = _varint(content, at)
        elif way == _BYTES:
            size, at = _varint(content, at)
            value, at = content[at : at + size], at + size
        elif way in (_FOUR, _EIGHT):
            at += 4 if way == _FOUR else 8
        else:
            raise ValueError(f"a field is written in way {way}, which is not known")
        if at > len(content):
            raise ValueError("a field reaches beyond its end")
        yield number, value


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where the next field begins."""
    value = 0
    for place in range(10):
        if at + place >= len(content):
            raise ValueError("a number reaches beyond its end")
        byte = content[at + place]
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, at + place + 1
    raise ValueError("a number has more than 64 bits")


def _part(value: int | memoryview | None) -> memoryview:
    if not isinstance(value, memoryview):
        raise ValueError("a number stands where a part must be")
    return value


def _text(value: int | memoryview | None) -> str:
    return bytes(_part(value)).decode(errors="replace")
