"""The GRU layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from recurra.nn.recurrent import Recurrent
from recurra.ops.gru import GRUOptions, GRUWeights, cpu, gru, stack
from recurra.ops.native import Call
from recurra.ops.native import Sequence as Weights
from recurra.ops.scan.checks import Kernel
from recurra.types import State


class GRU(Recurrent):
    """A GRU with the arguments, shapes and ``state_dict`` of :class:`torch.nn.GRU`.

    ``input`` is ``[T, B, D]``, ``[B, T, D]`` with ``batch_first``, ``[T, D]`` or a ``PackedSequence``; ``hx`` is
    ``[L, B, H]``, where L counts layers times directions. ``reset="before"`` is the form of Cho et al. 2014, with the
    same parameters. Masks are drawn from torch's generator in training mode, anew for each call.

    >>> layer = GRU(3, 4, reset="before", batch_first=True)
    >>> y, h = layer(torch.randn(2, 5, 3), lengths=[5, 0])
    >>> y.shape, h.shape
    (torch.Size([2, 5, 4]), torch.Size([1, 2, 4]))
    """

    cell = "GRU"
    options: GRUOptions

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        reset: Literal["after", "before"] = "after",
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
    ) -> None:
        options = GRUOptions(reset=reset, recurrent_dropout=recurrent_dropout, weight_drop=weight_drop)
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, options, device, dtype
        )

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Tensor | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Any, Tensor]:
        """Return ``(output, h_n)`` as torch does.

        ``lengths [B]`` (0 is legal) says how many steps are real: results on those never depend on padding, outputs on
        padding are zero, and the final state is that after each sequence's last real step.
        """
        output, (h,), _ = self._run(input, None if hx is None else (hx,), lengths)
        return output, h

    def step(self, x_t: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Take one step over ``x_t [B, D]`` or ``[D]``: the output ``[B, H]`` and the next state, as in forward.

        Only for one direction. In training mode each call draws its own masks.
        """
        y, (h,) = super().step(x_t, None if state is None else (state,))
        return y, h

    def _shapes(self, width: int) -> dict[str, tuple[int, ...]]:
        G = 3 * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (G, width), "weight_hh": (G, self.hidden_size)}
        return shapes | ({"bias_ih": (G,), "bias_hh": (G,)} if self.bias else {})

    def _state_sizes(self) -> tuple[int, ...]:
        return (self.hidden_size,)

    def _fused_stack(self, x: Tensor, state: State, dropout: float) -> tuple[Tensor, State]:
        weights = self._flat_weights
        return stack(x, state, weights, self.bias, self.num_layers, dropout, self.bidirectional)

    def _weights(self, suffix: str) -> GRUWeights:
        return GRUWeights(
            input=self._own("weight_ih" + suffix),
            recurrent=self._recurrent_weight(suffix),
            bias_input=self._weight("bias_ih", suffix),
            bias_recurrent=self._weight("bias_hh", suffix),
        )

    def _compiled(self, suffix: str) -> tuple[Call, Weights]:
        return cpu.compiled(self._weights(suffix), self.options, suffix.endswith("_reverse"))

    def _operate(
        self, x: Tensor, state: State, suffix: str, lengths: Tensor | None, return_cells: bool, kernel: Kernel | None
    ) -> tuple[Tensor, Tensor | None, State]:
        del return_cells  # only an LSTM has cells
        reverse = suffix.endswith("_reverse")
        y, state = gru(
            x,
            state,
            self._weights(suffix),
            self.options,
            lengths=lengths,
            drop_h=self._masks(x).get("drop_h"),
            reverse=reverse,
            kernel=kernel,
        )
        return y, None, state
