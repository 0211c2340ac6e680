"""Heads: what the last layer's numbers mean, how far they are from what came, and which quantiles they stand for."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import softplus

from recurra.losses import absolute_error, negative_binomial_nll, normal_nll, pinball, student_t_nll
from recurra.tasks.forecasting.drawing import COUNTS
from recurra.tasks.forecasting.settings import Forecasting
from recurra.tasks.forecasting.windows import Batch


class Head(Protocol):
    """Turns raw numbers ``[B, H, size]`` into a loss, quantiles or samples, all in the units of the window.

    The first raw number is always the location, relative to the window's ``base``.
    """

    size: int

    def loss(self, raw: Tensor, batch: Batch) -> Tensor:
        """[B, H] how bad each forecast is; 0 where the target is unknown."""
        ...

    def quantiles(self, raw: Tensor, batch: Batch, levels: tuple[float, ...]) -> Tensor:
        """[B, H, Q] float64."""
        ...

    def sample(self, raw: Tensor, batch: Batch) -> Tensor:
        """[B, H] float32, one draw each, from torch's generator."""
        ...


class Distribution(Head, Protocol):
    """A head that can be drawn from."""

    def parameters(self, raw: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        """Those of the distribution, [B, H] each, in the order of :data:`recurra.tasks.forecasting.drawing.DRAWS`."""
        ...


class QuantileHead:
    """Quantiles that never cross: the median, and positive distances outwards from it."""

    def __init__(self, levels: tuple[float, ...]) -> None:
        self.levels = levels
        self.size = len(levels)
        self._median = levels.index(0.5)

    def _all(self, raw: Tensor, batch: Batch) -> Tensor:
        median = raw[..., :1] + batch.base[..., None]
        distance = softplus(raw[..., 1:])
        below = median - distance[..., : self._median].flip(-1).cumsum(-1).flip(-1)
        above = median + distance[..., self._median :].cumsum(-1)
        return torch.cat([below, median, above], dim=-1)

    def loss(self, raw: Tensor, batch: Batch) -> Tensor:
        return pinball(self._all(raw, batch), batch.target, self.levels) * batch.weight

    def quantiles(self, raw: Tensor, batch: Batch, levels: tuple[float, ...]) -> Tensor:
        assert levels == self.levels, "the levels are fixed in training"
        return self._all(raw, batch).double()

    def sample(self, raw: Tensor, batch: Batch) -> Tensor:
        raise NotImplementedError("quantiles are not a distribution to draw from; the settings refuse this")


class PointHead:
    """One number, the median of what may come, learned by its absolute error."""

    size = 1

    def loss(self, raw: Tensor, batch: Batch) -> Tensor:
        return absolute_error(raw[..., 0] + batch.base, batch.target) * batch.weight

    def quantiles(self, raw: Tensor, batch: Batch, levels: tuple[float, ...]) -> Tensor:
        return (raw + batch.base[..., None]).double().expand(*raw.shape[:-1], len(levels))

    def sample(self, raw: Tensor, batch: Batch) -> Tensor:
        return raw[..., 0] + batch.base


class NormalHead:
    """A normal distribution (Salinas 2020, DeepAR)."""

    size = 2

    def parameters(self, raw: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return raw[..., 0] + batch.base, softplus(raw[..., 1]) + 1e-3

    def loss(self, raw: Tensor, batch: Batch) -> Tensor:
        return normal_nll(*self.parameters(raw, batch), batch.target)

    def quantiles(self, raw: Tensor, batch: Batch, levels: tuple[float, ...]) -> Tensor:
        mean, scale = (p.double()[..., None] for p in self.parameters(raw, batch))
        quantiles: Tensor = mean + scale * torch.special.ndtri(torch.tensor(levels, dtype=torch.float64))
        return quantiles

    def sample(self, raw: Tensor, batch: Batch) -> Tensor:
        mean, scale = self.parameters(raw, batch)
        return mean + scale * torch.randn_like(mean)


class StudentTHead:
    """Student's t with more than two degrees of freedom: a normal one with heavier tails."""

    size = 3

    def parameters(self, raw: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        return 2.0 + softplus(raw[..., 2]), raw[..., 0] + batch.base, softplus(raw[..., 1]) + 1e-3

    def loss(self, raw: Tensor, batch: Batch) -> Tensor:
        return student_t_nll(*self.parameters(raw, batch), batch.target)

    def quantiles(self, raw: Tensor, batch: Batch, levels: tuple[float, ...]) -> Tensor:
        df, mean, scale = (p.double()[..., None] for p in self.parameters(raw, batch))
        return mean + scale * student_t_quantile(df, torch.tensor(levels, dtype=torch.float64))

    def sample(self, raw: Tensor, batch: Batch) -> Tensor:
        df, mean, scale = self.parameters(raw, batch)
        draw: Tensor = torch.distributions.StudentT(df, mean, scale).sample()
        return draw


class NegativeBinomialHead:
    """Counts: a negative binomial with the given mean and dispersion, in the units of the data, never of the window."""

    size = 2

    def parameters(self, raw: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        location = (raw[..., 0] + batch.base).double() * batch.unit + batch.anchor
        softness = batch.unit.clamp(min=1e-6)  # the mean bends away from 0 within one unit of the window
        return softplus(location / softness) * softness + 1e-6, softplus(raw[..., 1]).double() + 1e-4

    def loss(self, raw: Tensor, batch: Batch) -> Tensor:
        count = batch.target.double() * batch.unit + batch.anchor
        mean, dispersion = self.parameters(raw, batch)
        return negative_binomial_nll(mean, dispersion, count.round()).float()

    def _draw(self, raw: Tensor, batch: Batch, draws: int) -> Tensor:
        mean, dispersion = (p.expand(draws, *p.shape) for p in self.parameters(raw, batch))
        rate = torch.distributions.Gamma(1 / dispersion, 1 / (dispersion * mean)).sample()
        return (torch.poisson(rate) - batch.anchor) / batch.unit

    def quantiles(self, raw: Tensor, batch: Batch, levels: tuple[float, ...]) -> Tensor:
        draws = self._draw(raw, batch, COUNTS)  # [COUNTS, B, H]
        return draws.quantile(torch.tensor(levels, dtype=draws.dtype), dim=0, interpolation="nearest").movedim(0, -1)

    def sample(self, raw: Tensor, batch: Batch) -> Tensor:
        return self._draw(raw, batch, 1)[0].float()


def build_head(settings: Forecasting) -> Head:
    """The head that the settings name."""
    if settings.head == "quantiles":
        return QuantileHead(settings.levels)
    heads: dict[str, type[PointHead | NormalHead | StudentTHead | NegativeBinomialHead]] = {
        "point": PointHead,
        "normal": NormalHead,
        "student-t": StudentTHead,
        "negative-binomial": NegativeBinomialHead,
    }
    return heads[settings.head]()


def student_t_quantile(df: Tensor, level: Tensor) -> Tensor:
    """Quantile of Student's t by Hill's expansion.

    Relative error for levels in [0.001, 0.999]: below 2e-3 at df = 2, 3e-5 from 2.5, 1e-6 from 5.
    Source: G. W. Hill, Algorithm 396, CACM 1970.

    >>> round(float(student_t_quantile(torch.tensor(5.0), torch.tensor(0.9))), 4)
    1.4759
    """
    df, level = df.double() + 0 * level, level.double() + 0 * df
    p = 2 * torch.minimum(level, 1 - level)  # two tails
    a = 1 / (df - 0.5)
    b = 48 / a**2
    c = ((20700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * (a * math.pi / 2).sqrt() * df
    x = d * p
    y = x ** (2 / df)
    z = torch.special.ndtri((p / 2).clamp(min=1e-300))
    near = z.square()
    c_near = torch.where(df < 5, c + 0.3 * (df - 4.5) * (z + 0.6), c)
    c_near = (((0.05 * d * z - 5) * z - 7) * z - 2) * z + b + c_near
    w = (((((0.4 * near + 6.3) * near + 36) * near + 94.5) / c_near - near - 3) / b + 1) * z
    central = torch.expm1(a * w.square())
    tail = ((1 / (((df + 6) / (df * y) - 0.089 * d - 0.822) * (df + 2) * 3) + 0.5 / (df + 4)) * y - 1) * (df + 1) / (
        df + 2
    ) + 1 / y
    size = (df * torch.where(y > 0.05 + a, central, tail)).clamp(min=0).sqrt()
    return torch.where(level < 0.5, -size, size)
