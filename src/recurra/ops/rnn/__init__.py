"""The simple recurrent network over a whole sequence."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from recurra.errors import ShapeError
from recurra.ops.rnn import aten, cpu, reference
from recurra.ops.rnn.aten import stack
from recurra.ops.rnn.options import RNNOptions, RNNWeights
from recurra.ops.rnn.reference import GATES
from recurra.ops.scan import check_sequence, choose_kernel, reverse_in_time, valid_lengths, zero_padding
from recurra.ops.scan.checks import Kernel
from recurra.types import State

__all__ = ["GATES", "RNNOptions", "RNNWeights", "rnn", "stack"]


def rnn(
    x: Tensor,
    state: State,
    weights: RNNWeights,
    options: RNNOptions = RNNOptions(),  # noqa: B008 - it is frozen
    *,
    lengths: Tensor | Sequence[int] | None = None,
    drop_h: Tensor | None = None,
    reverse: bool = False,
    kernel: Kernel | None = None,
) -> tuple[Tensor, State]:
    """Run one layer in one direction over ``x [T, B, D]`` from ``state`` = ``(h [B, H],)``.

    Returns h of all steps ``[T, B, H]`` (zero on padding) and the state after each sequence's last real step.
    ``drop_h [B, H]`` is one dropout mask for all steps. With ``reverse`` the steps are taken last first. A wrong shape
    or dtype is a :class:`ShapeError`. Elman 1990.

    >>> import torch
    >>> w = RNNWeights(input=torch.ones(2, 3), recurrent=torch.eye(2))
    >>> y, (h,) = rnn(torch.ones(5, 1, 3), (torch.zeros(1, 2),), w, RNNOptions(nonlinearity="relu"), lengths=[2])
    >>> h
    tensor([[6., 6.]])
    """
    H = state[0].shape[-1]
    check_sequence("rnn", x, state, weights.input, (H,))
    if weights.input.shape[0] != H or weights.recurrent.shape != (H, H):
        shapes = f"{list(weights.input.shape)} and {list(weights.recurrent.shape)}"
        raise ShapeError("rnn.weights", f"must have {H} rows, got {shapes}.")
    kept = valid_lengths(lengths, x)
    others = () if kernel else (*state, *vars(weights).values(), drop_h)
    chosen = choose_kernel("rnn", kernel, x, others, plain=drop_h is None)
    if chosen.startswith("cpu"):  # backward needs nothing but y
        return cpu.loop(x, state, weights, options, kept, drop_h, reverse)

    x = zero_padding(x, kept)
    if reverse:
        x = reverse_in_time(x, kept)
    if chosen == "aten":
        y, state = aten.loop(x, state, weights, options, kept)
    else:
        y, state = reference.loop(reference.project(x, weights), state, weights, options, kept, drop_h)
    return reverse_in_time(y, kept) if reverse else y, state
