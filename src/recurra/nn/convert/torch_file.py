"""Recurrent layers of a state dict of torch, or of this package, in a safetensors file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from recurra.errors import DataError, RecurraError
from recurra.nn.convert.found import CELLS, Array, Found, Weights
from recurra.nn.gru import GRU
from recurra.nn.lstm import LSTM
from recurra.nn.rnn import RNN

METADATA = "recurra"
_CELLS = {4: "LSTM", 3: "GRU", 1: "RNN"}  # by the gates
_WEIGHT = re.compile(r"(?P<prefix>(?:.*\.)?)(?P<name>\w+?)_l(?P<layer>\d+)(?P<end>_reverse)?")
_KNOWN = {"weight_ih", "weight_hh", "weight_hr", "bias_ih", "bias_hh"}


def read_torch(path: Path) -> list[Found] | LSTM | GRU | RNN:
    """The recurrent layers of a state dict; the layer itself if the file says what it is."""
    if (path.parent / "bundle.json").exists():
        raise DataError(
            str(path), f"a state dict is needed, this is part of a bundle. Use recurra.load('{path.parent}')."
        )
    try:
        with safetensors.safe_open(path, "pt") as file:
            described = (file.metadata() or {}).get(METADATA)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (OSError, safetensors.SafetensorError) as error:
        raise DataError(
            str(path), f"must be a state dict as safetensors: {error}. Save it with safetensors.torch.save_file."
        ) from None
    return _layers(path, tensors) if described is None else _restore(path, json.loads(described), tensors)


def _restore(path: Path, described: dict[str, Any], tensors: dict[str, Tensor]) -> LSTM | GRU | RNN:
    try:
        layer = CELLS[described.pop("cell")](**described)
        layer.load_state_dict(tensors)
    except (RecurraError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(str(path), f"must be a layer as it was saved, it is not: {error}. Save it anew.") from None
    return layer.eval()


def _layers(path: Path, tensors: dict[str, Tensor]) -> list[Found]:
    """One for each module and layer; all layers of a module stand together."""
    groups: dict[tuple[str, int], dict[str, dict[str, Array]]] = {}
    for name, tensor in tensors.items():
        if match := _WEIGHT.fullmatch(name):
            if match["name"] not in _KNOWN:
                raise DataError(
                    f"{path}, {name}", "torch's layers have no such weight. Save layers of recurra.nn with save_layer."
                )
            directions = groups.setdefault((match["prefix"].rstrip("."), int(match["layer"])), {})
            directions.setdefault(match["end"] or "", {})[match["name"]] = tensor.float().numpy()
    found = []
    for (prefix, _), directions in sorted(groups.items()):
        weights: list[Weights] = [directions[end] for end in ("", "_reverse") if end in directions]
        shape = weights[0]["weight_hh"].shape
        projected = weights[0].get("weight_hr")
        gates = shape[0] / (shape[1] if projected is None else projected.shape[1])
        if gates not in _CELLS:
            raise DataError(f"{path}, {prefix or 'weight_hh'}", f"must be an LSTM, GRU or RNN, is {list(shape)}.")
        options = {} if projected is None else {"proj_size": shape[1]}
        found.append(Found(prefix or "layer", _CELLS[int(gates)], weights, options))
    return found
