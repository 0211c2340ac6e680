"""The seasonal profile: what the last seasons had in common, after the level and the drift of each are taken off.

A recurrent network that reads two seasons sees each phase twice, which is not enough to tell the pattern from the
noise. The profile is a mean over up to ``BLOCKS`` seasons, newer ones weighing more, and is both an input and a base
that the network's output is added to: what is left to learn is how far this season departs from the usual one.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BLOCKS = 8
_DECAY = 0.9  # the weight of a season relative to the next newer one
_MAX_STEPS = 4096  # history that is read at most, for long seasons


class Profile(NamedTuple):
    """The profile of B windows with a season of m steps."""

    values: Tensor
    """[B, m] phase 0 is m steps before the origin."""
    strength: Tensor
    """[B, 1] share of the profile in the variance of the seasons, 0 to 1."""
    seen: Tensor
    """[B, 1] effective number of whole seasons seen, divided by ``BLOCKS``."""


def count_blocks(season: int) -> int:
    """How many seasons of this length the profile looks back.

    >>> count_blocks(12), count_blocks(336), count_blocks(1440)
    (8, 8, 2)
    """
    return max(2, min(BLOCKS, _MAX_STEPS // season))


def seasonal_profile(history: Tensor, known: Tensor) -> Profile:
    """Find the profile in the last J seasons before the origin.

    Args:
        history: [B, J, m] values, the oldest season first.
        known: [B, J, m] bool, False before a series begins.

    >>> pattern = torch.tensor([1.0, -1.0, 0.0])
    >>> history = (pattern + torch.tensor([[5.0], [6.0]])).unsqueeze(0)  # two seasons, a level each
    >>> seasonal_profile(history, torch.ones(1, 2, 3, dtype=torch.bool)).values.shape
    torch.Size([1, 3])
    """
    blocks, season = history.shape[1:]
    whole = known.all(dim=-1)  # [B, J]
    level = history.mean(dim=-1)  # [B, J]
    slope = level.diff(dim=1) / season * (whole[:, :-1] & whole[:, 1:])
    slope = torch.cat([slope[:, :1], slope], dim=1)  # [B, J]
    phase = torch.arange(season, dtype=history.dtype) - (season - 1) / 2
    rest = history - torch.addcmul(level[..., None], slope[..., None], phase)  # [B, J, m]
    weight = _DECAY ** torch.arange(blocks - 1, -1, -1, dtype=history.dtype) * whole  # [B, J]
    total = weight.sum(dim=1, keepdim=True).clamp(min=1e-9)  # [B, 1]
    values = torch.einsum("bj,bjm->bm", weight, rest) / total
    noise = torch.einsum("bj,bjm->b", weight, (rest - values[:, None]).square()) / (total[:, 0] * season)
    signal = values.square().mean(dim=1)
    strength = signal / (signal + noise).clamp(min=1e-30)
    seen = total.square() / weight.square().sum(dim=1, keepdim=True).clamp(min=1e-9) / BLOCKS
    return Profile(values, strength[:, None], seen.clamp(max=1.0) * whole.any(dim=1, keepdim=True))
