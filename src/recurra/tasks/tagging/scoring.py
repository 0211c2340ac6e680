"""What the members of a model say together: the scores of each word's tags, and those of neighbouring tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recurra.nn.crf import Transitions, forbid
from recurra.tasks.tagging.chain import Chain, Floats
from recurra.tasks.tagging.decoding import Score
from recurra.tasks.tagging.examples import Batch
from recurra.tasks.tagging.inputs import Cut


@torch.no_grad()
def scorer(members: Sequence[nn.Module], legal: Transitions | None) -> Score:
    """What scores sentences for :func:`~recurra.tasks.tagging.decoding.decode`.

    Members are averaged as the logarithms of probabilities are multiplied: their scores, and their transitions.
    """
    for member in members:
        member.eval()
    chain = Chain(*(part.numpy().astype(np.float64) for part in transitions(members, legal)))

    @torch.no_grad()
    def score(cut: Cut) -> tuple[Floats, Chain]:
        return emissions(members, Batch.of(cut)).numpy().astype(np.float64), chain

    return score


def emissions(members: Sequence[nn.Module], batch: Batch) -> Tensor:
    """[B, T, K] the mean of the members' scores."""
    return torch.stack([_scores(member, batch) for member in members]).mean(dim=0)


def _scores(member: nn.Module, batch: Any) -> Tensor:
    """[B, T, K] those of a member; without a CRF they are logarithms of probabilities."""
    scores: Tensor = member(batch)
    return scores if member.crf is not None else torch.log_softmax(scores, dim=-1)


def transitions(members: Sequence[Any], legal: Transitions | None) -> Transitions:
    """Those of the members' CRFs together; without one, that only legal tags follow one another."""
    if members[0].crf is None:
        K = members[0].output.out_features
        none = Transitions(*(torch.zeros(shape) for shape in ((K,), (K, K), (K,))))
        return none if legal is None else forbid(none, legal)
    learned = [member.crf.transitions() for member in members]
    return Transitions(*(torch.stack(parts).mean(dim=0) for parts in zip(*learned, strict=True)))
