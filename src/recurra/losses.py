"""Losses per element: pure functions of torch tensors, the source in the docstring.

Every loss compares predictions with a target ``[..., H]`` and returns ``[..., H]``. Where the target is NaN (unknown)
the loss is exactly 0 and so are its gradients; the mean over what is known is :func:`masked_mean`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from recurra.errors import ShapeError


def masked_mean(loss: Tensor, known: Tensor) -> Tensor:
    """The mean of the elements of ``loss`` where ``known`` (bool, of the same shape) is true; 0 if none is, a scalar.

    Elements that are not known leave no trace in value or gradient, also if they are NaN or infinite.

    >>> float(masked_mean(torch.tensor([1.0, 3.0, torch.nan]), torch.tensor([True, True, False])))
    2.0
    """
    if loss.shape != known.shape:
        raise _mismatch("masked_mean", "known", known, loss)
    total = torch.where(known, loss, torch.zeros_like(loss)).sum()
    return total / known.sum().clamp(min=1)


def absolute_error(point: Tensor, target: Tensor) -> Tensor:
    """``|y - ŷ|`` of a point forecast, both ``[..., H]``; it is least at the median.

    >>> absolute_error(torch.tensor([1.0, 5.0]), torch.tensor([3.0, torch.nan])).tolist()
    [2.0, 0.0]
    """
    known, target = _split("absolute_error", target, instead=point)
    return _masked((target - point).abs(), known)


def squared_error(point: Tensor, target: Tensor) -> Tensor:
    """``(y - ŷ)²`` of a point forecast, both ``[..., H]``; it is least at the mean.

    >>> squared_error(torch.tensor([1.0, 5.0]), torch.tensor([3.0, torch.nan])).tolist()
    [4.0, 0.0]
    """
    known, target = _split("squared_error", target, instead=point)
    return _masked((target - point).square(), known)


def pinball(quantiles: Tensor, target: Tensor, levels: Sequence[float]) -> Tensor:
    """The quantile loss, ``max(τ (y - q), (τ - 1)(y - q))``, its mean over the Q levels.

    Args:
        quantiles: ``[..., H, Q]``.
        target: ``[..., H]``.
        levels: the Q levels τ, each in (0, 1).

    With the only level 0.5 it is half the absolute error. Source: Koenker & Bassett, Regression quantiles, 1978.

    >>> quantiles = torch.tensor([[1.0, 2.0, 4.0]])
    >>> round(float(pinball(quantiles, torch.tensor([3.0]), (0.1, 0.5, 0.9))), 4)  # (0.2 + 0.5 + 0.1) / 3
    0.2667
    """
    if quantiles.shape[-1:] != (len(levels),):
        raise ShapeError(
            "pinball",
            f"quantiles must be [..., H, {len(levels)}] for {len(levels)} levels, {list(quantiles.shape)} came. "
            "Give one quantile per level.",
        )
    known, target = _split("pinball", target, instead=quantiles[..., 0])
    level = torch.as_tensor(levels, dtype=quantiles.dtype, device=quantiles.device)
    error = target[..., None] - quantiles  # [..., H, Q]
    return _masked(torch.maximum(level * error, (level - 1) * error).mean(dim=-1), known)


def normal_nll(mean: Tensor, scale: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of a normal distribution; all ``[..., H]``, ``scale`` (standard deviation) positive.

    >>> round(float(normal_nll(torch.tensor([0.0]), torch.tensor([1.0]), torch.tensor([0.0]))), 4)
    0.9189
    """
    known, target = _split("normal_nll", target, instead=mean)
    z = (target - mean) / scale
    return _masked(0.5 * z.square() + scale.log() + 0.5 * math.log(2 * math.pi), known)


def student_t_nll(df: Tensor, mean: Tensor, scale: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of Student's t, moved by ``mean`` and stretched by ``scale``; all ``[..., H]``.

    ``df`` (degrees of freedom) and ``scale`` are positive. ``scale`` is not the standard deviation, which is
    ``scale * sqrt(df / (df - 2))``.

    >>> one, zero = torch.tensor([1.0]), torch.tensor([0.0])
    >>> round(float(student_t_nll(one, zero, one, zero)), 4)  # log π: the Cauchy distribution
    1.1447
    """
    known, target = _split("student_t_nll", target, instead=mean)
    z = (target - mean) / scale
    half = 0.5 * df.double()  # the difference of two large logarithms of Γ leaves nothing in float32
    constant = (torch.lgamma(half) - torch.lgamma(half + 0.5) + 0.5 * (2 * math.pi * half).log()).to(df.dtype)
    return _masked(constant + scale.log() + 0.5 * (df + 1) * torch.log1p(z.square() / df), known)


def negative_binomial_nll(mean: Tensor, dispersion: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of counts from a negative binomial with mean μ and variance ``μ + dispersion μ²``.

    All ``[..., H]``; ``mean`` and ``dispersion`` are positive, targets are counts ≥ 0. For a dispersion near 0 it is
    Poisson's. Source: Salinas et al., DeepAR, 2020, section 3.1 (their α is the dispersion).

    >>> count = negative_binomial_nll(torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor([0.0]))
    >>> round(float(count), 4)  # geometric: log(1 + μ)
    1.0986
    """
    known, target = _split("negative_binomial_nll", target, instead=mean)
    count, mean64 = target.double(), mean.double()
    shape = 1 / dispersion.double()  # Γ(y + r) / Γ(r) loses all digits in float32 for large r
    odds = mean64 / shape
    choose = torch.lgamma(count + shape) - torch.lgamma(shape) - torch.lgamma(count + 1)
    log_likelihood = choose + torch.xlogy(count, odds) - (count + shape) * torch.log1p(odds)
    return _masked(-log_likelihood.to(mean.dtype), known)


def _split(where: str, target: Tensor, instead: Tensor) -> tuple[Tensor, Tensor]:
    """[..., H] where the target is known, and the target with the prediction itself where it is not.

    The masked elements then have finite gradients, so that multiplying these with 0 gives 0 and not NaN.
    """
    if target.shape != instead.shape:
        raise _mismatch(where, "target", target, instead)
    known = ~torch.isnan(target)
    return known, torch.where(known, target, instead.detach().to(target.dtype))


def _masked(loss: Tensor, known: Tensor) -> Tensor:
    return torch.where(known, loss, torch.zeros_like(loss))


def _mismatch(where: str, name: str, came: Tensor, beside: Tensor) -> ShapeError:
    return ShapeError(
        where,
        f"{name} must have the shape of the prediction, {list(beside.shape)}, {list(came.shape)} came. "
        "Bring both to [..., H].",
    )
