"""The LSTM over a whole sequence, in every variant."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from recurra.errors import ShapeError
from recurra.ops.lstm import aten, cpu, reference
from recurra.ops.lstm.aten import stack
from recurra.ops.lstm.options import GATES, LSTMOptions
from recurra.ops.lstm.weights import LSTMNoise, LSTMWeights
from recurra.ops.scan import check_sequence, choose_kernel, reverse_in_time, valid_lengths, zero_padding
from recurra.ops.scan.checks import Kernel
from recurra.types import State

__all__ = ["GATES", "LSTMNoise", "LSTMOptions", "LSTMWeights", "lstm", "stack"]


def lstm(
    x: Tensor,
    state: State,
    weights: LSTMWeights,
    options: LSTMOptions = LSTMOptions(),  # noqa: B008 - it is frozen
    *,
    lengths: Tensor | Sequence[int] | None = None,
    noise: LSTMNoise | None = None,
    reverse: bool = False,
    return_cells: bool = False,
    kernel: Kernel | None = None,
) -> tuple[Tensor, Tensor | None, State]:
    """Run one layer in one direction over ``x [T, B, D]`` from ``state`` = ``(h [B, P], c [B, H])``.

    Returns h of all steps ``[T, B, P]`` (zero on padding), with ``return_cells`` c of all steps ``[T, B, H]``, and the
    state after each sequence's last real step. With ``reverse`` the steps are taken last first. A wrong shape or dtype
    is a :class:`ShapeError`. Hochreiter & Schmidhuber 1997; Gers 2000; the variants' papers are in the README.

    >>> import torch
    >>> w = LSTMWeights(input=torch.zeros(8, 3), recurrent=torch.zeros(8, 2))
    >>> y, _, (h, c) = lstm(torch.ones(5, 1, 3), (torch.zeros(1, 2), torch.ones(1, 2)), w, lengths=[2])
    >>> c
    tensor([[0.2500, 0.2500]])
    """
    H = state[1].shape[-1]
    check_sequence("lstm", x, state, weights.input, options.state_sizes(H))
    G = len(options.rows) * H
    if weights.input.shape[0] != G or weights.recurrent.shape != (G, options.proj_size or H):
        shapes = f"{list(weights.input.shape)} and {list(weights.recurrent.shape)}"
        raise ShapeError("lstm.weights", f"must have {G} rows for the gates {' '.join(options.rows)}, got {shapes}.")
    kept = valid_lengths(lengths, x)
    plain = options.plain and noise is None and not return_cells
    others = () if kernel else (*state, *vars(weights).values(), *vars(noise or LSTMNoise()).values())
    chosen = choose_kernel("lstm", kernel, x, others, plain=plain)
    if chosen.startswith("cpu"):
        brief = chosen == "cpu-bfloat16"
        y, cells, state = cpu.loop(x, state, weights, options, kept, noise, reverse, return_cells, brief)
        return y, cells, state

    x = zero_padding(x, kept)
    if reverse:
        x = reverse_in_time(x, kept)
    cells = None
    if chosen == "aten":
        y, state = aten.loop(x, state, weights, kept)
    else:
        y, cells, state = reference.loop(reference.project(x, weights, options), state, weights, options, kept, noise)
    if reverse:
        y = reverse_in_time(y, kept)
        cells = reverse_in_time(cells, kept) if cells is not None else None
    return y, cells if return_cells else None, state
