"""Exported language models: what they write is what the bundle writes, however it is drawn, searched and ended."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import recurra
from recurra import runtime
from recurra.errors import DataError, SettingsError

TEXT = "to be or not to be, that is the question. whether 'tis nobler in the mind to suffer\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("writer")
    (folder / "text.txt").write_text(TEXT * 30)
    return folder


@pytest.fixture(scope="module")
def bundle(folder):
    settings = recurra.Generation(encoder=recurra.Encoder(hidden_size=16, layers=2, cell="gru"))
    return recurra.train(settings, folder / "text.txt", options=recurra.TrainingOptions(steps=60))


@pytest.fixture(scope="module")
def model(bundle, folder):
    recurra.export(bundle, folder / "model.onnx")
    return runtime.load(folder / "model.onnx")


def assert_same(found, expected):
    told = ("text", "symbols", "stopped", "notices")
    assert [getattr(found, name) for name in told] == [getattr(expected, name) for name in told]
    assert (found.state.unread, found.state.recent) == (expected.state.unread, expected.state.recent)
    for ours, theirs in zip(found.state.state, expected.state.state, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_what_comes_next_is_the_same_in_one_reading_and_symbol_by_symbol(model):
    _, state = model.begin()
    whole, _ = model.read("to be or", state)
    for symbol in "to be or":
        scores, state = model.read(symbol, state)
    np.testing.assert_allclose(scores, whole, atol=1e-5)
    assert np.exp(whole).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "sampling",
    [
        {"top_k": 1},
        {"beam": 1},
        {"beam": 4},
        {"beam": 3, "stop": "to"},
        {},
        {"seed": 7, "temperature": 1.5},
        {"seed": 3, "top_k": 5},
        {"seed": 3, "top_p": 0.8},
        {"seed": 1, "repetition_penalty": 1.7},
        {"seed": 2, "temperature": 0.7, "top_k": 9, "top_p": 0.9, "repetition_penalty": 1.2, "stop": ("t", "qu")},
    ],
    ids=str,
)
def test_it_writes_what_the_bundle_writes(bundle, model, sampling):
    for prompt in ("", "to be", "Ω to"):
        pieces = []
        found = model.generate(prompt, length=60, show=pieces.append, **sampling)
        assert_same(found, bundle.generate(prompt, length=60, **sampling))
        assert "".join(pieces) == found.text


@pytest.mark.parametrize("unit", ["word", "byte"])
def test_words_and_bytes_are_joined_as_the_bundle_joins_them(unit, folder, tmp_path):
    (tmp_path / "text.txt").write_text("grün ist 北京 🙂\n" * 200)
    settings = recurra.Generation(encoder=recurra.Encoder(hidden_size=16), tokens=recurra.Tokens(unit=unit))
    bundle = recurra.train(settings, tmp_path / "text.txt", options=recurra.TrainingOptions(steps=60))
    recurra.export(bundle, tmp_path / "model.onnx")
    assert_same(
        runtime.load(tmp_path / "model.onnx").generate("grün", length=40, seed=5),
        bundle.generate("grün", length=40, seed=5),
    )


def test_two_sittings_write_what_one_writes(model):
    whole = model.generate("to be", length=40, seed=4)
    first = model.generate("to be", length=13, seed=4)
    assert first.text + model.generate(state=first.state, length=27).text == whole.text
    assert model.generate("to be", length=40, seed=5).text != whole.text


def test_a_state_of_another_model_is_refused(bundle, model):
    with pytest.raises(DataError, match="of this very model"):
        model.generate(state=bundle.generate("to", length=2).state)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"length": 0}, "length"),
        ({"temperature": 0}, "temperature"),
        ({"stop": ""}, "must have characters"),
        ({"beam": 2, "seed": 3}, "a beam draws nothing"),
        ({"warmth": 1}, "no such setting.*temperature"),
    ],
)
def test_bad_sampling_is_refused(model, values, message):
    with pytest.raises(SettingsError, match=message):
        model.generate("to", **values)


def test_torch_is_never_imported_to_write(model, folder):
    code = (
        "import sys; from recurra import runtime;"
        f"runtime.load({str(folder / 'model.onnx')!r}).generate('to', length=5, top_p=0.9, repetition_penalty=1.1);"
        "print({'torch', 'onnx', 'safetensors'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"
