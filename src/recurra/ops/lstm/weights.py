"""The tensors of one LSTM layer in one direction, and the random masks of one call."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recurra.ops.lstm.options import LSTMOptions
from recurra.ops.scan import dropout_mask, keep_mask


@dataclass(frozen=True, kw_only=True)
class LSTMWeights:
    """``G`` is H times the gates that have rows, in the order i f g o; K counts those of i, f, o that have rows."""

    input: Tensor  # [G, D]
    recurrent: Tensor  # [G, P]
    bias_input: Tensor | None = None  # [G]
    bias_recurrent: Tensor | None = None  # [G]
    projection: Tensor | None = None  # [P, H]
    peephole: Tensor | None = None  # [K, H], or [G, H] for the full form
    candidate: Tensor | None = None  # [H, H]
    candidate_bias: Tensor | None = None  # [H]
    gate_recurrence: Tensor | None = None  # [K * H, K * H]
    norm_input: Tensor | None = None  # [G]
    norm_recurrent: Tensor | None = None  # [G]
    norm_cell: Tensor | None = None  # [H]
    norm_cell_bias: Tensor | None = None  # [H]


@dataclass(frozen=True, kw_only=True)
class LSTMNoise:
    """The masks of one training call; without them zoneout takes its expectation and nothing is dropped."""

    drop_h: Tensor | None = None  # [B, P], one for all steps
    keep_h: Tensor | None = None  # [T, B, P], 1 where the old h stays
    keep_c: Tensor | None = None  # [T, B, H], 1 where the old c stays

    @staticmethod
    def draw(options: LSTMOptions, x: Tensor, hidden_size: int) -> LSTMNoise | None:
        """Masks for ``x [T, B, D]`` from torch's generator, or None if the options have no randomness in the state."""
        T, B = x.shape[:2]
        P = options.proj_size or hidden_size
        p, (z_h, z_c) = options.recurrent_dropout, options.zoneout
        if not (p or z_h or z_c):
            return None
        return LSTMNoise(
            drop_h=dropout_mask((B, P), p, x) if p else None,
            keep_h=keep_mask((T, B, P), z_h, x) if z_h else None,
            keep_c=keep_mask((T, B, hidden_size), z_c, x) if z_c else None,
        )
