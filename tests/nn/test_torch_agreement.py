"""The layers take torch's place: same arguments, shapes, state_dict, values and gradients."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import recurra.nn
from tolerances import assert_close

CELLS = ["LSTM", "GRU", "RNN"]
SHAPES: dict[str, dict[str, Any]] = {
    "one": {},
    "no-bias": {"bias": False},
    "two": {"num_layers": 2},
    "both-ways": {"num_layers": 2, "bidirectional": True},
    "batch-first": {"batch_first": True, "bidirectional": True},
    "projection": {"proj_size": 3, "num_layers": 2, "bidirectional": True},
    "relu": {"nonlinearity": "relu", "num_layers": 2},
}
LENGTHS = [3, 7, 1, 5]
PAIRS = [
    pytest.param(cell, arguments, dtype, id=f"{cell}-{name}-{str(dtype)[-2:]}")
    for cell in CELLS
    for name, arguments in SHAPES.items()
    for dtype in (torch.float32, torch.float64)
    if not (name == "projection" and cell != "LSTM") and not (name == "relu" and cell != "RNN")
]


def pair(cell: str, arguments: dict[str, Any], dtype: torch.dtype) -> tuple[nn.Module, nn.Module]:
    """Torch's layer and ours with the same weights, through the state_dict."""
    theirs = getattr(nn, cell)(4, 6, dtype=dtype, **arguments)
    ours = getattr(recurra.nn, cell)(4, 6, dtype=dtype, **arguments)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def flat(result: Any) -> list[Tensor]:
    """All tensors of an answer of either layer."""
    if isinstance(result, PackedSequence):
        return [result.data]
    return [result] if isinstance(result, Tensor) else [tensor for part in result for tensor in flat(part)]


def assert_agreement(theirs: nn.Module, ours: nn.Module, *inputs: Any, leaf: Tensor) -> None:
    """Values of everything returned, and gradients of all weights and of ``leaf``."""
    want, got = theirs(*inputs), ours(*inputs)
    for a, b in zip(flat(got), flat(want), strict=True):
        assert a.shape == b.shape
        assert_close(a, b)
    for module, result in ((theirs, want), (ours, got)):
        loss = sum((part * torch.linspace(0.1, 1, part.numel()).view(part.shape)).sum() for part in flat(result))
        module.gradients = torch.autograd.grad(loss, [leaf, *module.parameters()], retain_graph=True)
    for a, b in zip(ours.gradients, theirs.gradients, strict=True):
        assert_close(a, b, "gradient")


def state_like(result: Any) -> Any:
    h = result[1]
    return tuple(torch.randn_like(part) for part in h) if isinstance(h, tuple) else torch.randn_like(h)


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("cell", "arguments", "dtype"), PAIRS)
def test_padded(cell: str, arguments: dict[str, Any], dtype: torch.dtype, train: bool) -> None:
    theirs, ours = pair(cell, arguments, dtype)
    theirs.train(train), ours.train(train)
    x = torch.randn(7, 5, 4, dtype=dtype, requires_grad=True)
    assert_agreement(theirs, ours, x, leaf=x)
    assert_agreement(theirs, ours, x, state_like(theirs(x)), leaf=x)


@pytest.mark.parametrize(("cell", "arguments", "dtype"), PAIRS)
def test_unbatched(cell: str, arguments: dict[str, Any], dtype: torch.dtype) -> None:
    theirs, ours = pair(cell, arguments, dtype)
    x = torch.randn(7, 4, dtype=dtype, requires_grad=True)
    assert_agreement(theirs, ours, x, leaf=x)
    assert_agreement(theirs, ours, x, state_like(theirs(x)), leaf=x)


@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize(("cell", "arguments", "dtype"), PAIRS)
def test_packed(cell: str, arguments: dict[str, Any], dtype: torch.dtype, enforce_sorted: bool) -> None:
    theirs, ours = pair(cell, arguments, dtype)
    x = torch.randn(7, 4, 4, dtype=dtype, requires_grad=True)
    lengths = sorted(LENGTHS, reverse=True) if enforce_sorted else LENGTHS
    packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=enforce_sorted)
    state = state_like(theirs(packed))
    assert_agreement(theirs, ours, packed, leaf=x)
    packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=enforce_sorted)
    assert_agreement(theirs, ours, packed, state, leaf=x)
    for index, same in zip(packed[1:], ours(packed)[0][1:], strict=True):
        assert (index is None and same is None) or torch.equal(index, same)


