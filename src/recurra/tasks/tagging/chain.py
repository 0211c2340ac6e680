"""The best tags of a sentence as a whole, and the probability of each, with NumPy alone.

They are the same for a model in torch and for one that was exported. Scores are those of :mod:`recurra.nn.crf`, which
learns them; the arithmetic is in float64.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Chain(NamedTuple):
    """What is known of neighbouring tags: scores, or flags that say what is legal."""

    start: NDArray[Any]
    """[K] of the first tag."""
    between: NDArray[Any]
    """[K, K] from a tag (row) to the next one."""
    end: NDArray[Any]
    """[K] of the last tag."""


def viterbi(scores: Floats, lengths: Ints, chain: Chain) -> Ints:
    """``[B, T]`` the tags of the highest score (Viterbi 1967) under ``scores [B, T, K]``; 0 after a sentence's end.

    >>> chain = Chain(np.zeros(2), np.array([[0.0, -9.0], [0.0, 0.0]]), np.zeros(2))
    >>> viterbi(np.array([[[1.0, 0.0], [0.0, 2.0]]]), np.array([2]), chain).tolist()
    [[1, 1]]
    """
    B, T, K = scores.shape
    best = chain.start + scores[:, 0]  # [B, K] the score of the best way to each tag
    came_from = np.empty((T, B, K), np.int64)  # the tag before it on that way
    for t in range(1, T):
        ways = best[:, :, None] + chain.between
        real = (t < lengths)[:, None]
        came_from[t] = np.where(real, ways.argmax(axis=1), np.arange(K))
        best = np.where(real, ways.max(axis=1) + scores[:, t], best)
    path = np.empty((B, T), np.int64)
    path[:, -1] = (best + chain.end).argmax(axis=1)  # behind a sentence's end it stays the same
    for t in range(T - 1, 0, -1):
        path[:, t - 1] = came_from[t, np.arange(B), path[:, t]]
    return path * _real(lengths, T)


def marginals(scores: Floats, lengths: Ints, chain: Chain) -> Floats:
    """``[B, T, K]`` the probability of each tag at each step, by the forward-backward algorithm; 0 after the end."""
    T = scores.shape[1]
    ahead, behind = np.empty_like(scores), np.empty_like(scores)
    ahead[:, 0], behind[:, -1] = chain.start + scores[:, 0], chain.end
    factors = np.exp(chain.between)
    for t in range(1, T):
        ahead[:, t] = _log_product(ahead[:, t - 1], factors) + scores[:, t]
    for t in range(T - 2, -1, -1):
        after = _log_product(behind[:, t + 1] + scores[:, t + 1], factors.T)
        behind[:, t] = np.where((t + 1 < lengths)[:, None], after, chain.end)
    both = ahead + behind
    shares = np.exp(both - both.max(axis=2, keepdims=True))
    probability: Floats = shares / shares.sum(axis=2, keepdims=True) * _real(lengths, T)[..., None]
    return probability


def begin(chain: Chain) -> Floats:
    """``[2, K]`` how the first tags of a sentence are reached, for :func:`go_on`."""
    return np.stack([chain.start, chain.start])


def go_on(scores: Floats, reach: Floats, chain: Chain) -> tuple[int, Floats, Floats]:
    """The last tag of a sentence so far under its ``scores [K]``, the probabilities ``[K]`` of it, and what is carried.

    They are what :func:`viterbi` and :func:`marginals` say of the last step of that sentence, where every tag may end
    one. In ``reach [2, K]`` stand the score of the best way to each tag before its own score comes in, and the
    logarithm of the sum over all ways; both are relative, so that none of them grows with the sentence.

    >>> chain = Chain(np.zeros(2), np.array([[0.0, -9.0], [0.0, 0.0]]), np.zeros(2))
    >>> best, _, reach = go_on(np.array([1.0, 0.0]), begin(chain), chain)
    >>> best, go_on(np.array([0.0, 2.0]), reach, chain)[0]
    (0, 1)
    """
    best, ahead = reach + scores
    shares = np.exp(ahead - ahead.max())
    way = (best[:, None] + chain.between).max(axis=0)
    ways = _log_product(ahead[None], np.exp(chain.between))[0]
    return int(best.argmax()), shares / shares.sum(), np.stack([way - way.max(), ways - ways.max()])


def _log_product(scores: Floats, factors: Floats) -> Floats:
    """``log(exp(scores) @ factors)``; what is nothing becomes the smallest number there is."""
    most = scores.max(axis=1, keepdims=True)
    sums = np.maximum(np.exp(scores - most) @ factors, np.finfo(np.float64).tiny)
    logarithms: Floats = np.log(sums) + most
    return logarithms


def _real(lengths: Ints, steps: int) -> NDArray[np.bool_]:
    """[B, T] whether a step is before its sentence's end."""
    real: NDArray[np.bool_] = np.arange(steps) < lengths[:, None]
    return real
