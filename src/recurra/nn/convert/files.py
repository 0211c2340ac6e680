"""Reading a layer from a file of any known system, and writing it as one of our own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import safetensors.torch

from recurra.errors import DataError
from recurra.files import write_atomically
from recurra.nn.convert.found import build
from recurra.nn.convert.keras_file import read_keras
from recurra.nn.convert.onnx_file import read_onnx
from recurra.nn.convert.torch_file import METADATA, read_torch
from recurra.nn.gru import GRU
from recurra.nn.lstm import LSTM
from recurra.nn.rnn import RNN

_READERS = {".safetensors": read_torch, ".keras": read_keras, ".h5": read_keras, ".onnx": read_onnx}


def read_layer(path: str | Path, name: str | None = None) -> LSTM | GRU | RNN:
    """Read a recurrent layer, batch first, with its weights.

    Args:
        path: a state dict (``.safetensors``), a model or weights of Keras 3 (``.keras``, ``.weights.h5``), or a graph
            (``.onnx``). In a ``.weights.h5`` activations are not told: they are taken to be Keras' defaults.
        name: of one layer, or of the module of a state dict; None for all that there are, which must be a stack.

    Raises:
        DataError: there is no such layer, or one that no layer here computes.
        MissingExtraError: the package that reads such files is not installed.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "layer.safetensors"
    >>> save_layer(LSTM(3, 4, peephole="diagonal", batch_first=True), file)
    >>> read_layer(file)
    LSTM(3, 4, batch_first=True, peephole='diagonal')
    """
    path = Path(path)
    if path.suffix not in _READERS:
        known = ", ".join(_READERS)
        raise DataError(str(path), f"the kind of a file is told by its suffix, got {path.suffix!r}. Known: {known}.")
    if not path.is_file():
        raise DataError(str(path), "a file must be there, none is. Check the path.")
    found = _READERS[path.suffix](path)
    return build(found, str(path), name) if isinstance(found, list) else found


def save_layer(layer: LSTM | GRU | RNN, path: str | Path) -> None:
    """Write the state dict as safetensors, with what :func:`read_layer` needs to make the layer again."""
    sizes = {"input_size": layer.input_size, "hidden_size": layer.hidden_size, "num_layers": layer.num_layers}
    how = {"bias": layer.bias, "batch_first": layer.batch_first, "bidirectional": layer.bidirectional}
    described = {"cell": layer.cell, **sizes, **how, **dataclasses.asdict(layer.options)}
    weights = {name: weight.detach().cpu().contiguous() for name, weight in layer.state_dict().items()}
    write_atomically(Path(path), safetensors.torch.save(weights, {METADATA: json.dumps(described)}))
