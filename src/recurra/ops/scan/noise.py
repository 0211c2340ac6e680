"""Random masks, out of torch's generator."""

from __future__ import annotations

from torch import Tensor

from recurra.ops import native


def dropout_mask(shape: tuple[int, ...], p: float, like: Tensor) -> Tensor:
    """Zeros with probability ``p``, elsewhere ``1 / (1 - p)``, so that the mean stays 1."""
    return native.toss(shape, 1 - p, 1 / (1 - p), like)


def keep_mask(shape: tuple[int, ...], z: float, like: Tensor) -> Tensor:
    """Ones with probability ``z``, elsewhere zeros."""
    return native.toss(shape, z, 1.0, like)
