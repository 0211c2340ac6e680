"""Names of types that several rooms share. Torch is imported for the type checker only."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    State: TypeAlias = tuple[Tensor, ...]
    """What a recurrent layer carries from step to step: ``(h, c)`` for an LSTM, ``(h,)`` for a GRU or an RNN."""
else:
    State = tuple
