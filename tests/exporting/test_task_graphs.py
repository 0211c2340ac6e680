"""Whole models as graphs: every part that a task's model may have, beside the bundle."""

from __future__ import annotations

import importlib.util
import sys
from itertools import islice
from pathlib import Path

import onnx
import pytest
import torch

import recurra
from recurra.errors import ExportError

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "export" / "configurations.py"


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """The script that tries all configurations; here every seventh of those with two layers."""
    torch.manual_seed(0)
    spec = importlib.util.spec_from_file_location("configurations", SCRIPT)
    module = sys.modules["configurations"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_models_of_all_tasks_answer_as_the_bundle_does(benchmark, tmp_path):
    tried = 0
    for one in islice(benchmark.configurations(layers=(2,)), None, None, 7):
        exported = recurra.export(one.source, tmp_path / "model.onnx", int8=one.int8, overwrite=True)
        assert exported.verification.largest_difference < 1e-5, one.name
        tried += 1
    assert tried > 30


def test_taggers_answer_as_the_bundle_does(benchmark, tmp_path):
    for one in islice(benchmark.taggers(), None, None, 2):
        exported = recurra.export(one.source, tmp_path / "model.onnx", int8=one.int8, overwrite=True)
        assert exported.verification.largest_difference < 1e-5, one.name
        outputs = {output.name for output in onnx.load(exported.graph).graph.output}
        free = one.source.task.scheme is None and not one.source.task.has_crf
        assert outputs == {"scores", "start", "between", "end"} | ({"probabilities"} if free else set())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"decoder": "autoregressive", "head": "normal"}, "autoregressive decoder draws paths at random"),
        ({"head": "negative-binomial"}, "negative-binomial head are drawn at random"),
    ],
)
def test_forecasts_that_are_drawn_cannot_be_exported(settings, reason, tmp_path):
    data = {"day": list(range(60)), "x": [float(i % 7) for i in range(60)]}
    settings = recurra.Forecasting(
        time="day", target="x", horizon=2, encoder=recurra.Encoder(hidden_size=4), **settings
    )
    bundle = recurra.train(settings, data, options=recurra.TrainingOptions(steps=1))
    with pytest.raises(ExportError, match=reason):
        recurra.export(bundle, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
