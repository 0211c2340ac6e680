"""Which RNN, and its tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from recurra.errors import SettingsError, nearest
from recurra.ops.scan import check_probability


@dataclass(frozen=True, kw_only=True)
class RNNOptions:
    """The variants of the simple recurrent network (Elman 1990); without arguments, the plain form of torch.

    >>> RNNOptions(nonlinearity="relu").nonlinearity
    'relu'
    """

    nonlinearity: Literal["tanh", "relu"] = "tanh"
    recurrent_dropout: float = 0.0
    weight_drop: float = 0.0

    def __post_init__(self) -> None:
        if self.nonlinearity not in ("tanh", "relu"):
            hint = nearest(self.nonlinearity, ("tanh", "relu"))
            raise SettingsError("RNN.nonlinearity", f"there is no {self.nonlinearity!r}. {hint}")
        check_probability("RNN.recurrent_dropout", self.recurrent_dropout)
        check_probability("RNN.weight_drop", self.weight_drop)

    @property
    def plain(self) -> bool:
        """Whether this is torch's own RNN once the masks are drawn: always."""
        return True

    @property
    def compresses(self) -> bool:
        """Whether single compiled steps can read their weights in fewer bits: always."""
        return True


@dataclass(frozen=True, kw_only=True)
class RNNWeights:
    """One layer in one direction."""

    input: Tensor  # [H, D]
    recurrent: Tensor  # [H, H]
    bias_input: Tensor | None = None  # [H]
    bias_recurrent: Tensor | None = None  # [H]
