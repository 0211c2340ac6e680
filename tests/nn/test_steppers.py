"""Steps of one sequence, and pooling as it goes on: the numbers of the whole sequence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recurra.nn import build_encoder
from recurra.nn.pooling import Pooling
from recurra.nn.running import RunningPooling
from recurra.nn.stepper import _ByLayer, stepper
from recurra.ops import native, stream
from recurra.settings import Encoder
from tolerances import assert_close

FORMS = {
    "lstm": {},
    "two layers": {"layers": 2},
    "coupled peephole": {"peephole": "diagonal", "coupled": True},
    "full peephole": {"peephole": "full"},
    "cell candidate": {"candidate": "cell"},
    "FGR": {"gates": "FGR"},
    "NOG": {"gates": "NOG", "cell_clip": 0.3},
    "layer norm, two layers": {"layer_norm": True, "layers": 2},
    "projection": {"proj_size": 5},
    "zoneout": {"zoneout": (0.2, 0.1)},
    "gru": {"cell": "gru", "layers": 3},
    "gru, reset before": {"cell": "gru", "reset": "before"},
    "rnn": {"cell": "rnn", "nonlinearity": "relu"},
}


@pytest.fixture(params=FORMS)
def form(request) -> str:
    return request.param


def encoder(form: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_encoder(Encoder(hidden_size=16, **FORMS[form]), input_size=3).eval()


def take(one, x: np.ndarray) -> np.ndarray:
    one.input[:] = x
    return one.step().copy()


def test_steps_are_the_whole_sequence(form):
    layers, x = encoder(form), torch.randn(1, 7, 3)
    with torch.no_grad():
        expected, final = layers(x)
    one = stepper(layers)
    outputs = []
    for t in range(7):
        outputs.append(take(one, x[0, t].numpy()))
        if t % 2 == 0:
            one.keep()  # after one step or after two
    assert_close(torch.from_numpy(np.stack(outputs)), expected[0])
    for part, want in zip(one.state, final, strict=True):
        assert_close(part, want)
    assert isinstance(one, _ByLayer if native.module is None else stream.Walk), "another kind of steps than expected"


def test_what_is_not_kept_is_undone(form):
    layers, x = encoder(form), torch.randn(5, 3).numpy()
    one, other = stepper(layers), stepper(layers)
    for t in (0, 1):
        take(one, x[t]), take(other, x[t])
    one.keep(), other.keep()
    before = [part.clone() for part in one.state]
    for wrong in (x[3], x[4], x[3]):
        take(one, wrong)
    one.undo()
    assert all(torch.equal(part, was) for part, was in zip(one.state, before, strict=True))
    assert np.array_equal(take(one, x[2]), take(other, x[2]))


def test_a_state_that_is_copied_in_is_gone_on_from(form):
    layers, x = encoder(form), torch.randn(4, 3).numpy()
    one = stepper(layers)
    for t in range(3):
        take(one, x[t])
        one.keep()
    other = stepper(layers)
    for part, value in zip(other.state, one.state, strict=True):
        part.copy_(value)
    assert np.array_equal(take(one, x[3]), take(other, x[3]))


@pytest.mark.parametrize("kind", ["last", "mean", "max", "attention"])
def test_pooling_as_it_goes_on_is_that_of_the_whole(kind):
    torch.manual_seed(0)
    pooling, outputs = Pooling(kind, 6), torch.randn(1, 30, 6) * 3
    running = RunningPooling(pooling, 6)
    for t in range(30):
        some = outputs[:, : t + 1]
        with torch.no_grad():
            expected, _ = pooling(some, torch.ones(1, t + 1, dtype=torch.bool), some[:, -1])
        before = running.state.copy()
        running.add(outputs[0, t].numpy() * 100)
        running.undo()
        assert np.array_equal(running.state, before)
        assert_close(torch.from_numpy(running.add(outputs[0, t].numpy())), expected[0])
        running.keep()
