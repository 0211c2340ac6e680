"""``compress_steps``: the compiled steps compute with exactly the weights that the short forms stand for."""

import copy
import pickle

import pytest
import torch
from torch import Tensor

from recurra.errors import SettingsError
from recurra.nn import GRU, LSTM, RNN
from recurra.ops import native
from tolerances import assert_close

compiled_only = pytest.mark.skipif(native.module is None, reason="the compiled kernels were not built")
LAYERS = {
    "lstm": (LSTM, {}),
    "peephole-coupled": (LSTM, {"peephole": "diagonal", "coupled": True}),
    "gru": (GRU, {}),
    "rnn": (RNN, {}),
}


def rounded(weight: Tensor, storage: str) -> Tensor:
    """The weight that is left of ``weight [G, K]``."""
    if storage == "bfloat16":
        return weight.bfloat16().float()
    scale = weight.abs().amax(1, keepdim=True) / 127
    return (weight / scale).round() * scale


def steps(layer, x: Tensor) -> Tensor:
    """The outputs ``[T, B, H]`` of single steps."""
    h = torch.zeros(layer.num_layers, x.shape[1], layer.hidden_size)
    state = (h, h.clone()) if isinstance(layer, LSTM) else h
    outputs = []
    with torch.inference_mode():
        for x_t in x:
            y, state = layer.step(x_t, state)
            outputs.append(y)
    return torch.stack(outputs)


@compiled_only
@pytest.mark.parametrize("storage", ["bfloat16", "int8"])
@pytest.mark.parametrize("B", [1, 7])
@pytest.mark.parametrize("H", [37, 300])
@pytest.mark.parametrize("form", LAYERS)
def test_it_computes_with_the_rounded_weights(form, H, B, storage):
    kind, options = LAYERS[form]
    torch.manual_seed(0)
    layer = kind(5, H, 2, **options).eval()
    want = copy.deepcopy(layer)
    with torch.no_grad():
        for name, weight in want.named_parameters():
            if name.startswith("weight"):
                weight.copy_(rounded(weight, storage))
    x = torch.randn(4, B, 5)
    full = steps(layer, x)
    layer.compress_steps(storage)
    got = steps(layer, x)
    assert_close(got, steps(want, x))
    assert not torch.equal(got, full)
    layer.compress_steps(None)
    assert torch.equal(steps(layer, x), full)


@compiled_only
@pytest.mark.parametrize("storage", ["bfloat16", "int8"])
def test_not_a_number_and_zero_rows(storage):
    layer = RNN(2, 20, bias=False).eval()
    with torch.no_grad():
        layer.weight_ih_l0[3], layer.weight_hh_l0[3] = 0.0, 0.0
    layer.compress_steps(storage)
    y = steps(layer, torch.ones(1, 1, 2))
    assert y[0, 0, 3] == 0
    assert steps(layer, torch.tensor([[[1.0, torch.nan]]])).isnan().all()


@compiled_only
def test_it_goes_with_copies_and_follows_the_weights():
    layer, x = LSTM(3, 20).eval(), torch.randn(2, 1, 3)
    layer.compress_steps("int8")
    first = steps(layer, x)
    assert torch.equal(steps(pickle.loads(pickle.dumps(layer)), x), first)
    with torch.no_grad():
        layer.weight_hh_l0.mul_(2)
    assert not torch.equal(steps(layer, x), first)


def test_training_and_whole_sequences_stay_exact():
    torch.manual_seed(0)
    layer, x = LSTM(3, 20), torch.randn(4, 2, 3)
    before = layer(x)[0]
    layer.compress_steps("bfloat16")
    assert torch.equal(layer(x)[0], before)
    h = torch.zeros(1, 2, 20)
    y, _ = layer.step(x[0], (h, h))
    assert y.requires_grad
    assert_close(y, before[0])


@pytest.mark.parametrize(
    ("layer", "storage", "word"),
    [
        (LSTM(2, 3), "int4", "there is no 'int4'"),
        (LSTM(2, 3, bidirectional=True), "int8", "one direction"),
        (LSTM(2, 3, dtype=torch.float64), "int8", "float32"),
        (LSTM(2, 3, layer_norm=True), "int8", "without layer_norm"),
    ],
    ids=["name", "bidirectional", "float64", "layer-norm"],
)
def test_what_cannot_be_is_refused(layer, storage, word):
    with pytest.raises(SettingsError, match=word):
        layer.compress_steps(storage)
