"""Graphs of bare layers: beside the layer in torch, in ONNX Runtime and in the standard's own slow evaluator."""

from __future__ import annotations

import itertools
import os

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from recurra import nn
from recurra.errors import ExportError
from recurra.exporting import export, recurrent
from recurra.exporting.graph import Graph
from recurra.exporting.layers import LayerSubject
from recurra.runtime import load
from tolerances import assert_close

LSTM_FORMS = [
    *({}, {"bias": False}, {"peephole": "diagonal"}, {"peephole": "full"}, {"candidate": "cell"}, {"coupled": True}),
    *({"gates": gates} for gates in ("NIG", "NFG", "NOG", "NIAF", "NOAF", "FGR")),
    *({"layer_norm": True}, {"proj_size": 2}, {"zoneout": (0.1, 0.2)}, {"cell_clip": 0.3}),
    {"coupled": True, "peephole": "diagonal"},
    {"gates": "FGR", "coupled": True, "peephole": "diagonal", "cell_clip": 0.5, "bias": False},
    {"layer_norm": True, "bias": False, "proj_size": 2, "peephole": "full", "candidate": "cell"},
]
FORMS = [
    *((nn.LSTM, form) for form in LSTM_FORMS),
    *((nn.GRU, form) for form in ({}, {"reset": "before"}, {"bias": False})),
    *((nn.RNN, form) for form in ({}, {"nonlinearity": "relu"})),
]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def with_large_weights(layer):
    """So that no gate is near its middle, where a wrong one would not be noticed.

    The gains of layer norm are small: large ones make a chaotic network, in which rounding grows from step to step.
    """
    for name, weight in layer.named_parameters():
        gain = "norm_ih" in name or "norm_hh" in name
        weight.data = 0.2 * torch.rand_like(weight) if gain else weight + 0.3 * torch.randn_like(weight)
    return layer.eval()


@pytest.mark.parametrize(("cell", "form"), FORMS, ids=str)
def test_every_form_answers_as_the_layer_does(cell, form, tmp_path):
    for way, count in itertools.product((False, True), (1, 2)):
        layer = with_large_weights(cell(3, 5, count, bidirectional=way, batch_first=way, **form))
        exported = export(layer, tmp_path / f"{way}{count}.onnx")
        assert exported.verification.largest_difference < 3e-5


@pytest.mark.parametrize("form", [{"peephole": "diagonal"}, {"peephole": "full", "layer_norm": True}], ids=str)
def test_lengths_of_0_and_sequences_longer_than_any_that_was_tried(form, tmp_path):
    layer = with_large_weights(nn.LSTM(3, 5, bidirectional=True, **form))
    export(layer, tmp_path / "layer.onnx")
    x, lengths = torch.randn(200, 3, 3), torch.tensor([200, 0, 77])
    state = (torch.randn(2, 3, 5), torch.randn(2, 3, 5))
    with torch.no_grad():
        y, final = layer(x, state, lengths=lengths)
    session = onnxruntime.InferenceSession(tmp_path / "layer.onnx")
    given = {"x": x, "lengths": lengths, "h": state[0], "c": state[1]}
    found = session.run(["y", "next_h", "next_c"], {name: value.numpy() for name, value in given.items()})
    for answer, expected in zip(found, (y, *final), strict=True):
        assert_close(torch.from_numpy(answer), expected)
    assert torch.equal(torch.from_numpy(found[2][:, 1]), state[1][:, 1])


@pytest.mark.parametrize("form", [{"gates": "FGR"}, {"proj_size": 2}, {"zoneout": (0.3, 0.1)}], ids=str)
def test_a_loop_is_what_the_standard_says_and_not_only_what_one_runtime_does(form):
    layer = with_large_weights(nn.LSTM(3, 5, **form))
    subject, graph = LayerSubject(layer), Graph(17)
    subject.write(graph)
    trial = subject.trial(np.random.default_rng(0), steps=6, batch=2, begun=True)
    found = ReferenceEvaluator(graph.build()).run(list(trial.expected), dict(trial.inputs))
    for answer, expected in zip(found, trial.expected.values(), strict=True):
        assert_close(torch.from_numpy(answer), torch.from_numpy(expected))


