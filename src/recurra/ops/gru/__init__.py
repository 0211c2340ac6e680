"""The GRU over a whole sequence, in both forms."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from recurra.errors import ShapeError
from recurra.ops.gru import aten, cpu, reference
from recurra.ops.gru.aten import stack
from recurra.ops.gru.options import GRUOptions, GRUWeights
from recurra.ops.gru.reference import GATES
from recurra.ops.scan import check_sequence, choose_kernel, reverse_in_time, valid_lengths, zero_padding
from recurra.ops.scan.checks import Kernel
from recurra.types import State

__all__ = ["GATES", "GRUOptions", "GRUWeights", "gru", "stack"]


def gru(
    x: Tensor,
    state: State,
    weights: GRUWeights,
    options: GRUOptions = GRUOptions(),  # noqa: B008 - it is frozen
    *,
    lengths: Tensor | Sequence[int] | None = None,
    drop_h: Tensor | None = None,
    reverse: bool = False,
    kernel: Kernel | None = None,
) -> tuple[Tensor, State]:
    """Run one layer in one direction over ``x [T, B, D]`` from ``state`` = ``(h [B, H],)``.

    Returns h of all steps ``[T, B, H]`` (zero on padding) and the state after each sequence's last real step.
    ``drop_h [B, H]`` is one dropout mask for all steps. With ``reverse`` the steps are taken last first. A wrong shape
    or dtype is a :class:`ShapeError`. Cho et al. 2014.

    >>> import torch
    >>> w = GRUWeights(input=torch.zeros(6, 3), recurrent=torch.zeros(6, 2))
    >>> y, (h,) = gru(torch.ones(5, 1, 3), (torch.ones(1, 2),), w, lengths=[2])
    >>> h
    tensor([[0.2500, 0.2500]])
    """
    H = state[0].shape[-1]
    check_sequence("gru", x, state, weights.input, (H,))
    if weights.input.shape[0] != 3 * H or weights.recurrent.shape != (3 * H, H):
        shapes = f"{list(weights.input.shape)} and {list(weights.recurrent.shape)}"
        raise ShapeError("gru.weights", f"must have {3 * H} rows for the gates r z n, got {shapes}.")
    kept = valid_lengths(lengths, x)
    others = () if kernel else (*state, *vars(weights).values(), drop_h)
    chosen = choose_kernel("gru", kernel, x, others, plain=options.plain and drop_h is None)
    if chosen.startswith("cpu"):
        return cpu.loop(x, state, weights, options, kept, drop_h, reverse, chosen == "cpu-bfloat16")

    x = zero_padding(x, kept)
    if reverse:
        x = reverse_in_time(x, kept)
    if chosen == "aten":
        y, state = aten.loop(x, state, weights, kept)
    else:
        y, state = reference.loop(reference.project(x, weights), state, weights, options, kept, drop_h)
    return reverse_in_time(y, kept) if reverse else y, state
