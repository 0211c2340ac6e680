"""From the scores of the members to one tag for each token, and its probability."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.nn.crf import Transitions, forbid, marginals, viterbi
from recurra.tasks.tagging.examples import Batch, Examples

_CHUNK = 128  # sentences tagged at once


@torch.no_grad()
def decode(
    members: Sequence[nn.Module], examples: Examples, legal: Transitions | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The number of each token's tag ``[S]`` and its probability ``[S]``: the best legal tags of each sentence.

    Members are averaged as the logarithms of probabilities are multiplied: their scores, and their transitions.
    """
    tags = np.empty(len(examples.forms.values), dtype=np.int64)
    probability = np.empty(len(tags), dtype=np.float32)
    for places, batch, scores, transitions in _score(members, examples, legal):
        best = viterbi(scores, batch.lengths, transitions)
        sure = marginals(scores, batch.lengths, transitions).gather(2, best[..., None]).squeeze(2)
        tags[places], probability[places] = best[batch.mask].numpy(), sure[batch.mask].numpy()
    return tags, probability


@torch.no_grad()
def best_tags(member: nn.Module, examples: Examples, legal: Transitions | None) -> NDArray[np.int64]:
    """The tags alone, of one member, which takes half the time."""
    tags = np.empty(len(examples.forms.values), dtype=np.int64)
    for places, batch, scores, transitions in _score([member], examples, legal):
        tags[places] = viterbi(scores, batch.lengths, transitions)[batch.mask].numpy()
    return tags


def _score(
    members: Sequence[nn.Module], examples: Examples, legal: Transitions | None
) -> Iterator[tuple[NDArray[np.int64], Batch, Tensor, Transitions]]:
    """Batches of sentences of like length: the places of their tokens, their scores ``[B, T, K]`` and transitions."""
    for member in members:
        member.eval()
    transitions = _transitions(members, legal)
    for chunk in torch.split(torch.argsort(examples.lengths, stable=True), _CHUNK):
        batch = examples.batch(chunk)
        scores = torch.stack([_scores(member, batch) for member in members]).mean(dim=0)
        yield examples.forms.steps(chunk.numpy()), batch, scores, transitions


def _scores(member: nn.Module, batch: Any) -> Tensor:
    """[B, T, K] those of a member; without a CRF they are logarithms of probabilities."""
    scores: Tensor = member(batch)
    return scores if member.crf is not None else torch.log_softmax(scores, dim=-1)


def _transitions(members: Sequence[Any], legal: Transitions | None) -> Transitions:
    """Those of the members' CRFs together; without one, that only legal tags follow one another."""
    if members[0].crf is None:
        K = members[0].output.out_features
        none = Transitions(*(torch.zeros(shape) for shape in ((K,), (K, K), (K,))))
        return none if legal is None else forbid(none, legal)
    learned = [member.crf.transitions() for member in members]
    return Transitions(*(torch.stack(parts).mean(dim=0) for parts in zip(*learned, strict=True)))
