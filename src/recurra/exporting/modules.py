"""The smaller modules of torch, as nodes."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from recurra.exporting.graph import Array, Graph, Value


def linear(graph: Graph, module: nn.Linear, x: Value) -> Value:
    """``[…, D]`` to ``[…, O]``."""
    y = x @ matrix(graph, module.weight)
    return y if module.bias is None else y + graph.constant(to_array(module.bias))


def matrix(graph: Graph, weight: Tensor) -> Value:
    """A weight ``[O, D]`` to multiply rows with: ``[D, O]``."""
    return graph.weight(to_array(weight).T, 1)


def to_array(tensor: Tensor) -> Array:
    """The numbers of a weight."""
    array: Array = tensor.detach().numpy()
    return array


def embedding(graph: Graph, table: Array, ids: Value) -> Value:
    """``[…]`` int64 to ``[…, E]``."""
    return graph.rows_of(table, ids)


def relu(x: Value) -> Value:
    """What is positive; the rest is 0."""
    return x.graph.op("Relu", x)


def softplus(x: Value) -> Value:
    """``log(1 + exp(x))``."""
    if x.dtype is np.float32:
        return x.graph.op("Softplus", x)
    zero = x.graph.constant(np.array(0.0, x.dtype))  # ONNX Runtime has no Softplus of float64
    return x.graph.op("Max", x, zero) + x.graph.op("Log", 1.0 + x.graph.op("Exp", -x.graph.op("Abs", x)))
