"""From probabilities to a choice: pure functions over log-probabilities of the next symbol, and the beam search.

Each takes log-probabilities ``[…, V]``, not necessarily normalised, and returns the same kind; what is ruled out is
``-inf``. None changes its arguments. No torch here: exported models write by it, too, the same text for the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from recurra.errors import SettingsError

Scores = NDArray[np.floating[Any]]
Ids = NDArray[np.int64]
Step = Callable[[Ids, Any], tuple[Scores, Any]]
"""``(ids [W], state of W sequences) -> (log-probabilities [W, V], state)``.

The parts of a state are ``[L, W, ·]``, arrays or tensors.
"""


def rule_out(scores: Scores, ids: Sequence[int]) -> Scores:
    """Make the symbols ``ids`` impossible.

    >>> rule_out(np.zeros(3), [0]).tolist()
    [-inf, 0.0, 0.0]
    """
    left = scores.copy()
    left[..., list(ids)] = -np.inf
    return left


def with_temperature(scores: Scores, temperature: float) -> Scores:
    """Sharpen (below 1) or flatten (above 1) the distribution: p to the power of 1/temperature.

    >>> sharp = np.exp(with_temperature(np.log([0.25, 0.75]), 0.5))
    >>> (sharp / sharp.sum()).round(4).tolist()
    [0.1, 0.9]
    """
    if not temperature > 0:
        raise SettingsError("temperature", f"must be above 0, got {temperature}. Take a small one for the likeliest.")
    return scores / temperature


def keep_top_k(scores: Scores, k: int) -> Scores:
    """Rule out all but the k likeliest symbols; of equal ones those with the lower ids are kept. Fan 2018.

    >>> keep_top_k(np.array([1.0, 3.0, 2.0]), 2).tolist()
    [-inf, 3.0, 2.0]
    """
    left = scores.copy()
    np.put_along_axis(left, _falling(scores)[..., k:], -np.inf, axis=-1)
    return left


def keep_top_p(scores: Scores, p: float) -> Scores:
    """Rule out all but the fewest symbols whose probabilities sum to ``p`` or more, at least one. Holtzman 2020.

    >>> np.exp(keep_top_p(np.log([0.5, 0.25, 0.25]), 0.7)).tolist()
    [0.5, 0.25, 0.0]
    """
    order = _falling(scores)
    probability = np.exp(np.take_along_axis(log_softmax(scores), order, axis=-1))
    before = probability.cumsum(-1) - probability  # of all likelier symbols
    before[..., 0] = -np.inf
    kept = np.where(before >= p, -np.inf, np.take_along_axis(scores, order, axis=-1))
    left = np.empty_like(scores)
    np.put_along_axis(left, order, kept, axis=-1)
    return left


def penalize(scores: Scores, seen: Sequence[int], penalty: float) -> Scores:
    """Make the symbols ``seen`` less likely: their log-probability times ``penalty`` (1 changes nothing).

    Keskar, CTRL, 2019, on log-probabilities, which are never positive, so that a penalty above 1 always lowers.

    >>> np.exp(penalize(np.log([0.5, 0.5]), [1, 1], 2.0)).round(4).tolist()
    [0.5, 0.25]
    """
    if penalty == 1 or not len(seen):
        return scores
    lowered = log_softmax(scores)
    places = np.unique(np.array(seen, np.int64))
    lowered[..., places] *= penalty
    return lowered


def log_softmax(scores: Scores) -> NDArray[np.float64]:
    """Normalised log-probabilities, in float64.

    >>> log_softmax(np.array([0.0, 0.0])).tolist() == [-np.log(2)] * 2
    True
    """
    below = (scores - scores.max(-1, keepdims=True)).astype(np.float64)
    normalised: NDArray[np.float64] = below - np.log(np.exp(below).sum(-1, keepdims=True))
    return normalised


def draw(scores: Scores, random: Generator) -> Ids:
    """Draw a symbol from each distribution of ``scores [W, V]``: ``[W]``.

    >>> draw(np.array([[0.0, -np.inf]]), np.random.default_rng(0)).tolist()
    [0]
    """
    heights = np.exp(scores - scores.max(-1, keepdims=True)).cumsum(-1)  # the distribution function, unscaled
    at = random.random((len(scores), 1)) * heights[:, -1:]
    symbols: Ids = (heights <= at).sum(-1)
    return symbols


def split_at_stop(text: str, stops: Sequence[str]) -> tuple[str, str, bool]:
    """What of a growing text may be shown, what must wait as it may be the start of a stop text, whether one came.

    >>> split_at_stop("one, tw", ["two", "three"]), split_at_stop("one, two, three", ["two", "three"])
    (('one, ', 'tw', False), ('one, ', '', True))
    """
    found = [place for place in (text.find(stop) for stop in stops) if place >= 0]
    if found:
        return text[: min(found)], "", True
    longest = max((len(stop) - 1 for stop in stops), default=0)
    for size in range(min(longest, len(text)), 0, -1):
        if any(stop.startswith(text[-size:]) for stop in stops):
            return text[:-size], text[-size:], False
    return text, "", False


def beam_search(
    step: Step, scores: Scores, state: Any, width: int, length: int, forbidden: Sequence[int] = ()
) -> tuple[list[int], Any, float]:
    """Search the likeliest sequence of ``length`` symbols, keeping the ``width`` best ones at each step.

    Args:
        step: takes a step of all candidates.
        scores: ``[1, V]`` the log-probabilities of the first symbol.
        state: after all that came before, ``[L, 1, ·]`` each.
        width: candidates W; 1 is the greedy choice.
        length: symbols, at least 1.
        forbidden: symbols that are never chosen.

    Returns the ids, the state before the last of them was read, and the log-probability of all of them.

    >>> table = np.log([[0.6, 0.4], [0.5, 0.5], [0.1, 0.9]])  # after nothing, 0, 1: greedy takes 0
    >>> ids, _, score = beam_search(lambda ids, state: (table[ids + 1], state), table[:1], (), width=2, length=2)
    >>> ids, round(score, 4)
    ([1, 1], -1.0217)
    """
    total = rule_out(log_softmax(scores), forbidden)[0]
    chosen = _falling(total)[:width]  # [W]
    total, paths = total[chosen], chosen[:, None]
    state = _pick(state, np.zeros_like(chosen))
    for _ in range(length - 1):
        scores, after = step(paths[:, -1], state)
        totals = (total[:, None] + rule_out(log_softmax(scores), forbidden)).ravel()  # [W V]
        best = _falling(totals)[:width]
        parent, symbol = np.divmod(best, scores.shape[-1])
        total, paths = totals[best], np.concatenate([paths[parent], symbol[:, None]], axis=1)
        state = _pick(after, parent)
    return paths[0].tolist(), _pick(state, np.zeros(1, np.int64)), float(total[0])


def _falling(scores: Scores) -> Ids:
    """Symbols by falling score, those of equal score by their ids."""
    return np.argsort(-scores, axis=-1, kind="stable")


def _pick(state: Any, index: Ids) -> Any:
    return tuple(part[:, index] for part in state)
