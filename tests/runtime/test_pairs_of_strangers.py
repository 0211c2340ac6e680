"""Pairs of a graph and its JSON that are damaged or made to do harm: each is refused with a sentence."""

from __future__ import annotations

import random
import shutil

import pytest

import recurra
from hostile_pairs import ABOUT, ATTACKS, GRAPH, graph
from recurra import runtime
from recurra.errors import BundleError, RecurraError

DATA = {"day": list(range(90)), "x": [float(i % 7) for i in range(90)]}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    settings = recurra.Forecasting(time="day", target="x", horizon=2, encoder=recurra.Encoder(hidden_size=4))
    bundle = recurra.train(settings, DATA, options=recurra.TrainingOptions(steps=3))
    folder = tmp_path_factory.mktemp("pair")
    recurra.export(bundle, folder / GRAPH)
    return folder


@pytest.fixture
def copy(good, tmp_path):
    return shutil.copytree(good, tmp_path / "copy")


def test_a_good_one_is_read_under_any_name(copy):
    (copy / GRAPH).rename(copy / "other.onnx")
    (copy / ABOUT).rename(copy / "other.json")
    assert runtime.load(copy / "other.onnx").predict(DATA).height == 2


@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_pairs_are_refused(name, copy):
    """The short form of ``benchmarks/faults/hostile_bundles.py --pairs``, which also measures time and memory."""
    ATTACKS[name](copy)
    with pytest.raises(BundleError) as caught:
        runtime.load(copy / GRAPH)
    assert str(caught.value).startswith("[")
    assert len(str(caught.value)) < 1000


def test_every_flipped_byte_and_every_cut_is_noticed(copy):
    chance = random.Random(0)
    for name in (GRAPH, ABOUT):
        whole = (copy / name).read_bytes()
        for place in chance.sample(range(len(whole)), 100):
            (copy / name).write_bytes(
                whole[:place] + bytes([whole[place] ^ chance.randrange(1, 256)]) + whole[place + 1 :]
            )
            with pytest.raises(BundleError):
                runtime.load(copy / GRAPH)
            (copy / name).write_bytes(whole[:place])
            with pytest.raises(BundleError):
                runtime.load(copy / GRAPH)
        (copy / name).write_bytes(whole)
    assert runtime.load(copy / GRAPH).predict(DATA).height == 2


def resize_input(model):
    next(i for i in model.graph.input if i.name == "past").type.tensor_type.shape.dim[2].dim_value = 3


def retype_input(model):
    next(i for i in model.graph.input if i.name == "lengths").type.tensor_type.elem_type = 6  # int32


@pytest.mark.parametrize("change", [resize_input, retype_input])
def test_what_is_seen_only_in_use_is_a_clear_error_too(change, copy):
    graph(change)(copy)
    model = runtime.load(copy / GRAPH)
    with pytest.raises(RecurraError, match=r"^\[.*(must be|must compute)"):
        model.predict(DATA)
