"""A layer that was found in a file of another system, its weights under our names and in our order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.errors import DataError
from recurra.nn.gru import GRU
from recurra.nn.lstm import LSTM
from recurra.nn.rnn import RNN

Array = NDArray[Any]
Weights = Mapping[str, Array]
"""``weight_ih [G, D]``, ``weight_hh [G, H]``, perhaps ``bias_ih``, ``bias_hh [G]`` and ``peephole [3, H]``."""
CELLS: dict[str, type[LSTM] | type[GRU] | type[RNN]] = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}
GATES = {"LSTM": ("i", "f", "g", "o"), "GRU": ("r", "z", "n"), "RNN": ("h",)}


@dataclass(frozen=True)
class Found:
    """One recurrent layer."""

    name: str
    cell: str
    directions: Sequence[Weights]
    """Forwards, and perhaps backwards."""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """The features it reads."""
        return int(self.directions[0]["weight_ih"].shape[1])

    @property
    def hidden_size(self) -> int:
        """H."""
        weights = self.directions[0]
        return int(weights.get("weight_hr", weights["weight_hh"]).shape[1])

    @property
    def output_size(self) -> int:
        """The features of its outputs, H or P in each direction."""
        return int(self.directions[0]["weight_hh"].shape[1]) * len(self.directions)

    @property
    def kind(self) -> tuple[Any, ...]:
        """What all layers of a stack have in common."""
        has_bias = "bias_ih" in self.directions[0]
        return self.cell, self.hidden_size, len(self.directions), has_bias, tuple(sorted(self.options.items()))


def reorder(array: Array, order: Sequence[str], wanted: Sequence[str]) -> Array:
    """The rows of the gates, which come in ``order``, as ``wanted``.

    >>> reorder(np.array([1, 2, 3]), "zrn", "rzn").tolist()
    [2, 1, 3]
    """
    parts = dict(zip(order, np.split(array, len(order)), strict=True))
    return np.concatenate([parts[gate] for gate in wanted])


def build(found: Sequence[Found], source: str, name: str | None) -> LSTM | GRU | RNN:
    """All layers of that name, or all that there are; they must be a stack, each reading the one before."""
    if not found:
        raise DataError(source, "there must be an LSTM, GRU or RNN in it, there is none.")
    known = ", ".join(dict.fromkeys(one.name for one in found))
    if name is not None:
        found = [one for one in found if one.name == name]
        if not found:
            raise DataError(source, f"there is no layer {name!r}. Known: {known}.")
    if not _is_stack(found):
        raise DataError(source, f"its layers must be one stack, they are not. Name one of them with --layer: {known}.")
    first = found[0]
    layer = CELLS[first.cell](
        first.width,
        first.hidden_size,
        len(found),
        bias="bias_ih" in first.directions[0],
        batch_first=True,
        bidirectional=len(first.directions) == 2,
        **first.options,
    )
    layer.load_state_dict(
        {
            f"{weight}_l{number}{end}": torch.from_numpy(np.ascontiguousarray(array, np.float32))
            for number, one in enumerate(found)
            for end, weights in zip(("", "_reverse"), one.directions, strict=False)
            for weight, array in weights.items()
        }
    )
    return layer.eval()


def _is_stack(found: Sequence[Found]) -> bool:
    first = found[0]
    return all(one.kind == first.kind for one in found) and all(one.width == first.output_size for one in found[1:])
