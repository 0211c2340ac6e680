"""From the scores of batches to one tag for each token, and its probability. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from recurra.tasks.tagging.chain import Chain, Floats, Ints, marginals, viterbi
from recurra.tasks.tagging.inputs import Cut, Inputs

Score = Callable[[Cut], tuple[Floats, Chain]]
"""The scores ``[B, T, K]`` of what was cut, and those of neighbouring tags."""
Said = tuple[Ints, NDArray[np.float32]]
"""The number of each token's tag ``[S]`` and its probability ``[S]``."""
_CHUNK = 128  # sentences tagged at once
_STEPS = 2**15  # and tokens with their padding, so that long sentences take no more memory


def decode(score: Score, inputs: Inputs) -> Said:
    """The best tags of each sentence, and how sure each one is."""
    tags = np.empty(len(inputs.words.values), dtype=np.int64)
    probability = np.empty(len(tags), dtype=np.float32)
    for places, cut in _cuts(inputs):
        scores, chain = score(cut)
        best = viterbi(scores, cut.lengths, chain)
        sure = np.take_along_axis(marginals(scores, cut.lengths, chain), best[..., None], axis=2).squeeze(2)
        real = np.arange(best.shape[1]) < cut.lengths[:, None]
        tags[places], probability[places] = best[real], sure[real]
    return tags, probability


def best_tags(score: Score, inputs: Inputs) -> Ints:
    """The tags alone, which takes half the time."""
    tags = np.empty(len(inputs.words.values), dtype=np.int64)
    for places, cut in _cuts(inputs):
        scores, chain = score(cut)
        best = viterbi(scores, cut.lengths, chain)
        tags[places] = best[np.arange(best.shape[1]) < cut.lengths[:, None]]
    return tags


def _cuts(inputs: Inputs) -> Iterator[tuple[Ints, Cut]]:
    """Sentences of like length together, the longest first, and the places of their tokens."""
    left = np.argsort(-inputs.lengths, kind="stable")
    while len(left):
        count = max(1, min(_CHUNK, _STEPS // int(inputs.lengths[left[0]])))
        chosen, left = left[:count], left[count:]
        yield inputs.forms.steps(chosen), inputs.cut(chosen)
