"""Recurrent layers of Keras 3: ``.keras``, which says what they are, and ``.weights.h5``, which holds weights only."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recurra.errors import DataError, MissingExtraError
from recurra.nn.convert.found import GATES, Array, Found, Weights, reorder

_CELLS = {4: "LSTM", 3: "GRU", 1: "RNN"}  # by the gates
_ORDER = {"LSTM": ("i", "f", "g", "o"), "GRU": ("z", "r", "n"), "RNN": ("h",)}
_WHERE = re.compile(r"layers/(?P<name>\w+)/(?:(?P<direction>forward|backward)_layer/)?cell/vars")


def read_keras(path: Path) -> list[Found]:
    """The recurrent layers of a file, in their order; those of a ``.weights.h5`` are taken to have Keras' defaults."""
    described: Mapping[str, Any] = {}
    content: Path | io.BytesIO = path
    if path.suffix == ".keras":
        content, described = _unpack(path)
    groups = _read_groups(content, path)
    names = {name for name, _ in groups}
    ordered = [name for name in described if name in names] if described else sorted(names, key=_number)
    return [_found(str(path), name, groups, described.get(name)) for name in ordered]


def _unpack(path: Path) -> tuple[io.BytesIO, dict[str, Any]]:
    """The weights, and the settings of each layer under the name that its weights have."""
    try:
        with zipfile.ZipFile(path) as file:
            config = json.loads(file.read("config.json"))
            weights = io.BytesIO(file.read("model.weights.h5"))
        counts: Counter[str] = Counter()
        described = {}
        for layer in config["config"]["layers"]:
            kind = _snake_case(layer["class_name"])
            described[kind + (f"_{counts[kind]}" if counts[kind] else "")] = layer
            counts[kind] += 1
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise DataError(str(path), f"must be a model that Keras 3 saved: {error}. Save it anew.") from None
    return weights, described


def _read_groups(content: Path | io.BytesIO, path: Path) -> dict[tuple[str, str], list[Array]]:
    """Kernel, recurrent kernel and bias, by the name of the layer and the direction."""
    try:
        import h5py
    except ImportError:
        raise MissingExtraError(
            str(path), "files of Keras need the package h5py. Install: pip install 'recurra[keras]'."
        ) from None
    groups = {}

    def visit(name: str, group: Any) -> None:
        if (where := _WHERE.fullmatch(name)) and isinstance(group, h5py.Group):
            arrays = [np.asarray(group[number]) for number in sorted(group)]
            groups[where["name"], where["direction"] or "forward"] = arrays

    try:
        with h5py.File(content, "r") as file:
            file.visititems(visit)
    except OSError as error:
        raise DataError(str(path), f"must be an HDF5 file of Keras 3: {error}. Save it anew.") from None
    return groups


def _found(source: str, name: str, groups: Mapping[tuple[str, str], list[Array]], layer: Any) -> Found:
    ends = [end for end in ("forward", "backward") if (name, end) in groups]
    kernel, recurrent, *bias = groups[name, ends[0]]
    gates = recurrent.shape[1] // recurrent.shape[0]
    if gates not in _CELLS or kernel.shape[1] != recurrent.shape[1]:
        raise DataError(f"{source}, layer {name}", f"must be an LSTM, GRU or RNN, its weights are {recurrent.shape}.")
    cell = _CELLS[gates]
    options: dict[str, Any] = {}
    if cell == "GRU" and bias and bias[0].ndim == 1:  # with two biases the reset gate comes after the product
        options["reset"] = "before"
    if layer is not None:
        options |= _options(f"{source}, layer {name}", cell, layer)
    return Found(name, cell, [_weights(cell, *groups[name, end]) for end in ends], options)


def _options(where: str, cell: str, layer: Mapping[str, Any]) -> dict[str, Any]:
    """What the configuration says beyond the weights; what no layer here computes is refused."""
    if layer["class_name"] == "Bidirectional":
        _require(where, "merge_mode", layer["config"]["merge_mode"], ("concat",))
        layer = layer["config"]["layer"]
    _require(where, "class_name", layer["class_name"], ("LSTM", "GRU", "SimpleRNN"))
    config = layer["config"]
    _require(where, "go_backwards", config["go_backwards"], (False,))
    _require(where, "activation", config["activation"], ("tanh", "relu") if cell == "RNN" else ("tanh",))
    if cell == "RNN":
        return {"nonlinearity": config["activation"]}
    _require(where, "recurrent_activation", config["recurrent_activation"], ("sigmoid",))
    return {"reset": "after" if config["reset_after"] else "before"} if cell == "GRU" else {}


def _require(where: str, name: str, came: Any, known: tuple[Any, ...]) -> None:
    if came not in known:
        raise DataError(where, f"{name} must be {' or '.join(map(str, known))}, it is {came}. There is no such layer.")


def _weights(cell: str, kernel: Array, recurrent: Array, bias: Array | None = None) -> Weights:
    found = {"weight_ih": kernel.T, "weight_hh": recurrent.T}
    if bias is not None:
        both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
        found |= {"bias_ih": both[0], "bias_hh": both[1]}
    return {name: reorder(array, _ORDER[cell], GATES[cell]) for name, array in found.items()}


def _number(name: str) -> int:
    """Keras counts the layers of a kind: ``lstm``, ``lstm_1``, ``lstm_2``."""
    return int((re.findall(r"_(\d+)$", name) or ["0"])[0])


def _snake_case(name: str) -> str:
    """As Keras names things: ``SimpleRNN`` is ``simple_rnn``."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
