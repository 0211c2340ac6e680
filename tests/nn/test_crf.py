"""The CRF against all paths, one by one; its gradients against finite differences; what is not legal never comes."""

from __future__ import annotations

import math
from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from recurra.nn.crf import CRF, Transitions, log_partition, path_score
from tolerances import assert_close

T, K = 4, 3
LENGTHS = torch.tensor([4, 1, 0, 3])


def emissions(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(len(LENGTHS), T, K, dtype=dtype)


def transitions(dtype: torch.dtype = torch.float64) -> Transitions:
    return Transitions(*(torch.randn(shape, dtype=dtype) for shape in ((K,), (K, K), (K,))))


def score_of(scores: Tensor, path: tuple[int, ...], between: Transitions) -> float:
    """The definition, for one sentence ``[T, K]``."""
    if not path:
        return 0.0
    start, step, end = (part.detach() for part in between)
    total = float(start[path[0]] + end[path[-1]])
    total += sum(float(scores[t, k]) for t, k in enumerate(path))
    return total + sum(float(step[a, b]) for a, b in pairwise(path))


def all_paths(scores: Tensor, length: int, between: Transitions) -> dict[tuple[int, ...], float]:
    return {path: score_of(scores, path, between) for path in product(range(K), repeat=length)}


def brute(scores: Tensor, between: Transitions) -> list[dict[tuple[int, ...], float]]:
    return [all_paths(scores[b], int(length), between) for b, length in enumerate(LENGTHS)]


def log_sum(values: list[float]) -> float:
    most = max(values)
    return most + math.log(sum(math.exp(value - most) for value in values))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_log_z_is_the_sum_over_all_paths(dtype):
    scores, between = emissions(dtype), transitions(dtype)
    expected = [log_sum(list(paths.values())) for paths in brute(scores, between)]
    assert_close(log_partition(scores, LENGTHS, between), torch.tensor(expected, dtype=torch.float64))


def test_a_path_has_the_score_of_its_definition():
    scores, between = emissions(), transitions()
    tags = torch.randint(K, (len(LENGTHS), T))
    expected = [
        score_of(scores[b], tuple(tags[b, :length].tolist()), between) for b, length in enumerate(LENGTHS.tolist())
    ]
    assert_close(path_score(scores, LENGTHS, tags, between), torch.tensor(expected, dtype=torch.float64))


def test_padding_leaves_no_trace():
    scores, between = emissions(), transitions()
    tags = torch.randint(K, (len(LENGTHS), T))
    other, other_tags = scores.clone(), tags.clone()
    for b, length in enumerate(LENGTHS.tolist()):
        other[b, length:] = 1e3
        other_tags[b, length:] = 0
    assert_close(log_partition(other, LENGTHS, between), log_partition(scores, LENGTHS, between))
    assert_close(path_score(other, LENGTHS, other_tags, between), path_score(scores, LENGTHS, tags, between))


def test_gradients_agree_with_finite_differences():
    tags = torch.randint(K, (len(LENGTHS), T))

    def losses(scores: Tensor, *parts: Tensor) -> Tensor:
        between = Transitions(*parts)
        return log_partition(scores, LENGTHS, between) - path_score(scores, LENGTHS, tags, between)

    assert torch.autograd.gradcheck(losses, [one.requires_grad_() for one in (emissions(), *transitions())])


def test_losses_are_minus_the_logarithm_of_a_probability():
    crf = CRF(K).double()
    for weight in crf.parameters():
        torch.nn.init.normal_(weight)
    scores = emissions()[:1]
    paths = torch.tensor(list(product(range(K), repeat=T)))
    losses = crf.losses(scores.expand(len(paths), -1, -1), torch.full((len(paths),), T), paths)
    assert (losses > 0).all()
    assert_close((-losses).exp().sum(), torch.ones((), dtype=torch.float64))


def legal() -> Transitions:
    """BIO of one label: B, I, O."""
    between = torch.ones(K, K, dtype=torch.bool)
    between[2, 1] = False
    return Transitions(torch.tensor([True, False, True]), between, torch.ones(K, dtype=torch.bool))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_what_is_not_legal_has_no_probability(dtype):
    crf = CRF(K, legal()).to(dtype)
    scores = emissions(dtype)
    scores[..., 1] += 20.0  # I would win everywhere
    between = crf.transitions()
    lawful = [
        log_sum([score for path, score in paths.items() if path[:1] != (1,) and (2, 1) not in pairwise(path)])
        for paths in brute(scores, Transitions(crf.start, crf.between, crf.end))
    ]
    assert_close(log_partition(scores, LENGTHS, between), torch.tensor(lawful, dtype=torch.float64))


def test_sentences_without_a_legal_path_give_no_nan():
    nothing = Transitions(*(torch.zeros_like(flags) for flags in legal()))
    crf = CRF(K, nothing)
    loss = crf.losses(emissions(torch.float32), LENGTHS, torch.zeros(len(LENGTHS), T, dtype=torch.int64))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert all(torch.isfinite(weight.grad).all() for weight in crf.parameters())


def test_large_scores_neither_overflow_nor_vanish():
    scores, between = emissions(torch.float32) * 1e3, transitions(torch.float32)
    z = log_partition(scores, LENGTHS, between)
    best = torch.tensor([max(paths.values()) for paths in brute(scores, between)], dtype=torch.float64)
    assert_close(z, best)  # one path has all the weight
