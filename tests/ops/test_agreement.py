"""Every op, kernel, dtype and form agrees with the equations in NumPy, forwards and backwards in time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ops import equations
from ops.cases import Case, Problem, cases, problem, weight_names
from recurra.ops import native
from tolerances import assert_close

LENGTHS = {"full": None, "lengths": [5, 2, 0, 3]}


def kernels(case: Case) -> list[str]:
    return ["reference"] + ["aten"] * case.plain + ["cpu"] * (native.module is not None)


RUNS = [pytest.param(case, kernel, id=f"{case}-{kernel}") for case in cases() for kernel in kernels(case)]


def expected(p: Problem, lengths: list[int] | None, reverse: bool) -> tuple[Tensor, Tensor, list[Tensor]]:
    """What NumPy says: h and c of all steps, zero on padding, and the final state."""
    case, T = p.case, p.case.T
    weights = {name: p.weights[name].numpy() if name in p.weights else None for name in weight_names(case.op)}
    y = np.zeros((T, case.B, p.state[0].shape[1]))
    cells = np.zeros((T, case.B, case.H))
    finals = []
    for b, n in enumerate(lengths or [T] * case.B):
        masks = {k: m[b].numpy() if k == "drop_h" else m[:, b].numpy() for k, m in p.masks.items()}
        order = slice(n - 1, None, -1) if reverse and n else slice(0, n)
        x = p.x[:n, b].numpy()[:: -1 if reverse else 1]
        hs, cs, final = getattr(equations, case.op)(x, [s[b].numpy() for s in p.state], weights, case.options, masks)
        if n:
            y[order, b] = hs
        if n and cs:
            cells[order, b] = cs
        finals.append(final)
    state = [torch.from_numpy(np.stack(parts)) for parts in zip(*finals, strict=True)]
    return torch.from_numpy(y), torch.from_numpy(cells), state


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize(("case", "kernel"), RUNS)
def test_values(case: Case, kernel: str, reverse: bool, lengths: list[int] | None, dtype: torch.dtype) -> None:
    p = problem(case)
    y, cells, state = expected(p, lengths, reverse)
    wants_cells = {"return_cells": True} if case.op == "lstm" and kernel != "aten" else {}
    got, got_cells, final = p.to(dtype).run(lengths=lengths, reverse=reverse, kernel=kernel, **wants_cells)
    assert_close(got, y)
    for part, want in zip(final, state, strict=True):
        assert_close(part, want)
    if got_cells is not None:
        assert_close(got_cells, cells)


def gradients(p: Problem, **arguments: object) -> tuple[Tensor, ...]:
    y, _, state = p.run(**arguments)
    loss = sum((part * torch.linspace(0.5, 1.5, part.numel()).view(part.shape)).sin().sum() for part in (y, *state))
    return torch.autograd.grad(loss, p.tensors())


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize(("case", "kernel"), RUNS)
def test_gradients(case: Case, kernel: str, reverse: bool, lengths: list[int] | None) -> None:
    """Those of the reference in float64 are checked numerically in test_derivatives; here the others follow it."""
    p = problem(case)
    truth = gradients(p.to(torch.float64, grad=True), lengths=lengths, reverse=reverse, kernel="reference")
    for dtype in (torch.float64, torch.float32):
        got = gradients(p.to(dtype, grad=True), lengths=lengths, reverse=reverse, kernel=kernel)
        for gradient, want in zip(got, truth, strict=True):
            assert_close(gradient, want, "gradient")


@pytest.mark.parametrize("shape", [(1, 1, 1, 2), (7, 1, 5, 8), (3, 9, 2, 16), (40, 3, 17, 33)], ids=str)
@pytest.mark.parametrize("op", ["lstm", "gru", "rnn"])
def test_shapes(op: str, shape: tuple[int, int, int, int]) -> None:
    T, B, D, H = shape
    plain = next(case for case in cases() if case.op == op)
    p = problem(Case(op, plain.form, plain.options, T=T, B=B, D=D, H=H))
    p = p.replaced([t / H**0.5 for t in p.tensors()])
    y, _, state = expected(p, None, False)
    for kernel in kernels(p.case):
        got, _, final = p.to(torch.float32).run(kernel=kernel)
        assert_close(got, y)
        assert_close(final[0], state[0])
