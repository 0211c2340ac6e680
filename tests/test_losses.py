"""Losses against torch.distributions and hand computations, with gradients, and exact masks."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import NegativeBinomial, Normal, Poisson, StudentT

from recurra.errors import ShapeError
from recurra.losses import (
    absolute_error,
    masked_mean,
    negative_binomial_nll,
    normal_nll,
    pinball,
    squared_error,
    student_t_nll,
)

LEVELS = (0.1, 0.5, 0.9)
Case = tuple[Callable[..., Tensor], tuple[Tensor, ...], Tensor]


def positive(*shape: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64) + 0.5


def cases(shape: tuple[int, ...] = (3, 4)) -> dict[str, Case]:
    """Each loss as a function of its parameters and a target, in float64."""
    torch.manual_seed(0)
    mean, target = torch.randn(2, *shape, dtype=torch.float64)
    counts = torch.randint(0, 9, shape).double()
    return {
        "absolute": (absolute_error, (mean,), target),
        "squared": (squared_error, (mean,), target),
        "pinball": (lambda q, y: pinball(q, y, LEVELS), (mean[..., None] + torch.arange(3.0).double(),), target),
        "normal": (normal_nll, (mean, positive(*shape)), target),
        "student": (student_t_nll, (2 + positive(*shape), mean, positive(*shape)), target),
        "negative binomial": (negative_binomial_nll, (positive(*shape), positive(*shape)), counts),
    }


@pytest.mark.parametrize("name", cases())
def test_gradients_match_finite_differences(name: str) -> None:
    loss, parameters, target = cases()[name]
    parameters = tuple(p.clone().requires_grad_() for p in parameters)
    assert torch.autograd.gradcheck(lambda *p: loss(*p, target), parameters)


@pytest.mark.parametrize("name", cases())
@pytest.mark.parametrize("size", [1.0, 1e12])
def test_unknown_targets_leave_no_trace(name: str, size: float) -> None:
    loss, parameters, target = cases()[name]
    holes = target.clone()
    holes[0, 1] = holes[2, 3] = math.nan
    known = ~torch.isnan(holes)
    parameters = tuple(p.clone() for p in parameters)
    for p in parameters:
        p[~known] *= size
        p.requires_grad_()
    value = loss(*parameters, holes)
    value.sum().backward()
    whole = loss(*parameters, target)
    assert torch.equal(value, torch.where(known, whole, 0.0))
    for p in parameters:
        assert p.grad is not None
        assert (p.grad[~known] == 0).all()
        assert p.grad[known].isfinite().all()
        assert (p.grad[known] != 0).any()


def test_errors_and_pinball_by_hand() -> None:
    point, target = torch.tensor([1.0, -2.0]), torch.tensor([4.0, -2.5])
    assert absolute_error(point, target).tolist() == [3.0, 0.5]
    assert squared_error(point, target).tolist() == [9.0, 0.25]
    quantiles = torch.tensor([[0.0, 2.0, 5.0]], dtype=torch.float64)
    expected = (0.1 * 4 + 0.5 * 2 + (1 - 0.9) * 1) / 3
    assert pinball(quantiles, torch.tensor([4.0], dtype=torch.float64), LEVELS).item() == pytest.approx(expected)
    same = pinball(target[..., None], point, (0.5,))
    torch.testing.assert_close(same, 0.5 * absolute_error(target, point))


def test_the_pinball_loss_is_least_at_the_quantile() -> None:
    sample = torch.randn(4001, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    grid = torch.linspace(-2, 2, 401, dtype=torch.float64)
    for level in (0.1, 0.5, 0.8):
        losses = [pinball(torch.full((4001, 1), float(q)), sample.float(), (level,)).mean() for q in grid]
        assert float(grid[int(torch.stack(losses).argmin())]) == pytest.approx(float(sample.quantile(level)), abs=0.02)


def test_likelihoods_match_torch_distributions() -> None:
    each = cases((50,))
    _, (mean, scale), target = each["normal"]
    torch.testing.assert_close(normal_nll(mean, scale, target), -Normal(mean, scale).log_prob(target))
    _, (df, mean, scale), target = each["student"]
    torch.testing.assert_close(student_t_nll(df, mean, scale, target), -StudentT(df, mean, scale).log_prob(target))
    _, (mean, dispersion), counts = each["negative binomial"]
    odds = dispersion * mean
    theirs = NegativeBinomial(1 / dispersion, probs=odds / (1 + odds))
    torch.testing.assert_close(theirs.mean, mean)
    torch.testing.assert_close(theirs.variance, mean + dispersion * mean.square())
    torch.testing.assert_close(negative_binomial_nll(mean, dispersion, counts), -theirs.log_prob(counts))


def test_negative_binomial_probabilities_sum_to_one() -> None:
    counts = torch.arange(2000, dtype=torch.float64)
    for mean, dispersion in ((0.01, 0.5), (3.0, 2.0), (40.0, 0.1)):
        each = negative_binomial_nll(torch.full_like(counts, mean), torch.full_like(counts, dispersion), counts)
        assert float((-each).exp().sum()) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("dispersion", [1e-7, 1e-4, 0.1, 30.0])
@pytest.mark.parametrize("mean", [1e-6, 1.0, 1e4])
def test_negative_binomial_is_stable_in_float32(mean: float, dispersion: float) -> None:
    counts = torch.tensor([0.0, 1.0, 7.0, 10_000.0])
    small = negative_binomial_nll(torch.full((4,), mean), torch.full((4,), dispersion), counts)
    mean64, dispersion64 = (torch.full((4,), v).double() for v in (mean, dispersion))
    torch.testing.assert_close(
        small.double(), negative_binomial_nll(mean64, dispersion64, counts.double()), rtol=1e-5, atol=1e-5
    )


def test_limits_are_poisson_and_normal_also_in_float32() -> None:
    counts = torch.tensor([0.0, 2.0, 9.0])
    mean = torch.full((3,), 4.0)
    poisson = -Poisson(mean).log_prob(counts)
    torch.testing.assert_close(
        negative_binomial_nll(mean, torch.full((3,), 1e-6), counts), poisson, rtol=1e-4, atol=1e-5
    )
    scale, df = torch.full((3,), 2.0), torch.full((3,), 1e6)
    torch.testing.assert_close(
        student_t_nll(df, mean, scale, counts), normal_nll(mean, scale, counts), rtol=1e-5, atol=1e-5
    )


def test_masked_mean_counts_only_what_is_known() -> None:
    loss = torch.tensor([[1.0, math.nan], [5.0, math.inf]], requires_grad=True)
    known = torch.tensor([[True, False], [True, False]])
    mean = masked_mean(loss, known)
    mean.backward()
    assert mean.item() == 3.0
    assert loss.grad is not None
    assert loss.grad.tolist() == [[0.5, 0.0], [0.5, 0.0]]
    assert masked_mean(loss, torch.zeros_like(known)).item() == 0.0


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError, match=r"\[absolute_error\] target must have the shape .* \[2\], \[3\] came"):
        absolute_error(torch.zeros(2), torch.zeros(3))
    with pytest.raises(ShapeError, match="one quantile per level"):
        pinball(torch.zeros(2, 2), torch.zeros(2), LEVELS)
    with pytest.raises(ShapeError, match="known must have"):
        masked_mean(torch.zeros(2), torch.ones(3, dtype=torch.bool))
