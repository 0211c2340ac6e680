"""``layer.step``: the compiled steps are those of the whole sequence, and follow every change of the weights."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from recurra.nn import GRU, LSTM, RNN
from recurra.ops import native
from tolerances import assert_close

LAYERS = {
    "lstm": (LSTM, {}),
    "peephole-coupled": (LSTM, {"peephole": "diagonal", "coupled": True}),
    "zoneout": (LSTM, {"zoneout": (0.2, 0.1)}),
    "clip-NOG": (LSTM, {"cell_clip": 0.3, "gates": "NOG"}),
    "layer-norm": (LSTM, {"layer_norm": True, "peephole": "diagonal"}),
    "projection": (LSTM, {"proj_size": 11, "zoneout": (0.2, 0.1)}),
    "full-peephole": (LSTM, {"peephole": "full", "layer_norm": True, "proj_size": 13}),
    "candidate": (LSTM, {"candidate": "cell"}),
    "FGR": (LSTM, {"gates": "FGR", "coupled": True}),
    "gru": (GRU, {}),
    "gru-before": (GRU, {"reset": "before"}),
    "tanh": (RNN, {}),
    "relu": (RNN, {"nonlinearity": "relu", "bias": False}),
}


def zeros(layer: nn.Module, B: int) -> tuple[torch.Tensor, ...] | torch.Tensor:
    state = layer.begin(B)
    return state if isinstance(layer, LSTM) else state[0]


def parts(state: tuple[torch.Tensor, ...] | torch.Tensor) -> tuple[torch.Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


@pytest.fixture(params=LAYERS)
def form(request):
    return LAYERS[request.param]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("B", [1, 3, 17])
@pytest.mark.parametrize(("layers", "H"), [(1, 37), (2, 16), (1, 300)])
def test_steps_are_the_sequence(form, layers, H, B, dtype):
    kind, options = form
    torch.manual_seed(0)
    layer = kind(5, H, layers, dtype=dtype, **options).eval()
    x = torch.randn(4, B, 5, dtype=dtype)
    with torch.no_grad():
        y, final = layer(x)
        state = zeros(layer, B)
        for t in range(4):
            y_t, state = layer.step(x[t], state)
            assert_close(y_t, y[t])
    for got, want in zip(parts(state), parts(final), strict=True):
        assert_close(got, want)
    assert (layer._streaming is not None) == (native.module is not None), "the compiled step was not the one that ran"


@pytest.mark.skipif(native.module is None, reason="the compiled kernels were not built")
def test_the_state_that_was_given_stays_as_it_was():
    layer, x = LSTM(3, 8).eval(), torch.randn(1, 3)
    state = zeros(layer, 1)
    with torch.inference_mode():
        layer.step(x, state)
    assert not any(part.any() for part in state)


def changes():
    def optimiser(layer):
        for p in layer.parameters():
            p.grad = torch.ones_like(p)
        torch.optim.SGD(layer.parameters(), lr=0.1).step()

    return {
        "in-place": lambda layer: nn.init.uniform_(layer.weight_ih_l0),
        "optimiser": optimiser,
        "loaded": lambda layer: layer.load_state_dict(LSTM(3, 8).state_dict()),
        "replaced": lambda layer: setattr(layer, "bias_ih_l0", nn.Parameter(torch.ones(32))),
        "data": lambda layer: setattr(layer.weight_ih_l0, "data", torch.ones(32, 3)),
        "double": lambda layer: layer.double(),
    }


@pytest.mark.parametrize("change", changes().values(), ids=changes())
def test_a_step_follows_the_weights(change):
    layer = LSTM(3, 8).eval()
    with torch.no_grad():
        layer.step(torch.randn(1, 3), zeros(layer, 1))
    change(layer)
    x = torch.randn(1, 3, dtype=layer.weight_ih_l0.dtype)
    with torch.no_grad():
        assert_close(layer.step(x, zeros(layer, 1))[0], layer(x[None])[0][0])


def test_copies_and_pickles_step_with_their_own_weights():
    layer = LSTM(3, 8).eval()
    x, state = torch.randn(1, 3), zeros(layer, 1)
    with torch.no_grad():
        before = layer.step(x, state)[0]
        copies = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
        layer.weight_ih_l0.zero_()
        for other in copies:
            assert torch.equal(other.step(x, state)[0], before)


def test_parametrized_weights_step_too():
    layer = LSTM(3, 8).eval()
    nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")
    x, state = torch.randn(2, 3), zeros(layer, 2)
    with torch.no_grad():
        layer.parametrizations.weight_hh_l0.original0.mul_(2)
        assert_close(layer.step(x, state)[0], layer(x[None])[0][0])


def test_gradients_flow_through_steps_where_they_are_wanted():
    layer = LSTM(3, 8)
    y, _ = layer.step(torch.randn(2, 3), zeros(layer, 2))
    y.sum().backward()
    assert layer.weight_ih_l0.grad.abs().sum() > 0


@pytest.mark.parametrize("x", [torch.randn(3, 2).t(), torch.randn(2, 6)[:, ::2]], ids=["transposed", "strided"])
def test_any_layout_in_memory(x):
    layer = LSTM(3, 8).eval()
    with torch.no_grad():
        assert_close(layer.step(x, zeros(layer, 2))[0], layer(x[None])[0][0])
