"""What users hang on modules works on these as on torch's: hooks, parametrizations, frozen weights."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from recurra.nn import GRU, LSTM, RNN
from tolerances import assert_close

PAIRS = {"LSTM": (LSTM, nn.LSTM), "GRU": (GRU, nn.GRU), "RNN": (RNN, nn.RNN)}


@pytest.fixture(params=PAIRS)
def twins(request):
    """Our layer and torch's with the same weights."""
    ours, theirs = (kind(3, 5) for kind in PAIRS[request.param])
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def both(twins, change):
    """The gradients of x after ``change(layer)``, and those of the parameters."""
    found = []
    for layer in twins:
        change(layer)
        x = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
        layer(x)[0].sin().sum().backward()
        found.append({"x": x.grad, **{name: p.grad for name, p in layer.named_parameters()}})
    return found


def assert_same(twins, change):
    ours, theirs = both(twins, change)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        if gradient is None:
            assert ours[name] is None, name
        else:
            assert_close(ours[name], gradient, "gradient")


def test_weight_norm(twins):
    assert_same(twins, lambda layer: parametrizations.weight_norm(layer, "weight_hh_l0"))


def test_frozen_weights(twins):
    assert_same(twins, lambda layer: layer.weight_hh_l0.requires_grad_(False))
    assert_same(twins, lambda layer: layer.requires_grad_(False))


def test_hooks_on_weights(twins):
    assert_same(twins, lambda layer: layer.weight_ih_l0.register_hook(lambda gradient: 2 * gradient))


def test_hooks_on_modules(twins):
    seen = []

    def hang_on(layer):
        layer.register_forward_hook(lambda _, given, output: (output[0] * 2, output[1]))
        layer.register_full_backward_hook(lambda _, into, out: seen.append(out[0]))

    assert_same(twins, hang_on)
    assert_close(seen[0], seen[1], "gradient")
