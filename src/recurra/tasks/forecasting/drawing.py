"""Draws from the distributions that a forecaster may speak of, with NumPy alone: what an exported model answers with.

Parameters are ``[…, P]``, float64, as the heads of :mod:`recurra.tasks.forecasting.heads` name them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from recurra.errors import DataError

Floats = NDArray[np.float64]
Draw = Callable[[Floats, Generator], Floats]

COUNTS = 1000
"""Draws that the quantiles of counts are taken from, which have no closed form."""


def draw_normal(parameters: Floats, random: Generator) -> Floats:
    """``[…]`` of mean and standard deviation."""
    mean, spread = np.moveaxis(parameters, -1, 0)
    draws: Floats = mean + spread * random.standard_normal(mean.shape)
    return draws


def draw_student_t(parameters: Floats, random: Generator) -> Floats:
    """``[…]`` of degrees of freedom, location and scale."""
    freedom, location, scale = np.moveaxis(parameters, -1, 0)
    draws: Floats = location + scale * random.standard_t(freedom)
    return draws


def draw_negative_binomial(parameters: Floats, random: Generator) -> Floats:
    """``[…]`` counts of mean and dispersion: of Poisson's, whose rate is drawn from a gamma distribution.

    >>> counts = draw_negative_binomial(np.full((100_000, 2), (4.0, 0.5)), np.random.default_rng(0))
    >>> round(float(counts.mean()), 1), round(float(counts.var()) / (4 + 0.5 * 4**2), 1)
    (4.0, 1.0)
    """
    mean, dispersion = np.moveaxis(parameters, -1, 0)
    try:
        counts = random.poisson(random.gamma(1 / dispersion, dispersion * mean))
    except ValueError:
        raise DataError(
            "forecast", f"counts must have a mean that can be drawn, one of {mean.max():g} cannot. Check the data."
        ) from None
    draws: Floats = counts.astype(np.float64)
    return draws


DRAWS: dict[str, Draw] = {
    "normal": draw_normal,
    "student-t": draw_student_t,
    "negative-binomial": draw_negative_binomial,
}
"""How to draw, by the name of the head."""
PARAMETERS = {"normal": 2, "student-t": 3, "negative-binomial": 2}
"""How many parameters P each has."""
