"""Categories beside numbers: what a model reads of each step."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from recurra.tasks.forecasting.windows import Batch

_LARGEST = 16  # numbers per category at most


class Inputs(nn.Module):
    """The inputs of a forecaster: numbers as they come, categories embedded.

    Args:
        numbers: how many numeric features there are, by group: ``past``, ``known`` and ``static``.
        categories: the number of categories (without the unknown one) of each coded column, by group.
    """

    def __init__(self, numbers: dict[str, int], categories: dict[str, list[int]]) -> None:
        super().__init__()
        self.tables = nn.ModuleDict(
            {
                group: nn.ModuleList(nn.Embedding(count + 1, min(_LARGEST, 1 + (count + 1) // 2)) for count in counts)
                for group, counts in categories.items()
            }
        )
        self.size = {
            group: numbers[group] + sum(min(_LARGEST, 1 + (count + 1) // 2) for count in counts)
            for group, counts in categories.items()
        }
        self.size["static"] += 1  # the window's unit

    def _join(self, group: str, numbers: Tensor, codes: Tensor | None) -> Tensor:
        if codes is None:
            return numbers
        tables = cast(nn.ModuleList, self.tables[group])
        parts = [table(codes[..., i]) for i, table in enumerate(tables)]
        return torch.cat([numbers, *parts], dim=-1)

    def past(self, batch: Batch) -> Tensor:
        """[B, C, ·] what is known of the past only."""
        return self._join("past", batch.past, batch.codes.get("past"))

    def known(self, batch: Batch) -> Tensor:
        """[B, C, ·] what was known in advance, beside each step of the context."""
        return self._join("known", batch.known, batch.codes.get("known"))

    def ahead(self, batch: Batch) -> Tensor:
        """[B, H, ·] the same for the steps to forecast."""
        return self._join("known", batch.ahead, batch.codes.get("ahead"))

    def static(self, batch: Batch) -> Tensor:
        """[B, ·] what is constant for a series, and the logarithm of the window's unit."""
        unit = batch.weight.log()
        return torch.cat([self._join("static", batch.static, batch.codes.get("static")), unit], dim=-1)
