"""Layers of other systems: read, they must answer what the other system answers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch

from recurra import nn
from recurra.errors import DataError
from recurra.exporting import export
from recurra.nn.convert import read_layer, save_layer
from tolerances import assert_close

KERAS = Path(__file__).parent / "keras"  # made by make.py there, in Keras itself


@pytest.mark.parametrize("name", ["lstm", "both", "gru", "gru_before", "rnn"])
def test_a_model_of_keras_answers_as_it_does_there(name):
    answers = np.load(KERAS / "answers.npz")
    with torch.no_grad():
        y, _ = read_layer(KERAS / f"{name}.keras")(torch.from_numpy(answers["x"]))
    assert_close(y, torch.from_numpy(answers[name]))


def test_weights_of_keras_without_a_model_are_told_apart_by_their_shapes():
    layer = read_layer(KERAS / "both.weights.h5")
    assert isinstance(layer, nn.LSTM)
    for name, weight in read_layer(KERAS / "both.keras").state_dict().items():
        assert torch.equal(weight, layer.state_dict()[name])


def test_an_activation_that_no_layer_has_is_refused():
    with pytest.raises(DataError, match=r"recurrent_activation must be sigmoid, it is hard_sigmoid"):
        read_layer(KERAS / "hard.keras")


@pytest.mark.parametrize(
    "layer",
    [
        torch.nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True),
        torch.nn.LSTM(3, 4, proj_size=2, batch_first=True),
        torch.nn.GRU(3, 4, bias=False, batch_first=True),
        torch.nn.RNN(3, 4, batch_first=True),
    ],
    ids=lambda layer: f"{layer}",
)
def test_a_layer_of_torch_answers_as_it_does_there(layer, tmp_path):
    module = torch.nn.ModuleDict({"encoder": layer, "head": torch.nn.Linear(4, 2)})
    safetensors.torch.save_file(module.state_dict(), tmp_path / "model.safetensors")
    x = torch.randn(2, 6, 3)
    with torch.no_grad():
        assert_close(read_layer(tmp_path / "model.safetensors", "encoder")(x)[0], layer(x)[0])


@pytest.mark.parametrize(
    "layer",
    [
        nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True, peephole="diagonal"),
        nn.LSTM(3, 4, batch_first=True, coupled=True, peephole="diagonal"),
        nn.GRU(3, 4, 2, batch_first=True),
        nn.GRU(3, 4, batch_first=True, reset="before"),
        nn.RNN(3, 4, batch_first=True, bidirectional=True, nonlinearity="relu"),
    ],
    ids=lambda layer: f"{layer}",
)
def test_what_was_exported_comes_back(layer, tmp_path):
    export(layer, tmp_path / "layer.onnx")
    back = read_layer(tmp_path / "layer.onnx")
    assert repr(back) == repr(layer)
    for name, weight in layer.state_dict().items():
        assert torch.equal(weight, back.state_dict()[name]), name


def test_every_option_comes_back_from_our_own_file(tmp_path):
    options = {"peephole": "full", "layer_norm": True, "proj_size": 2, "zoneout": (0.1, 0.2), "cell_clip": 3.0}
    layer = nn.LSTM(3, 4, 2, **options).eval()
    save_layer(layer, tmp_path / "layer.safetensors")
    back = read_layer(tmp_path / "layer.safetensors")
    x = torch.randn(5, 2, 3)
    assert repr(back) == repr(layer)
    assert torch.equal(back(x)[0], layer(x)[0])


def test_several_layers_that_are_no_stack_must_be_named(tmp_path):
    both = torch.nn.ModuleDict({"a": torch.nn.LSTM(3, 4), "b": torch.nn.GRU(3, 4)})
    safetensors.torch.save_file(both.state_dict(), tmp_path / "two.safetensors")
    with pytest.raises(DataError, match=r"must be one stack.*--layer: a, b"):
        read_layer(tmp_path / "two.safetensors")
    with pytest.raises(DataError, match=r"no layer 'c'. Known: a, b"):
        read_layer(tmp_path / "two.safetensors", "c")
    assert isinstance(read_layer(tmp_path / "two.safetensors", "b"), nn.GRU)


def test_a_clip_of_onnx_is_refused_as_it_is_no_clip_of_the_cell(tmp_path):
    export(nn.LSTM(3, 4), tmp_path / "layer.onnx")
    model = onnx.load(tmp_path / "layer.onnx")
    node = next(node for node in model.graph.node if node.op_type == "LSTM")
    node.attribute.append(onnx.helper.make_attribute("clip", 1.0))
    onnx.save(model, tmp_path / "clip.onnx")
    with pytest.raises(DataError, match="clip bounds what goes into the activations"):
        read_layer(tmp_path / "clip.onnx")


def test_weights_that_torch_does_not_have_are_never_left_out_in_silence(tmp_path):
    state = nn.LSTM(3, 4, peephole="diagonal").state_dict()
    safetensors.torch.save_file(state, tmp_path / "layer.safetensors")
    with pytest.raises(DataError, match=r"peephole_l0.*no such weight"):
        read_layer(tmp_path / "layer.safetensors")
    safetensors.torch.save_file(nn.LSTM(3, 4, coupled=True).state_dict(), tmp_path / "weights.safetensors")
    (tmp_path / "bundle.json").write_text("{}")  # three gates look like those of a GRU
    with pytest.raises(DataError, match=r"part of a bundle. Use recurra.load"):
        read_layer(tmp_path / "weights.safetensors")


@pytest.mark.parametrize("suffix", [".safetensors", ".keras", ".weights.h5", ".onnx", ".pt"])
def test_a_damaged_or_unknown_file_is_refused_with_its_name(suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"no such thing")
    with pytest.raises(DataError, match=re.escape(str(path))):
        read_layer(path)