@pytest.mark.parametrize(("cell", "arguments", "dtype"), PAIRS)
def test_lengths_are_a_packed_sequence(cell: str, arguments: dict[str, Any], dtype: torch.dtype) -> None:
    theirs, ours = pair(cell, arguments, dtype)
    x = torch.randn(7, 4, 4, dtype=dtype)
    want, state = theirs(pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False))
    want, _ = nn.utils.rnn.pad_packed_sequence(want, batch_first=ours.batch_first)
    got, final = ours(x.transpose(0, 1) if ours.batch_first else x, lengths=LENGTHS)
    for a, b in zip([got, *flat(final)], [want, *flat(state)], strict=True):
        assert_close(a, b)


@pytest.mark.parametrize(("cell", "arguments", "dtype"), PAIRS)
def test_state_dict_and_initial_weights(cell: str, arguments: dict[str, Any], dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    theirs = getattr(nn, cell)(4, 6, dtype=dtype, **arguments)
    torch.manual_seed(3)
    ours = getattr(recurra.nn, cell)(4, 6, dtype=dtype, **arguments)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)
    ours.reset_parameters()
    theirs.load_state_dict(ours.state_dict())
    for a, b in zip(ours.all_weights, theirs.all_weights, strict=True):
        assert all(torch.equal(p, q) for p, q in zip(a, b, strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_same_arguments_in_the_same_order(cell: str) -> None:
    parameters = inspect.signature(getattr(recurra.nn, cell)).parameters.values()
    mine = {p.name: p.default for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
    order = {
        "LSTM": "input_size hidden_size num_layers bias batch_first dropout bidirectional proj_size device dtype",
        "GRU": "input_size hidden_size num_layers bias batch_first dropout bidirectional device dtype",
        "RNN": "input_size hidden_size num_layers nonlinearity bias batch_first dropout bidirectional device dtype",
    }
    assert list(mine) == order[cell].split()
    theirs = getattr(nn, cell)(4, 6)
    for name in set(mine) - {"input_size", "hidden_size", "device", "dtype", "nonlinearity"}:
        assert mine[name] == getattr(theirs, name)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
@pytest.mark.parametrize("cell", CELLS)
def test_double_backward_in_float32(cell: str, lengths: list[int] | None, training: bool) -> None:
    """A gradient penalty, in both modes, has the gradient that float64 gives."""
    torch.manual_seed(0)
    layer = getattr(recurra.nn, cell)(3, 5, num_layers=2, bidirectional=True).train(training)
    x = torch.randn(7, 4, 3)
    results = []
    for dtype in (torch.float64, torch.float32):
        twin, leaf = copy.deepcopy(layer).to(dtype), x.to(dtype).requires_grad_()
        output, state = twin(leaf, lengths=lengths)
        (slope,) = torch.autograd.grad(output.pow(2).sum() + flat(state)[-1].sum(), leaf, create_graph=True)
        results.append(torch.autograd.grad(slope.pow(2).sum(), [leaf, *twin.parameters()], materialize_grads=True))
    for a, b in zip(results[1], results[0], strict=True):
        assert_close(a, b, "gradient")


@pytest.mark.parametrize("cell", CELLS)
def test_copies(cell: str) -> None:
    layer = getattr(recurra.nn, cell)(3, 5, num_layers=2, recurrent_dropout=0.5).eval()
    x = torch.randn(7, 4, 3)
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(copied(x)[0], layer(x)[0])
        assert repr(copied) == f"{cell}(3, 5, num_layers=2, recurrent_dropout=0.5)"
    layer.flatten_parameters()


@pytest.mark.parametrize("options", [{}, {"batch_first": True}, {"batch_first": True, "bidirectional": True}])
def test_dropout_between_layers_draws_like_torch(options: dict[str, Any]) -> None:
    theirs, ours = pair("LSTM", {"num_layers": 3, "dropout": 0.5, **options}, torch.float32)
    x = torch.randn(7, 4, 4)
    torch.manual_seed(1)
    want = theirs(x)[0]
    torch.manual_seed(1)
    assert_close(ours(x)[0], want)
    assert not torch.equal(ours(x)[0], want)
    assert_close(ours.eval()(x)[0], theirs.eval()(x)[0])


def test_cell_state_after_the_last_real_step() -> None:
    """It comes from one fused call over the padding, and is what each sequence gives alone."""
    _, ours = pair("LSTM", {}, torch.float32)
    x, lengths = torch.randn(9, 3, 4), [2, 9, 4]
    _, (h, c) = ours(x, lengths=lengths)
    for b, n in enumerate(lengths):
        _, (h_b, c_b) = ours(x[:n, b])
        assert_close(h[:, b], h_b)
        assert_close(c[:, b], c_b)
