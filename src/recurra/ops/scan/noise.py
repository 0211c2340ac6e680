"""Random masks, drawn from torch's generator."""

from __future__ import annotations

import torch
from torch import Tensor


def dropout_mask(shape: tuple[int, ...], p: float, like: Tensor) -> Tensor:
    """Zeros with probability ``p``, elsewhere ``1 / (1 - p)``, so that the mean stays 1."""
    return torch.empty(shape, device=like.device, dtype=like.dtype).bernoulli_(1 - p).div_(1 - p)
