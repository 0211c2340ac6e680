"""What a language model must beat: guessing by how often a symbol comes, alone or after the one before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recurra.tasks.generation.parts import Part
from recurra.tasks.generation.position import START

Floats = NDArray[np.float64]
_MOST = 20_000_000  # symbols of the end of the training part that bigrams are counted in


def unigram_losses(part: Part, counts: Sequence[int]) -> Floats:
    """Nats [N] of each symbol of ``part`` by its share in the training part; one more of each is added (Laplace).

    >>> part = Part(np.array([2, 3]), characters=2)
    >>> np.exp(-unigram_losses(part, [0, 0, 5, 1])).tolist()
    [0.6666666666666666, 0.2222222222222222]
    """
    share: Floats = -np.log(_smoothed(counts)[part.ids])
    return share


def bigram_losses(training: Part, part: Part, counts: Sequence[int]) -> Floats:
    """Nats [N] of each symbol of ``part`` after the one before it, mixed with its share: Witten & Bell 1991.

    A symbol h that came n(h) times, with d(h) different ones after it, is trusted by n(h) / (n(h) + d(h)).

    >>> seen, part = (Part(np.array(ids), characters=4) for ids in ([2, 3, 2, 3], [2, 3]))
    >>> np.exp(-bigram_losses(seen, part, [0, 0, 2, 2])).round(3).tolist()  # 1/2 + 1/2 * 3/7, 2/3 + 1/3 * 3/7
    [0.714, 0.81]
    """
    V, seen = len(counts), training.ids[-_MOST:].astype(np.int64)
    pairs, times = np.unique(_before(seen) * V + seen, return_counts=True)
    n = np.bincount(pairs // V, weights=times, minlength=V)
    d = np.bincount(pairs // V, minlength=V)
    ids = part.ids.astype(np.int64)
    before = _before(ids)
    place = np.searchsorted(pairs, before * V + ids).clip(max=len(pairs) - 1)
    together = np.where(pairs[place] == before * V + ids, times[place], 0)
    share = _smoothed(counts)[ids]
    whole = n[before] + d[before]
    known = np.maximum(whole, 1)
    probability = np.where(whole > 0, together / known + d[before] / known * share, share)
    losses: Floats = -np.log(probability)
    return losses


def _smoothed(counts: Sequence[int]) -> Floats:
    added = np.asarray(counts, dtype=np.float64) + 1
    added[START] = 0.0  # it never comes
    with np.errstate(divide="ignore"):
        smoothed: Floats = added / added.sum()
    return smoothed


def _before(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[START], ids[:-1]])
