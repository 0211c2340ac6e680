"""Dropout with one mask for a whole sequence, and of whole symbols."""

from __future__ import annotations

from torch import Tensor


def locked_dropout(values: Tensor, probability: float) -> Tensor:
    """Drop features of ``values [B, T, D]``, the same ones at all steps of a sequence; the others grow by 1/(1 - p).

    "Variational" dropout: Gal & Ghahramani 2016; "locked" in Merity 2017. Nothing is dropped with probability 0.

    >>> import torch
    >>> dropped = locked_dropout(torch.ones(1, 3, 8), 0.5)
    >>> bool((dropped == dropped[:, :1]).all()), set(dropped.flatten().tolist()) <= {0.0, 2.0}
    (True, True)
    """
    if not probability:
        return values
    mask = values.new_empty(len(values), 1, values.shape[-1]).bernoulli_(1 - probability)
    return values * mask.div_(1 - probability)


def drop_symbols(table: Tensor, probability: float) -> Tensor:
    """Drop whole rows of an embedding ``table [V, E]``, so that a symbol is missing wherever it comes (Gal 2016).

    >>> import torch
    >>> drop_symbols(torch.ones(4, 2), 0.0).sum().item()
    8.0
    """
    if not probability:
        return table
    return table * table.new_empty(len(table), 1).bernoulli_(1 - probability).div_(1 - probability)
