"""Probabilities of the next symbol: over all of them at once, or over the frequent ones first."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_SHARES = (0.07, 0.3)  # of the symbols: the ends of the frequent and the middle ones


class FullSoftmax(nn.Module):
    """A softmax over all V symbols; ``tied_to [V, E]``, if it is used, are the embeddings in place of own weights.

    Where the features are not as wide as the embeddings, a linear map comes between. Press & Wolf 2017; Inan 2017.

    >>> head = FullSoftmax(4, 10)
    >>> head.log_probabilities(torch.zeros(2, 4)).exp().sum(-1).tolist()
    [1.0, 1.0]
    """

    def __init__(self, size: int, symbols: int, tied_size: int | None = None) -> None:
        """``size`` is the number of features; ``tied_size`` is E, where the weights are the embeddings."""
        super().__init__()
        self.project = nn.Linear(size, tied_size) if tied_size not in (None, size) else None
        bound = 1 / math.sqrt(size)
        self.weight = nn.Parameter(torch.empty(symbols, size).uniform_(-bound, bound)) if tied_size is None else None
        self.bias = nn.Parameter(torch.zeros(symbols))
        self.symbols, self.width = symbols, size if tied_size is None else tied_size

    def losses(self, features: Tensor, targets: Tensor, tied_to: Tensor | None = None) -> Tensor:
        """The negative log-likelihood ``[N]`` of ``targets [N]`` after ``features [N, O]``, in nats."""
        return functional.cross_entropy(self._logits(features, tied_to), targets, reduction="none")

    def log_probabilities(self, features: Tensor, tied_to: Tensor | None = None) -> Tensor:
        """Those of all symbols, ``[N, V]``."""
        return self._logits(features, tied_to).log_softmax(-1)

    def _logits(self, features: Tensor, tied_to: Tensor | None) -> Tensor:
        features = features if self.project is None else self.project(features)
        weight = tied_to if self.weight is None else self.weight
        assert weight is not None
        return functional.linear(features, weight, self.bias)


class AdaptiveSoftmax(nn.Module):
    """A softmax that looks at the frequent symbols first; ids must be by falling frequency.

    The rarer the symbols, the fewer features they have (a quarter, a sixteenth). Grave 2017.

    >>> head = AdaptiveSoftmax(16, 100)
    >>> head.log_probabilities(torch.zeros(2, 16)).exp().sum(-1).round(decimals=4).tolist()
    [1.0, 1.0]
    """

    def __init__(self, size: int, symbols: int) -> None:
        super().__init__()
        cutoffs = sorted({max(1, round(share * symbols)) for share in _SHARES} - {symbols})
        self.inner = nn.AdaptiveLogSoftmaxWithLoss(size, symbols, cutoffs)

    def losses(self, features: Tensor, targets: Tensor, tied_to: Tensor | None = None) -> Tensor:
        """The negative log-likelihood ``[N]`` of ``targets [N]`` after ``features [N, O]``, in nats."""
        del tied_to  # its weights are its own
        return -self.inner(features, targets).output  # type: ignore[no-any-return]

    def log_probabilities(self, features: Tensor, tied_to: Tensor | None = None) -> Tensor:
        """Those of all symbols, ``[N, V]``."""
        del tied_to
        return self.inner.log_prob(features)
