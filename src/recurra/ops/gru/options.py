"""Which GRU, and its tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from recurra.errors import SettingsError, nearest
from recurra.ops.scan import check_probability


@dataclass(frozen=True, kw_only=True)
class GRUOptions:
    """The variants of the GRU; without arguments, the plain form of torch.

    ``reset="after"`` applies the reset gate to the recurrent product (torch, cuDNN), ``"before"`` to the hidden state
    that goes into it (Cho et al. 2014).

    >>> GRUOptions(reset="before").plain
    False
    """

    reset: Literal["after", "before"] = "after"
    recurrent_dropout: float = 0.0
    weight_drop: float = 0.0

    def __post_init__(self) -> None:
        if self.reset not in ("after", "before"):
            raise SettingsError("GRU.reset", f"there is no {self.reset!r}. {nearest(self.reset, ('after', 'before'))}")
        check_probability("GRU.recurrent_dropout", self.recurrent_dropout)
        check_probability("GRU.weight_drop", self.weight_drop)

    @property
    def plain(self) -> bool:
        """Whether this is torch's own GRU once the masks are drawn."""
        return self.reset == "after"

    @property
    def compresses(self) -> bool:
        """Whether single compiled steps of this form can read their weights in fewer bits."""
        return self.reset == "after"


@dataclass(frozen=True, kw_only=True)
class GRUWeights:
    """One layer in one direction; ``G`` is 3H, in the order r z n."""

    input: Tensor  # [G, D]
    recurrent: Tensor  # [G, H]
    bias_input: Tensor | None = None  # [G]
    bias_recurrent: Tensor | None = None  # [G]