def test_operators_of_onnx_are_used_where_they_can_be():
    def kinds(layer):
        graph = Graph(17)
        LayerSubject(layer).write(graph)
        return {node.op_type for node in graph.build().graph.node} & {"LSTM", "GRU", "RNN", "Scan"}

    assert kinds(nn.LSTM(3, 4, peephole="diagonal", coupled=True, bidirectional=True)) == {"LSTM"}
    assert kinds(nn.GRU(3, 4, reset="before")) == {"GRU"}
    assert kinds(nn.RNN(3, 4)) == {"RNN"}
    assert kinds(nn.LSTM(3, 4, cell_clip=1.0)) == {"Scan"}


def test_two_exports_in_one_process_are_the_same_bytes(tmp_path):
    layer = nn.LSTM(3, 4, 2, layer_norm=True)
    export(layer, tmp_path / "a.onnx")
    export(nn.GRU(2, 2), tmp_path / "between.onnx")
    export(layer, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


@pytest.mark.parametrize("opset", [17, 18, 22, 24])
def test_other_opsets(opset, tmp_path):
    export(nn.LSTM(3, 4, peephole="full"), tmp_path / "a.onnx", opset=opset)
    assert onnx.load(tmp_path / "a.onnx").opset_import[0].version == opset


@pytest.mark.parametrize("opset", [16, 99])
def test_an_opset_that_cannot_be_written_is_refused(opset, tmp_path):
    with pytest.raises(ExportError, match=r"--opset.*must be from 17"):
        export(nn.LSTM(3, 4), tmp_path / "a.onnx", opset=opset)


def test_a_graph_that_answers_otherwise_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(recurrent.ORDER, "LSTM", ("i", "f", "o", "g"))  # two gates swapped
    with pytest.raises(ExportError, match=r"must answer as the model does, up to 0.0001"):
        export(nn.LSTM(3, 4), tmp_path / "a.onnx")
    assert os.listdir(tmp_path) == []


def test_files_that_are_there_stay_unless_told_otherwise(tmp_path):
    (tmp_path / "a.json").write_text("mine")
    with pytest.raises(ExportError, match=r"a.json.*the place must be free"):
        export(nn.LSTM(3, 4), tmp_path / "a.onnx")
    export(nn.LSTM(3, 4), tmp_path / "a.onnx", overwrite=True)
    for wrong in (tmp_path / "a.onx", tmp_path / "nowhere" / "a.onnx"):
        with pytest.raises(ExportError):
            export(nn.LSTM(3, 4), wrong)


def test_weights_in_int8_are_a_quarter_and_exactly_the_rounded_ones(tmp_path):
    layer = nn.LSTM(32, 128, bidirectional=True)
    whole = export(layer, tmp_path / "whole.onnx")
    small = export(layer, tmp_path / "small.onnx", int8=True)
    assert whole.rounding is None
    assert small.verification.largest_difference < 1e-5
    assert 1e-5 < small.rounding < 0.02
    assert small.graph.stat().st_size < 0.3 * whole.graph.stat().st_size


def test_only_float32_layers_and_bundles_are_exported(tmp_path):
    with pytest.raises(ExportError, match="must be float32"):
        export(nn.LSTM(3, 4, dtype=torch.float64), tmp_path / "a.onnx")
    with pytest.raises(ExportError, match="Linear came"):
        export(torch.nn.Linear(3, 4), tmp_path / "a.onnx")


@pytest.mark.parametrize("form", [{}, {"peephole": "full"}], ids=str)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_comes_out_as_none(form, bad, tmp_path):
    """ONNX Runtime's LSTM alone would answer with plausible numbers."""
    export(nn.LSTM(3, 4, **form), tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    inputs = {"x": np.zeros((5, 2, 3), np.float32), "lengths": np.array([5, 5])}
    inputs |= {name: np.zeros((1, 2, 4), np.float32) for name in ("h", "c")}
    for name in ("x", "h", "c"):
        spoilt = {key: value.copy() for key, value in inputs.items()}
        spoilt[name][0, 1, 2] = bad
        for answer in session.run(None, spoilt):
            assert np.isfinite(answer[:, 0]).all()
            assert np.isnan(answer[:, 1]).all()


def test_a_stream_goes_on_where_it_was(tmp_path):
    layer = nn.LSTM(3, 4, peephole="diagonal", batch_first=True)
    export(layer, tmp_path / "a.onnx")
    model, x = load(tmp_path / "a.onnx"), np.random.default_rng(0).normal(size=(2, 9, 3)).astype(np.float32)
    whole, _ = model.run(x)
    first, state = model.run(x[:, :4])
    second, _ = model.run(x[:, 4:], state=state)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-6)
