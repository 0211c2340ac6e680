"""Sequences of unequal length in a time-major tensor: padding is at the end, length 0 is legal."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recurra.errors import ShapeError


def valid_lengths(lengths: Tensor | Sequence[int] | None, x: Tensor) -> Tensor | None:
    """The lengths as dense int64 ``[B]`` on the device of ``x [T, B, ...]``, or None when every sequence is full."""
    if lengths is None:
        return None
    given = torch.as_tensor(lengths)
    T, B = x.shape[:2]
    if torch.compiler.is_compiling():  # the values are not known to a tracer
        return given.to(device=x.device, dtype=torch.int64)
    if given.shape != (B,) or given.is_floating_point() or given.is_complex() or given.dtype == torch.bool:
        raise ShapeError("lengths", f"must be {B} whole numbers, got {given.dtype} {list(given.shape)}.")
    if B and (int(given.min()) < 0 or int(given.max()) > T):
        raise ShapeError(
            "lengths",
            f"must lie between 0 and T = {T}, got {int(given.min())} to {int(given.max())}. Check the padding.",
        )
    if not B or int(given.min()) == T:
        return None
    return given.to(device=x.device, dtype=torch.int64).contiguous()  # each second one of a tensor may have come


def real_steps(steps: int, lengths: Tensor) -> Tensor:
    """A mask ``[T, B, 1]``, true on real steps and false on padding."""
    return (torch.arange(steps, device=lengths.device)[:, None] < lengths).unsqueeze(-1)


def zero_padding(x: Tensor, lengths: Tensor | None) -> Tensor:
    """``x [T, B, ...]`` with zeros on padding; whatever stood there, NaN included, has no effect and no gradient."""
    if lengths is None:
        return x
    return x.masked_fill(~real_steps(len(x), lengths), 0)


def reverse_in_time(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Each sequence of ``x [T, B, ·]`` last step first; padding stays where it is."""
    if lengths is None:
        return x.flip(0)
    t = torch.arange(len(x), device=x.device)[:, None]  # [T, 1]
    source = torch.where(t < lengths, lengths - 1 - t, t)  # [T, B]
    return x.gather(0, source.unsqueeze(-1).expand_as(x))


def last_real(y: Tensor, initial: Tensor, lengths: Tensor | None) -> Tensor:
    """``y [T, B, ·]`` at each sequence's last real step; ``initial [B, ·]`` where the length is 0."""
    if lengths is None:
        return y[-1]
    last = (lengths - 1).clamp_min(0)[None, :, None].expand(1, -1, y.shape[-1])
    return torch.where(lengths[:, None] > 0, y.gather(0, last).squeeze(0), initial)
