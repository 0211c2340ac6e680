"""From the outputs of all steps to one vector per sequence."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

_ATTENTION = 64  # hidden units of attention's score: as many as the outputs would take a quarter of the training time
Pool = Literal["last", "mean", "max", "attention"]


class Pooling(nn.Module):
    """One vector per sequence: its last state, the mean or maximum over its steps, or a mean weighted by attention.

    Attention scores each step with ``u · tanh(W h_t)`` (Yang 2016, hierarchical attention). A sequence without steps
    has zeros, but for ``"last"``, where it has the state it began with.

    >>> pool = Pooling("mean", 2)
    >>> outputs = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [0.0, 0.0]]])
    >>> pool(outputs, torch.tensor([[True, True, False]]), torch.zeros(1, 2))[0]
    tensor([[2., 4.]])
    """

    def __init__(self, kind: Pool, size: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "attention":
            self.hidden, self.score = nn.Linear(size, _ATTENTION), nn.Linear(_ATTENTION, 1, bias=False)

    def forward(self, outputs: Tensor, mask: Tensor, last: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pool ``outputs [B, T, O]``, zero on padding, to ``[B, O]``; also the weights ``[B, T]`` of attention.

        ``mask [B, T]`` is true on real steps; ``last [B, O]`` is the summary of the final state.
        """
        if self.kind == "last":
            return last, None
        if self.kind == "mean":
            return outputs.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1), None
        if self.kind == "max":
            most = outputs.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
            return torch.where(mask.any(dim=1, keepdim=True), most, torch.zeros_like(most)), None
        scores = self.score(torch.tanh(self.hidden(outputs))).squeeze(-1)  # [B, T]
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=1) * mask
        return torch.einsum("bt,bto->bo", weights, outputs), weights
