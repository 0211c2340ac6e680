"""From probabilities to a choice: pure functions over log-probabilities of the next symbol, and the beam search.

Each takes log-probabilities ``[…, V]``, not necessarily normalised, and returns the same kind; what is ruled out is
``-inf``. None changes its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from recurra.errors import SettingsError
from recurra.types import State

Step = Callable[[Tensor, State], tuple[Tensor, State]]
"""``(ids [W], state of W sequences) -> (log-probabilities [W, V], state)``; the parts of a state are ``[L, W, ·]``."""


def rule_out(scores: Tensor, ids: Sequence[int]) -> Tensor:
    """Make the symbols ``ids`` impossible.

    >>> rule_out(torch.zeros(3), [0]).tolist()
    [-inf, 0.0, 0.0]
    """
    return scores.index_fill(-1, torch.tensor(list(ids), dtype=torch.int64, device=scores.device), -torch.inf)


def with_temperature(scores: Tensor, temperature: float) -> Tensor:
    """Sharpen (below 1) or flatten (above 1) the distribution: p to the power of 1/temperature.

    >>> sharp = with_temperature(torch.tensor([0.25, 0.75]).log(), 0.5).softmax(-1)
    >>> sharp.round(decimals=4).allclose(torch.tensor([0.1, 0.9]))
    True
    """
    if not temperature > 0:
        raise SettingsError("temperature", f"must be above 0, got {temperature}. Take a small one for the likeliest.")
    return scores / temperature


def keep_top_k(scores: Tensor, k: int) -> Tensor:
    """Rule out all but the k likeliest symbols; of equal ones those with the lower ids are kept. Fan 2018.

    >>> keep_top_k(torch.tensor([1.0, 3.0, 2.0]), 2).tolist()
    [-inf, 3.0, 2.0]
    """
    order = scores.argsort(dim=-1, descending=True, stable=True)
    return scores.scatter(-1, order[..., k:], -torch.inf)


def keep_top_p(scores: Tensor, p: float) -> Tensor:
    """Rule out all but the fewest symbols whose probabilities sum to ``p`` or more, at least one. Holtzman 2020.

    >>> keep_top_p(torch.tensor([0.5, 0.25, 0.25]).log(), 0.7).exp().tolist()
    [0.5, 0.25, 0.0]
    """
    order = scores.argsort(dim=-1, descending=True, stable=True)
    probability = scores.gather(-1, order).softmax(-1)
    before = probability.cumsum(-1) - probability  # of all likelier symbols
    beyond = before >= p
    beyond[..., 0] = False
    return scores.masked_fill(torch.zeros_like(beyond).scatter(-1, order, beyond), -torch.inf)


def penalize(scores: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make the symbols ``seen [n]`` less likely: their log-probability times ``penalty`` (1 changes nothing).

    Keskar, CTRL, 2019, on log-probabilities, which are never positive, so that a penalty above 1 always lowers.

    >>> penalize(torch.tensor([0.5, 0.5]).log(), torch.tensor([1, 1]), 2.0).exp().tolist()
    [0.5, 0.25]
    """
    if penalty == 1 or not len(seen):
        return scores
    normalised = scores.log_softmax(-1)
    hit = torch.zeros(scores.shape[-1], dtype=torch.bool, device=scores.device).index_fill(0, seen, True)
    return torch.where(hit, normalised * penalty, normalised)


def draw(scores: Tensor, generator: Generator) -> Tensor:
    """Draw a symbol from each distribution of ``scores [W, V]``: ``[W]`` int64.

    >>> draw(torch.tensor([[0.0, -torch.inf]]), Generator().manual_seed(0)).tolist()
    [0]
    """
    return torch.multinomial(scores.softmax(-1), 1, generator=generator).squeeze(-1)


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
    step: Step, scores: Tensor, state: State, width: int, length: int, forbidden: Sequence[int] = ()
) -> tuple[list[int], State, float]:
    """Search the likeliest sequence of ``length`` symbols, keeping the ``width`` best ones at each step.

    Args:
        step: takes a step of all candidates.
        scores: ``[1, V]`` the log-probabilities of the first symbol.
        state: after all that came before, ``[L, 1, ·]`` each.
        width: candidates W; 1 is the greedy choice.
        length: symbols, at least 1.
        forbidden: symbols that are never chosen.

    Returns the ids, the state before the last of them was read, and the log-probability of all of them.

    >>> table = torch.tensor([[0.6, 0.4], [0.5, 0.5], [0.1, 0.9]]).log()  # after nothing, 0, 1: greedy takes 0
    >>> ids, _, score = beam_search(lambda ids, state: (table[ids + 1], state), table[:1], (), width=2, length=2)
    >>> ids, round(score, 4)
    ([1, 1], -1.0217)
    """
    scores = rule_out(scores.log_softmax(-1), forbidden)
    total, chosen = scores[0].topk(min(width, scores.shape[-1]))  # [W]
    paths = chosen[:, None]
    state = _pick(state, torch.zeros_like(chosen))
    for _ in range(length - 1):
        scores, after = step(paths[:, -1], state)
        scores = rule_out(scores.log_softmax(-1), forbidden)
        total, best = (total[:, None] + scores).flatten().topk(min(width, scores.numel()))
        parent, symbol = best // scores.shape[-1], best % scores.shape[-1]
        paths = torch.cat([paths[parent], symbol[:, None]], dim=1)
        state = _pick(after, parent)
    return paths[0].tolist(), _pick(state, torch.zeros(1, dtype=torch.int64)), float(total[0])


def _pick(state: State, index: Tensor) -> State:
    return tuple(part.index_select(1, index) for part in state)
