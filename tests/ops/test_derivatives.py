"""First and second derivatives of every form, against finite differences in float64."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ops.cases import Case, cases, problem
from recurra.ops import native

SMALL = [replace(case, T=3, B=3, D=2, H=3) for case in cases()]
RUNS = [
    pytest.param(case, kernel, id=f"{case}-{kernel}")
    for case in SMALL
    for kernel in ["reference"] + ["aten"] * case.plain + ["cpu"] * (native.module is not None)
]


def function(case: Case, kernel: str):
    p = problem(case, seed=1)

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        y, _, state = p.replaced(tensors).run(lengths=[3, 1, 0], kernel=kernel)
        return (y, *state)

    return run, tuple(p.to(torch.float64, grad=True).tensors())


@pytest.mark.parametrize(("case", "kernel"), RUNS)
def test_first(case: Case, kernel: str) -> None:
    assert torch.autograd.gradcheck(*function(case, kernel), fast_mode=False)


@pytest.mark.parametrize(("case", "kernel"), RUNS)
def test_second(case: Case, kernel: str) -> None:
    assert torch.autograd.gradgradcheck(*function(case, kernel), fast_mode=True)
