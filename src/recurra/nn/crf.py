"""Linear-chain conditional random field: the best sequence of tags as a whole, not tag by tag.

The score of tags ``y`` of a sentence of T steps is ``start[y_1] + Σ_t emissions[t, y_t] + Σ_t between[y_t, y_t+1] +
end[y_T]``; its probability is ``exp(score) / Z``, where Z is the sum over all ``K^T`` sequences, which the forward
algorithm gets in ``T K²`` operations. A sentence without steps has one sequence, of score 0.

Source: Lafferty, McCallum & Pereira, Conditional random fields, 2001; above an LSTM: Lample et al., Neural
architectures for named entity recognition, 2016.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

_FORBIDDEN = -1e4  # finite, so that no NaN comes of a sentence that has no legal tags


class Transitions(NamedTuple):
    """The scores of neighbouring tags."""

    start: Tensor
    """[K] of the first tag."""
    between: Tensor
    """[K, K] from a tag (row) to the next one."""
    end: Tensor
    """[K] of the last tag."""


class CRF(nn.Module):
    """The transitions between K tags, learned; those that ``legal`` denies never happen.

    >>> crf = CRF(3)
    >>> emissions, lengths = torch.randn(2, 4, 3), torch.tensor([4, 2])
    >>> loss = crf.losses(emissions, lengths, torch.tensor([[0, 1, 2, 0], [1, 1, 0, 0]]))
    >>> loss.shape
    torch.Size([2])
    """

    def __init__(self, tags: int, legal: Transitions | None = None) -> None:
        """``legal`` are flags of the shapes of :class:`Transitions`; None where everything is legal."""
        super().__init__()
        self.start = nn.Parameter(torch.zeros(tags))
        self.between = nn.Parameter(torch.zeros(tags, tags))
        self.end = nn.Parameter(torch.zeros(tags))
        self.legal = legal

    def transitions(self) -> Transitions:
        """The scores that were learned, under which what is not legal is out of reach."""
        learned = Transitions(self.start, self.between, self.end)
        return learned if self.legal is None else forbid(learned, self.legal)

    def losses(self, emissions: Tensor, lengths: Tensor, tags: Tensor) -> Tensor:
        """``-log p`` of ``tags [B, T]`` under ``emissions [B, T, K]``: nats ``[B]``."""
        transitions = self.transitions()
        score = path_score(emissions, lengths, tags, transitions)
        return log_partition(emissions, lengths, transitions) - score


def forbid(transitions: Transitions, legal: Transitions) -> Transitions:
    """The same scores, far lower where ``legal`` is false."""
    return Transitions(
        *(
            scores + torch.where(flags.to(scores.device), 0.0, _FORBIDDEN).to(scores.dtype)
            for scores, flags in zip(transitions, legal, strict=True)
        )
    )


def path_score(emissions: Tensor, lengths: Tensor, tags: Tensor, transitions: Transitions) -> Tensor:
    """``[B]`` the score of ``tags [B, T]``; what stands after a sentence's end does not count."""
    B, T, _ = emissions.shape
    real = torch.arange(T, device=emissions.device) < lengths[:, None]  # [B, T]
    scores = (emissions.gather(2, tags[..., None]).squeeze(2) * real).sum(dim=1)
    scores = scores + (transitions.between[tags[:, :-1], tags[:, 1:]] * real[:, 1:]).sum(dim=1)
    last = tags.gather(1, (lengths[:, None] - 1).clamp(min=0)).squeeze(1)
    ends = transitions.start[tags[:, 0]] + transitions.end[last]
    return torch.where(lengths > 0, scores + ends, scores.new_zeros(B))


def log_partition(emissions: Tensor, lengths: Tensor, transitions: Transitions) -> Tensor:
    """``[B]`` log Z by the forward algorithm, all sentences and tags of a step at once.

    The sum over the tag before is a product of matrices, ``log(exp(α - max α) @ exp(between))``, many times faster than
    a log-sum-exp over ``[B, K, K]``. What lies so far below the maximum that its exponential is nothing is lifted to
    the smallest number there is.
    """
    tiny = torch.finfo(emissions.dtype).tiny
    factors = transitions.between.exp()  # [K, K]
    alpha = transitions.start + emissions[:, 0]  # [B, K]
    for t in range(1, emissions.shape[1]):
        most = alpha.amax(dim=1, keepdim=True).detach()
        after = ((alpha - most).exp() @ factors).clamp(min=tiny).log() + most + emissions[:, t]
        alpha = torch.where((t < lengths)[:, None], after, alpha)
    total = torch.logsumexp(alpha + transitions.end, dim=1)
    return torch.where(lengths > 0, total, torch.zeros_like(total))
