"""``recurra export`` and ``recurra import-weights`` as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

import recurra
from recurra.nn.convert import read_layer


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recurra", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    data = {"day": list(range(60)), "x": [float(i % 7) for i in range(60)]}
    settings = recurra.Forecasting(time="day", target="x", horizon=2, encoder=recurra.Encoder(hidden_size=8))
    folder = tmp_path_factory.mktemp("bundle") / "model"
    recurra.train(settings, data, out=folder, options=recurra.TrainingOptions(steps=5))
    return folder


def test_an_export_says_how_far_it_is_from_the_model(model, tmp_path):
    result = run("export", model, tmp_path / "model.onnx")
    assert result.returncode == 0, result.stderr
    assert "largest difference from the model in torch:" in result.stdout
    about = json.loads((tmp_path / "model.json").read_text())
    assert 0 < about["verification"]["largest_difference"] < 1e-5
    assert len(about["verification"]["steps"]) == len(about["verification"]["batches"]) == 3
    again = run("export", model, tmp_path / "model.onnx")
    assert again.returncode == 2
    assert "--overwrite" in again.stderr


def test_an_opset_that_cannot_be_is_refused_in_a_sentence(model, tmp_path):
    result = run("export", model, tmp_path / "model.onnx", "--opset", "7")
    assert result.returncode == 2
    assert result.stderr.startswith("recurra: [--opset] must be from 17")
    assert not list(tmp_path.iterdir())


def test_weights_of_torch_become_a_layer(tmp_path):
    import safetensors.torch

    safetensors.torch.save_file(torch.nn.LSTM(3, 4).state_dict(), tmp_path / "torch.safetensors")
    result = run("import-weights", tmp_path / "torch.safetensors", tmp_path / "ours.safetensors")
    assert result.stdout.startswith("LSTM(3, 4, batch_first=True) written to")
    assert set(read_layer(tmp_path / "ours.safetensors").state_dict()) == set(torch.nn.LSTM(3, 4).state_dict())
    assert run("import-weights", tmp_path / "torch.safetensors", tmp_path / "ours.safetensors").returncode == 2
