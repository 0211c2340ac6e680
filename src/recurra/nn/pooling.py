"""From the outputs of all steps to one vector per sequence."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

_ATTENTION = 64  # hidden units of attention's score: as many as the outputs would take a quarter of the training time
Pool = Literal["last", "mean", "max", "attention", "concat"]


class Pooling(nn.Module):
    """One vector per sequence: its last state, the mean or maximum over its steps, or a mean weighted by attention.

    ``"concat"`` is last, maximum and mean side by side (Howard & Ruder 2018). Attention scores each step with
    ``u · tanh(W h_t)`` (Yang 2016, hierarchical attention). A sequence without steps has zeros, but for the last state,
    which is the one it began with.

    >>> pool = Pooling("mean", 2)
    >>> outputs = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [0.0, 0.0]]])
    >>> pool(outputs, torch.tensor([[True, True, False]]), torch.zeros(1, 2))[0]
    tensor([[2., 4.]])
    """

    def __init__(self, kind: Pool, size: int) -> None:
        super().__init__()
        self.kind = kind
        self.output_size = 3 * size if kind == "concat" else size
        if kind == "attention":
            self.hidden, self.score = nn.Linear(size, _ATTENTION), nn.Linear(_ATTENTION, 1, bias=False)

    def forward(self, outputs: Tensor, mask: Tensor, last: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pool ``outputs [B, T, O]``, zero on padding, to ``[B, output_size]``; also attention's weights ``[B, T]``.

        ``mask [B, T]`` is true on real steps; ``last [B, O]`` is the summary of the final state.
        """
        if self.kind == "last":
            return last, None
        if self.kind == "mean":
            return _mean(outputs, mask), None
        if self.kind == "max":
            return _maximum(outputs, mask), None
        if self.kind == "concat":
            return torch.cat([last, _maximum(outputs, mask), _mean(outputs, mask)], dim=1), None
        scores = self.score(torch.tanh(self.hidden(outputs))).squeeze(-1)  # [B, T]
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=1) * mask
        return torch.einsum("bt,bto->bo", weights, outputs), weights


def _mean(outputs: Tensor, mask: Tensor) -> Tensor:
    return outputs.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def _maximum(outputs: Tensor, mask: Tensor) -> Tensor:
    most = outputs.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
    return torch.where(mask.any(dim=1, keepdim=True), most, torch.zeros_like(most))
