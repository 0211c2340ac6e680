"""Recurrent layers of an ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from recurra.errors import DataError, MissingExtraError
from recurra.nn.convert.found import GATES, Array, Found, Weights, reorder

_ORDER = {"LSTM": ("i", "o", "f", "g"), "GRU": ("z", "r", "n"), "RNN": ("h",)}
_PEEPHOLES = ("i", "o", "f")
_ACTIVATIONS = {"LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh"), "RNN": ("tanh",)}


def read_onnx(path: Path) -> list[Found]:
    """The LSTM, GRU and RNN nodes, in the order of the graph."""
    try:
        import onnx
    except ImportError:
        raise MissingExtraError(
            str(path), "graphs need the package onnx. Install: pip install 'recurra[onnx]'."
        ) from None
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's own kinds of errors
        raise DataError(str(path), f"must be an ONNX graph: {error}. Export it anew.") from None
    nodes = [node for node in model.graph.node if node.op_type in GATES]
    return [_found(model, node, node.name or f"{node.op_type.lower()}_{n}", path) for n, node in enumerate(nodes)]


def _found(model: Any, node: Any, name: str, path: Path) -> Found:
    import onnx

    cell, where = node.op_type, f"{path}, node {name}"
    given = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    if given.get("direction", b"forward") == b"reverse" or given.get("clip"):
        what = "clip bounds what goes into the activations" if given.get("clip") else "it reads backwards only"
        raise DataError(where, f"must be a form that there is a layer for, but {what}. There is no such layer.")
    activations = [one.decode().lower() for one in given.get("activations", [])]
    known = (*_ACTIVATIONS[cell],) if cell != "RNN" or activations[:1] != ["relu"] else ("relu",)
    if activations and any(one != known[number % len(known)] for number, one in enumerate(activations)):
        raise DataError(where, f"activations must be {' '.join(known)}, they are {' '.join(activations)}.")
    arrays = {
        key: _value(model, node.input[place], where)
        for key, place in (("W", 1), ("R", 2), ("B", 3), ("P", 7))
        if len(node.input) > place and node.input[place]
    }
    coupled = bool(given.get("input_forget"))
    directions = [
        _weights(cell, {key: array[direction] for key, array in arrays.items()}, coupled)
        for direction in range(len(arrays["W"]))
    ]
    options: dict[str, Any] = {
        "LSTM": {"peephole": "diagonal"} if "P" in arrays else {},
        "GRU": {"reset": "after" if given.get("linear_before_reset") else "before"},
        "RNN": {"nonlinearity": known[0]},
    }[cell]
    if coupled:
        options["coupled"] = True
    return Found(name, cell, directions, options)


def _weights(cell: str, arrays: dict[str, Array], coupled: bool) -> Weights:
    """One direction; a forget gate that follows from the input gate has no rows here."""
    order = _ORDER[cell]
    gates = tuple(gate for gate in GATES[cell] if not (coupled and gate == "f"))
    found = {"weight_ih": reorder(arrays["W"], order, gates), "weight_hh": reorder(arrays["R"], order, gates)}
    if "B" in arrays:
        halves = np.split(arrays["B"], 2)
        found |= {name: reorder(half, order, gates) for name, half in zip(("bias_ih", "bias_hh"), halves, strict=True)}
    if "P" in arrays:
        rows = [gate for gate in gates if gate in _PEEPHOLES]
        found["peephole"] = reorder(arrays["P"], _PEEPHOLES, rows).reshape(len(rows), -1)
    return found


def _value(model: Any, name: str, where: str) -> Array:
    """The value of a constant, which other nodes may have been made of."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    for tensor in model.graph.initializer:
        if tensor.name == name:
            array: Array = onnx.numpy_helper.to_array(tensor)
            return array
    graph = onnx.helper.make_graph(
        _ancestors(model.graph.node, name),
        "constants",
        [],
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)],
        list(model.graph.initializer),
    )
    try:
        made = ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=model.opset_import)).run(None, {})
    except Exception:  # what depends on an input cannot be computed
        raise DataError(where, f"its weights must be constants, {name!r} is not.") from None
    values: Array = np.asarray(made)[0]
    return values


def _ancestors(nodes: Any, name: str) -> list[Any]:
    """The nodes that a value is made by, in their order."""
    wanted = {name}
    found: list[Any] = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(node.input)
            found.insert(0, node)
    return found
