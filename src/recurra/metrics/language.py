"""Metrics of language models."""

from __future__ import annotations

import numpy as np


def perplexity(nats: float) -> float:
    """The perplexity of a mean loss in nats per symbol: the number of equally likely symbols that is as hard to guess.

    >>> round(perplexity(float(np.log(8))), 6)
    8.0
    """
    return float(np.exp(np.minimum(nats, 700.0)))


def bits_per_character(nats: float, characters: int) -> float:
    """The bits that each of ``characters`` costs where the whole text costs ``nats``; NaN for no characters.

    >>> round(bits_per_character(float(10 * np.log(2)), 5), 6)
    2.0
    """
    return nats / float(np.log(2)) / characters if characters else float("nan")
