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


def test_forecasters_that_draw_say_the_parameters_that_the_bundle_s_do(benchmark, tmp_path):
    for one in islice(benchmark.drawing_forecasters(), None, None, 3):
        exported = recurra.export(one.source, tmp_path / "model.onnx", int8=one.int8, overwrite=True)
        assert exported.verification.largest_difference < 1e-5, one.name
        stepwise = one.source.task.settings.decoder == "autoregressive"
        assert exported.verification.states == (("zero", "drawn") if stepwise else ())
        (said, *state) = [output.name for output in onnx.load(exported.graph).graph.output]
        assert said == "parameters"
        assert bool(state) == stepwise
