"""Whole sequences through the compiled stack: the same results without gradients as with them, the same gradients as
layer by layer, and every change of the weights is seen."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from recurra.nn import GRU, LSTM, RNN
from recurra.ops import native
from tolerances import assert_close

pytestmark = pytest.mark.skipif(native.module is None, reason="the compiled kernels were not built")

LAYERS = {
    "lstm": (LSTM, {}),
    "no-bias": (LSTM, {"bias": False}),
    "peephole-coupled": (LSTM, {"peephole": "diagonal", "coupled": True, "cell_clip": 0.3}),
    "zoneout": (LSTM, {"zoneout": (0.2, 0.1)}),
    "layer-norm": (LSTM, {"layer_norm": True}),
    "projection": (LSTM, {"proj_size": 5}),
    "full-peephole": (LSTM, {"peephole": "full"}),
    "candidate": (LSTM, {"candidate": "cell"}),
    "FGR": (LSTM, {"gates": "FGR", "proj_size": 5}),
    "gru": (GRU, {}),
    "gru-before": (GRU, {"reset": "before"}),
    "tanh": (RNN, {}),
    "relu": (RNN, {"nonlinearity": "relu"}),
}


@pytest.fixture(params=LAYERS)
def form(request):
    return LAYERS[request.param]


def tensors(results):
    """All tensors in what a layer returns."""
    return [results] if isinstance(results, torch.Tensor) else [t for part in results for t in tensors(part)]


def given_state(layer, B, dtype):
    L = layer.num_layers * (2 if layer.bidirectional else 1)
    state = tuple(torch.randn(L, B, size, dtype=dtype) for size in layer._state_sizes())
    return state if isinstance(layer, LSTM) else state[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("lengths", [None, [4, 0, 7]], ids=["full", "lengths"])
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (1, True), (3, False), (2, True)])
def test_the_results_are_those_with_gradients(form, layers, bidirectional, lengths, dtype):
    kind, options = form
    layer = kind(6, 17, layers, batch_first=True, bidirectional=bidirectional, dtype=dtype, **options).eval()
    x, state = torch.randn(3, 7, 6, dtype=dtype), given_state(layer, 3, dtype)
    wanted = {"lengths": lengths} | ({"return_cells": True} if kind is LSTM else {})
    with_gradients = tensors(layer(x, state, **wanted))
    with torch.inference_mode():
        without = tensors(layer(x, state, **wanted))
    assert layer._stack is not None, "another way was taken than the one under test"
    assert len(without) == len(with_gradients)
    for got, want in zip(without, with_gradients, strict=True):
        assert_close(got, want.detach())


def all_gradients(layer, x, state, lengths):
    """Of a loss on all that comes out, for all that goes in."""
    sources = [x, *tensors(state), *layer.parameters()]
    results = tensors(layer(x, state, lengths=lengths))
    drawn = torch.Generator().manual_seed(3)
    loss = sum((t * torch.randn(t.shape, dtype=t.dtype, generator=drawn)).sum() for t in results)
    return torch.autograd.grad(loss, sources)


@pytest.mark.parametrize("lengths", [None, torch.tensor([4, 9, 0, 9, 7, 9])[::2]], ids=["full", "lengths"])
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (1, True), (3, False), (2, True)])
def test_the_gradients_are_those_of_layer_by_layer(form, layers, bidirectional, lengths, monkeypatch):
    kind, options = form
    layer = kind(6, 17, layers, batch_first=True, bidirectional=bidirectional, dtype=torch.float64, **options).eval()
    x = torch.randn(3, 7, 6, dtype=torch.float64, requires_grad=True)
    state = given_state(layer, 3, torch.float64)
    for part in tensors(state):
        part.requires_grad_()
    got = all_gradients(layer, x, state, lengths)
    stack = layer._current_stack()
    assert stack.trains(layer.parameters()) != bool(layer.proj_size), "another way was taken than the one under test"
    monkeypatch.setattr(layer, "_current_stack", lambda: None)
    for one, other in zip(got, all_gradients(layer, x, state, lengths), strict=True):
        assert_close(one, other)


MASKED = {
    "zoneout": (LSTM, {"zoneout": (0.3, 0.2)}),
    "recurrent-dropout": (LSTM, {"recurrent_dropout": 0.4}),
    "all-three": (LSTM, {"zoneout": (0.3, 0.2), "recurrent_dropout": 0.4, "dropout": 0.3, "num_layers": 3}),
    "dropout": (LSTM, {"dropout": 0.5, "num_layers": 3}),
    "gru": (GRU, {"recurrent_dropout": 0.4, "dropout": 0.3, "num_layers": 2}),
    "tanh": (RNN, {"recurrent_dropout": 0.4, "dropout": 0.3, "num_layers": 2}),
}


@pytest.mark.parametrize("lengths", [None, [4, 0, 7]], ids=["full", "lengths"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one", "both"])
@pytest.mark.parametrize(("kind", "options"), MASKED.values(), ids=MASKED)
def test_masks_and_their_gradients_are_those_of_layer_by_layer(kind, options, bidirectional, lengths, monkeypatch):
    layer = kind(6, 17, batch_first=True, bidirectional=bidirectional, dtype=torch.float64, **options)
    x = torch.randn(3, 7, 6, dtype=torch.float64, requires_grad=True)
    state, found = given_state(layer, 3, torch.float64), []
    for part in tensors(state):
        part.requires_grad_()
    assert layer._current_stack().trains(layer.parameters())
    for _ in range(2):
        torch.manual_seed(5)
        found.append([*tensors(layer(x, state, lengths=lengths)), *all_gradients(layer, x, state, lengths)])
        monkeypatch.setattr(layer, "_current_stack", lambda: None)
    for one, other in zip(*found, strict=True):
        assert_close(one.detach(), other.detach())


def test_the_gradients_of_a_team_of_threads():
    layer, x = LSTM(64, 32, 2, bidirectional=True), torch.randn(40, 32, 64, requires_grad=True)
    state = given_state(layer, 32, torch.float32)
    for part in state:
        part.requires_grad_()
    want = all_gradients(layer, x, state, None)
    torch.set_num_threads(2)
    try:
        got = all_gradients(layer, x, state, None)
    finally:
        torch.set_num_threads(1)
    for one, other in zip(got, want, strict=True):
        assert_close(one, other, "gradient")


@pytest.mark.parametrize("options", [{}, {"layer_norm": True}, {"proj_size": 16}], ids=["plain", "norm", "projection"])
@pytest.mark.parametrize(("threads", "later"), [(1, 2), (2, 1)])
def test_the_threads_may_be_others_by_the_time_of_backward(options, threads, later):
    layer, x = LSTM(64, 64, **options), torch.randn(20, 32, 64)

    def gradients(at_forward, at_backward):
        try:
            torch.set_num_threads(at_forward)
            loss = layer(x)[0].square().sum()
            torch.set_num_threads(at_backward)
            return torch.autograd.grad(loss, list(layer.parameters()))
        finally:
            torch.set_num_threads(1)

    for got, want in zip(gradients(threads, later), gradients(threads, threads), strict=True):
        assert torch.equal(got, want)


ARRIVING = {
    "of one number": lambda y, h: y.sum() + h.sum(),
    "of each feature": lambda y, h: (y.sum((0, 1)) * h.sum((0, 1)).repeat(2)).sum(),
    "of each row": lambda y, h: (y.sum((0, 2)) * h.sum((0, 2))).sum(),
    "batch first": lambda y, h: (h.transpose(0, 1).flatten(1) * torch.arange(20.0)).sum(),
    "features first": lambda y, h: (y.permute(2, 0, 1).flatten() * torch.arange(150.0)).sum() + (h.mT[2:] ** 2).sum(),
    "of the state alone": lambda y, h: h[1:, ::2].square().sum(),
    "of the output alone": lambda y, h: y[::2, 1:].square().sum(),
}


@pytest.mark.parametrize("loss", ARRIVING.values(), ids=ARRIVING)
def test_gradients_arrive_in_any_layout(loss, monkeypatch):
    layer, x = GRU(4, 5, 2, bidirectional=True), torch.randn(5, 3, 4)
    found = []
    for _ in range(2):
        y, h = layer(x)
        found.append(torch.autograd.grad(loss(y, h), list(layer.parameters())))
        monkeypatch.setattr(layer, "_current_stack", lambda: None)
    for got, want in zip(*found, strict=True):
        assert_close(got, want, "gradient")


def test_derivatives_of_the_derivatives_under_masks():
    layer = LSTM(2, 3, 2, dropout=0.3, zoneout=(0.2, 0.2), recurrent_dropout=0.2, dtype=torch.float64)
    x = torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)

    def run(x):
        torch.manual_seed(5)
        return layer(x, lengths=[4, 2])[0]

    assert torch.autograd.gradgradcheck(run, (x,))


def test_derivatives_of_the_derivatives():
    layer = GRU(2, 3, 2, bidirectional=True, dtype=torch.float64)
    x = torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)
    state = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)

    def run(x, state, weight):
        weights = {"weight_hh_l0_reverse": weight}
        return torch.func.functional_call(layer, weights, (x, state), {"lengths": [4, 2]}, strict=False)

    weight = layer.weight_hh_l0_reverse
    assert torch.autograd.gradgradcheck(lambda x, state: layer(x, state, lengths=[4, 2]), (x, state))
    assert torch.autograd.gradgradcheck(run, (x, state, weight))


@pytest.mark.parametrize("late", [False, True], ids=["moved", "saved elsewhere"])
def test_weights_that_lie_elsewhere_by_the_time_of_backward(late):
    layer, x = LSTM(4, 8, 2, bidirectional=True), torch.randn(5, 3, 4)
    layer(x)[0].square().sum().backward()
    want = [weight.grad for weight in layer.parameters()]
    layer.zero_grad()
    if late:
        with torch.autograd.graph.saved_tensors_hooks(torch.clone, lambda saved: saved):
            loss = layer(x)[0].square().sum()
    else:
        loss = layer(x)[0].square().sum()
        for weight in layer.parameters():
            weight.data = weight.data.clone()
    loss.backward()
    for weight, gradient in zip(layer.parameters(), want, strict=True):
        assert torch.equal(weight.grad, gradient)


def test_weights_that_were_converted_before_backward_are_refused():
    layer = RNN(4, 8)
    loss = layer(torch.randn(5, 3, 4))[0].sum()
    layer.half()
    with pytest.raises(RuntimeError, match="between forward and backward the weights must stay what they are"):
        loss.backward()


def test_a_weight_of_two_layers_has_both_gradients():
    layer, x = LSTM(8, 8, 2), torch.randn(5, 3, 8)
    layer.weight_hh_l1 = layer.weight_hh_l0
    apart = LSTM(8, 8, 2)
    apart.load_state_dict(layer.state_dict())
    for one in (layer, apart):
        one(x)[0].square().sum().backward()
    assert_close(layer.weight_hh_l0.grad, apart.weight_hh_l0.grad + apart.weight_hh_l1.grad)


def test_what_is_kept_for_backward_serves_twice_and_is_watched():
    layer, x = LSTM(4, 8, 2), torch.randn(5, 3, 4)
    loss = layer(x)[0].square().sum()
    weights = list(layer.parameters())
    first, second = (torch.autograd.grad(loss, weights, retain_graph=True) for _ in range(2))
    assert all(map(torch.equal, first, second))
    with torch.no_grad():
        layer.weight_hh_l0.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_any_layout_of_input_and_state():
    layer = LSTM(6, 8, 2).eval()
    x, h = torch.randn(6, 2, 5).permute(2, 1, 0), torch.randn(8, 2, 2).permute(2, 1, 0)
    with torch.no_grad():
        got = tensors(layer(x, (h, h)))
        want = tensors(layer(x.contiguous(), (h.contiguous(), h.contiguous())))
    for one, other in zip(got, want, strict=True):
        assert torch.equal(one, other)


def test_lengths_that_are_every_second_one():
    layer, x = LSTM(6, 8).eval(), torch.randn(5, 3, 6)
    with torch.no_grad():
        assert torch.equal(layer(x, lengths=torch.tensor([5, 1, 2, 1, 0])[::2])[0], layer(x, lengths=[5, 2, 0])[0])


def test_the_state_that_was_given_stays_as_it_was():
    layer, state = GRU(6, 8).eval(), torch.ones(1, 2, 8)
    with torch.no_grad():
        layer(torch.randn(3, 2, 6), state)
    assert torch.equal(state, torch.ones(1, 2, 8))


def by_optimiser(layer):
    for p in layer.parameters():
        p.grad = torch.ones_like(p)
    torch.optim.SGD(layer.parameters(), lr=0.1).step()


def one_bit(layer):
    layer.weight_hh_l1.data.view(torch.int32)[-1, -1] ^= 1 << 20


def two_weights_swapped(layer):
    flat = layer.weight_ih_l0.data.view(-1)
    flat[[0, 16]] = flat[[16, 0]]  # 64 bytes apart


CHANGES = {
    "in place": lambda layer: nn.init.uniform_(layer.weight_hh_l1),
    "optimiser": by_optimiser,
    "loaded": lambda layer: layer.load_state_dict(LSTM(7, 9, 2, peephole="diagonal").state_dict()),
    "another parameter": lambda layer: setattr(layer, "bias_ih_l1", nn.Parameter(torch.ones(36))),
    "other data": lambda layer: setattr(layer.weight_ih_l0, "data", torch.ones(36, 7)),
    "the last weight": lambda layer: layer.weight_ih_l1.data.view(-1)[-1:].add_(1),
    "within the data": lambda layer: layer.bias_hh_l1.data.copy_(torch.ones(36)),
    "a bit of the data": one_bit,
    "data swapped": two_weights_swapped,
    "one peephole": lambda layer: layer.peephole_l0.data.fill_(0.5),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_of_the_weights_is_seen(change):
    layer, x = LSTM(7, 9, 2, peephole="diagonal").eval(), torch.randn(3, 2, 7)
    with torch.no_grad():
        before = layer(x)[0]
    change(layer)
    with torch.no_grad():
        after = layer(x)[0]
    assert torch.equal(after, layer(x)[0].detach())
    assert not torch.equal(before, after)


@pytest.mark.parametrize("change", [lambda w: w.t(), lambda w: w.double()], ids=["transposed", "double"])
def test_data_of_another_form_is_seen(change):
    layer, x = RNN(8, 8).eval(), torch.randn(3, 2, 8)
    with torch.no_grad():
        layer(x)
    for weight in layer.parameters():
        weight.data = change(weight.data)
    x = x.to(layer.weight_ih_l0.dtype)
    with torch.no_grad():
        after = layer(x)[0]
    assert_close(after, layer(x)[0].detach())


def test_weights_that_are_made_at_each_call():
    layer = LSTM(6, 8, peephole="full", candidate="cell").eval()
    weighted = nn.utils.parametrizations.weight_norm(LSTM(6, 8), "weight_hh_l0").eval()
    x = torch.randn(3, 2, 6)
    for one in (layer, weighted):
        with torch.no_grad():
            one(x)
            for parameter in one.parameters():
                parameter.mul_(1.5)
            without = one(x)[0]
        assert_close(without, one(x)[0].detach())


def test_masks_are_drawn_in_training():
    torch.manual_seed(0)
    layer, x = LSTM(6, 8, recurrent_dropout=0.5), torch.randn(3, 2, 6)
    with torch.no_grad():
        assert not torch.equal(layer(x)[0], layer(x)[0])
        layer.eval()
        assert torch.equal(layer(x)[0], layer(x)[0])


def test_copies_and_pickles_have_weights_of_their_own():
    layer, x = LSTM(6, 8).eval(), torch.randn(3, 2, 6)
    with torch.no_grad():
        before = layer(x)[0]
        copies = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
        layer.weight_ih_l0.zero_()
        assert all(torch.equal(other(x)[0], before) for other in copies)


def test_weights_that_were_made_in_inference_mode():
    with torch.inference_mode():
        layer = LSTM(6, 8).eval()
        x = torch.randn(3, 2, 6)
        first = layer(x)[0].clone()
        layer.weight_ih_l0.mul_(2)
        second = layer(x)[0]
        other = LSTM(6, 8).eval()
        other.load_state_dict(layer.state_dict())
        assert torch.equal(second, other(x)[0])
    assert not torch.equal(first, second)


def test_several_threads_at_once():
    layer = LSTM(32, 64, 2, bidirectional=True).eval()
    inputs = [torch.randn(5, 1 + k % 3, 32) for k in range(40)]

    def run(x):
        with torch.no_grad():
            return layer(x)[0]

    want = [run(x) for x in inputs]
    layer._stack = None
    with ThreadPoolExecutor(4) as pool:
        for got, one in zip(pool.map(run, inputs), want, strict=True):
            assert torch.equal(got, one)


def test_gradients_reach_the_parameters_that_are_there_now():
    layer, x = LSTM(4, 8), torch.randn(5, 3, 4)
    layer(x)[0].sum().backward()
    first = layer.weight_hh_l0
    want, first.grad = first.grad, None
    layer.weight_hh_l0 = nn.Parameter(first.data)  # another one, in the same place in memory
    layer(x)[0].sum().backward()
    assert first.grad is None
    assert torch.equal(layer.weight_hh_l0.grad, want)

    others = {name: weight.detach().requires_grad_() for name, weight in layer.named_parameters()}
    torch.func.functional_call(layer, others, (x,))[0].sum().backward()
    assert torch.equal(others["weight_hh_l0"].grad, want)


def test_a_frozen_weight_has_no_gradient():
    layer, x = LSTM(4, 8, 2), torch.randn(5, 3, 4)
    layer(x)[0].sum().backward()
    layer.weight_ih_l1.requires_grad_(False).grad = None
    layer(x)[0].sum().backward()
    assert layer.weight_ih_l1.grad is None
    assert layer.weight_hh_l1.grad is not None
