"""The layers under torch.compile, torch.export and torch.func: one graph, any batch and time, the same numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ops.cases import Case, cases, problem
from recurra.nn import GRU, LSTM, RNN
from recurra.ops import LSTMNoise, LSTMWeights, native
from recurra.ops.lstm import cpu as lstm_cpu
from tolerances import assert_close

LAYERS = {
    "lstm": (LSTM, {}),
    "stack": (LSTM, {"num_layers": 2, "bidirectional": True, "coupled": True, "peephole": "diagonal"}),
    "products": (LSTM, {"peephole": "full", "candidate": "cell", "gates": "FGR"}),
    "gru": (GRU, {}),
    "gru-before": (GRU, {"reset": "before", "bidirectional": True}),
    "rnn": (RNN, {"nonlinearity": "relu"}),
}
compiled_only = pytest.mark.skipif(native.module is None, reason="the compiled kernels were not built")


@pytest.fixture(params=LAYERS)
def layer(request) -> nn.Module:
    torch.manual_seed(0)
    kind, options = LAYERS[request.param]
    return kind(4, 8, batch_first=True, **options)


@pytest.fixture(autouse=True)
def forget_graphs():
    torch.compiler.reset()
    return


def with_gradients(f, layer: nn.Module, x: torch.Tensor, **arguments) -> list[torch.Tensor]:
    """The output and the gradients of x and of all weights."""
    x = x.clone().requires_grad_()
    y = f(x, **arguments)[0]
    return [y, *torch.autograd.grad(y.sin().sum(), [x, *layer.parameters()])]


@compiled_only
@pytest.mark.parametrize("lengths", [None, [6, 0, 3]], ids=["full", "lengths"])
def test_compiled_in_one_graph(layer, lengths):
    given = {} if lengths is None else {"lengths": torch.tensor(lengths)}
    x = torch.randn(3, 6, 4)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    want, got = with_gradients(layer, layer, x, **given), with_gradients(compiled, layer, x, **given)
    for a, b in zip(got, want, strict=True):
        assert_close(a, b, "gradient")


@compiled_only
@pytest.mark.parametrize(
    ("kind", "options", "saved"),
    [
        (LSTM, {}, (80, 16)),
        (LSTM, {"layer_norm": True}, (216, 16)),
        (GRU, {}, (64, 16)),
        (GRU, {"reset": "before"}, (64, 16)),
        (RNN, {}, (0, 16)),
    ],
)
def test_what_is_saved_has_the_size_that_graphs_on_disk_know(kind, options, saved):
    call, _ = kind(4, 16, **options)._compiled("_l0")
    assert native.saved_of_a_row(call, 16) == saved, "set another traced._SAVED, and these numbers"


@compiled_only
def test_compiled_by_inductor():
    layer, x = LSTM(4, 8), torch.randn(6, 3, 4)
    assert_close(torch.compile(layer, fullgraph=True)(x)[0], layer(x)[0])


@compiled_only
def test_a_step_compiled_in_one_graph():
    layer, x = LSTM(4, 8).eval(), torch.randn(3, 4)
    with torch.no_grad():
        state = layer.begin(3)
        for _ in range(2):  # the second time the weights are packed for steps
            compiled = torch.compile(layer.step, fullgraph=True, backend="aot_eager")
            assert_close(compiled(x, state)[0], layer.step(x, state)[0])


@compiled_only
def test_exported_with_any_batch_and_time(layer):
    B, T = torch.export.Dim("B"), torch.export.Dim("T")
    program = torch.export.export(layer, (torch.randn(3, 6, 4),), dynamic_shapes=({0: B, 1: T},))
    for shape in ((3, 6, 4), (5, 9, 4), (2, 30, 4)):
        x = torch.randn(shape)
        assert_close(program.module()(x)[0], layer(x)[0])


def test_a_batch_of_batches(layer):
    x = torch.randn(2, 3, 6, 4)
    assert_close(torch.vmap(lambda part: layer(part)[0])(x), torch.stack([layer(part)[0] for part in x]))


def test_gradients_as_functions(layer):
    x = torch.randn(3, 6, 4)
    want = with_gradients(layer, layer, x)[1]
    assert_close(torch.func.grad(lambda v: layer(v)[0].sin().sum())(x), want, "gradient")
    weights = dict(layer.named_parameters())
    one = lambda w, v: torch.func.functional_call(layer, w, (v[None],))[0].sin().sum()  # noqa: E731
    of_each = torch.vmap(torch.func.grad(one), in_dims=(None, 0))(weights, x)
    total = with_gradients(layer, layer, x)[2:]
    for gradient, want in zip(of_each.values(), total, strict=True):
        assert_close(gradient.sum(0), want, "gradient")


def test_forward_mode(layer):
    x, direction = torch.randn(3, 6, 4, dtype=torch.float64), torch.randn(3, 6, 4, dtype=torch.float64)
    layer = layer.double()
    _, along = torch.func.jvp(lambda v: layer(v)[0].sum(), (x,), (direction,))
    x.requires_grad_()
    want = (torch.autograd.grad(layer(x)[0].sum(), x)[0] * direction).sum()
    assert_close(along, want, "gradient")


@compiled_only
@pytest.mark.parametrize("case", [c for c in cases() if c.op == "lstm"], ids=str)
def test_the_operator_keeps_its_word(case: Case):
    p = problem(case).to(torch.float32, grad=True)
    weights, noise = LSTMWeights(**p.weights), LSTMNoise(**p.masks)
    sequence = lstm_cpu._sequence(p.x, p.state, weights, case.options, noise, torch.tensor([5, 2, 0, 3]))
    arguments = (*sequence, f"lstm:{case.options.as_text}", False, True)
    torch.library.opcheck(torch.ops.recurra.sequence.default, arguments, atol=1e-5, rtol=1e-5)
