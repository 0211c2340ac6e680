"""The tensors of one LSTM layer in one direction, and the random masks of one call."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


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
