"""The weights of a model as plain tensors by name: to keep, to put back, to average."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers, each once and not copied; tied weights appear under their first name."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """Copy all parameters and buffers."""
    return {name: tensor.detach().clone() for name, tensor in tensors_of(model).items()}


@torch.no_grad()
def put_back(model: nn.Module, kept: Mapping[str, Tensor]) -> None:
    """Copy kept values into the model's own tensors, whose memory stays where it is."""
    for name, tensor in tensors_of(model).items():
        if name in kept:
            tensor.copy_(kept[name])


class Average:
    """An exponential moving average of the trained weights.

    The decay grows from 0.1 as ``min(decay, (1 + t) / (10 + t))``, so that the random first weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.decay = decay
        self.values = {name: weight.detach().clone() for name, weight in trained.items()}
        self._pairs = (list(self.values.values()), [weight.detach() for weight in trained.values()])

    def update(self, step: int) -> None:
        """Move towards the model's weights after step ``step``, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages, weights = self._pairs
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Go on from averages that were kept."""
        for name, value in self.values.items():
            value.copy_(values[name])

    @contextmanager
    def inside(self, model: nn.Module) -> Iterator[None]:
        """Give the model the averaged weights for a block; buffers stay as they are."""
        own = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
        put_back(model, self.values)
        try:
            yield
        finally:
            put_back(model, own)
