"""What holds for every op and form, whatever its equations."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ops.cases import Case, cases, problem
from recurra.errors import SettingsError, ShapeError
from recurra.ops import LSTMOptions, LSTMWeights, lstm
from tolerances import assert_close

ALL = [pytest.param(case, id=str(case)) for case in cases()]
QUIET = [pytest.param(case, id=str(case)) for case in cases() if case.noise != "keep"]  # those masks are cut by time


@pytest.mark.parametrize("case", QUIET)
def test_two_halves_are_the_whole(case: Case) -> None:
    p = problem(case)
    y, _, state = p.run()
    first, _, carried = replace(p, x=p.x[:2]).run()
    second, _, final = replace(p, x=p.x[2:], state=carried).run()
    assert_close(torch.cat([first, second]), y)
    for part, want in zip(final, state, strict=True):
        assert_close(part, want)


def padded(p, fill: float) -> Tensor:
    x = p.x.detach().clone()
    for b, n in enumerate([5, 2, 0, 3]):
        x[n:, b] = fill
    return x.requires_grad_()


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
@pytest.mark.parametrize("case", ALL)
def test_padding_does_not_matter(case: Case, dtype: torch.dtype, reverse: bool) -> None:
    """Not even NaN: values and gradients are the same, and padding gets the gradient zero."""
    results = []
    for fill in (0.0, 1e6, float("nan"), float("inf")):
        p = problem(case).to(dtype, grad=True)
        p = replace(p, x=padded(p, fill))
        y, _, state = p.run(lengths=[5, 2, 0, 3], reverse=reverse)
        loss = y.sin().sum() + sum(part.sin().sum() for part in state)
        results.append([y, *state, *torch.autograd.grad(loss, p.tensors())])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
    y, gradient = results[0][0], results[0][1 + len(p.state)]
    for b, n in enumerate([5, 2, 0, 3]):
        assert not y[n:, b].any()
        assert not gradient[n:, b].any()


@pytest.mark.parametrize("case", ALL)
def test_length_zero_returns_the_initial_state(case: Case) -> None:
    for dtype in (torch.float32, torch.float64):
        p = problem(case).to(dtype)
        _, _, state = p.run(lengths=[0, 5, 1, 0])
        for part, before in zip(state, p.state, strict=True):
            assert torch.equal(part[[0, 3]], before[[0, 3]])


@pytest.mark.parametrize("case", ALL)
def test_batch_order_does_not_matter(case: Case) -> None:
    p, order = problem(case), [2, 0, 3, 1]
    y, _, state = p.run(lengths=[5, 2, 0, 3])
    masks = {name: mask[order] if name == "drop_h" else mask[:, order] for name, mask in p.masks.items()}
    moved = replace(p, x=p.x[:, order], state=tuple(part[order] for part in p.state), masks=masks)
    got, _, final = moved.run(lengths=[0, 5, 3, 2])
    assert_close(got, y[:, order])
    for part, want in zip(final, state, strict=True):
        assert_close(part, want[order])


@pytest.mark.parametrize("shape", [(0, 2), (3, 0)], ids=["no steps", "no batch"])
@pytest.mark.parametrize("case", ALL)
def test_nothing_to_do(case: Case, shape: tuple[int, int]) -> None:
    T, B = shape
    p = problem(replace(case, T=T, B=B))
    y, _, state = p.run()
    assert y.shape == (T, B, p.state[0].shape[1])
    assert [part.shape for part in state] == [part.shape for part in p.state]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
def test_relu_may_not_explode_over_padding(dtype: torch.dtype) -> None:
    case = next(case for case in cases() if case.form == "relu")
    p = problem(replace(case, T=2000, B=2)).to(dtype)
    p.weights["recurrent"] = (2 * torch.eye(4, dtype=dtype)).requires_grad_()
    y, _, (h,) = p.run(lengths=[3, 1])
    assert torch.isfinite(torch.autograd.grad(h.sum() + y.sum(), p.weights["recurrent"])[0]).all()


def test_wrong_shapes_are_named() -> None:
    w = LSTMWeights(input=torch.zeros(8, 3), recurrent=torch.zeros(8, 2))
    state = (torch.zeros(1, 2), torch.zeros(1, 2))
    x = torch.zeros(5, 1, 3)
    with pytest.raises(ShapeError, match=r"\[lstm.x\] must be \[T, B, 3\], got \[5, 1, 4\]"):
        lstm(torch.zeros(5, 1, 4), state, w)
    with pytest.raises(ShapeError, match="dtype"):
        lstm(x.double(), state, w)
    with pytest.raises(ShapeError, match=r"lstm\.state"):
        lstm(x, (torch.zeros(2, 2), torch.zeros(1, 2)), w)
    with pytest.raises(ShapeError, match="6 rows for the gates i g o"):
        lstm(x, state, w, LSTMOptions(coupled=True))
    for lengths in ([6], [-1], [1, 1], torch.tensor([1.0])):
        with pytest.raises(ShapeError, match="lengths"):
            lstm(x, state, w, lengths=lengths)
    with pytest.raises(SettingsError, match="aten"):
        lstm(x, state, w, LSTMOptions(cell_clip=1.0), kernel="aten")
    with pytest.raises(SettingsError, match="Did you mean 'aten'"):
        lstm(x, state, w, kernel="atem")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"peephole": "diag"}, "diagonal"),
        ({"gates": "NIX"}, "NIG"),
        ({"candidate": "x"}, "cell"),
        ({"coupled": True, "gates": "NIG"}, "NIG"),
        ({"forget_bias": 1.0, "chrono": 10}, "chrono"),
        ({"gates": "NFG", "chrono": 10}, "NFG"),
        ({"zoneout": (1.0, 0.0)}, "zoneout"),
        ({"recurrent_dropout": -0.1}, "recurrent_dropout"),
        ({"weight_drop": 1.5}, "weight_drop"),
        ({"cell_clip": 0.0}, "cell_clip"),
        ({"chrono": 1}, "chrono"),
    ],
)
def test_bad_options_are_named(options: dict, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        LSTMOptions(**options)
