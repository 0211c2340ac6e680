"""Decoding against all paths, one by one, and against the derivative of log Z by torch."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import torch

from recurra.data.sequence_set import SequenceSet
from recurra.nn.crf import CRF, Transitions, log_partition
from recurra.tasks.tagging.chain import Chain, begin, go_on, marginals, viterbi
from recurra.tasks.tagging.decoding import best_tags, decode
from recurra.tasks.tagging.inputs import Cut, Inputs
from recurra.tasks.tagging.schemes import legal_transitions
from tolerances import assert_close

T, K = 4, 3
LENGTHS = np.array([4, 1, 0, 3])


def drawn() -> tuple[np.ndarray, Chain]:
    random = np.random.default_rng(0)
    return random.normal(size=(len(LENGTHS), T, K)), Chain(*map(random.normal, (0, 0, 0), (1, 1, 1), (K, (K, K), K)))


def score_of(scores: np.ndarray, path: tuple[int, ...], chain: Chain) -> float:
    """The definition, for one sentence ``[T, K]``."""
    total = chain.start[path[0]] + chain.end[path[-1]] + sum(scores[t, k] for t, k in enumerate(path))
    return float(total + sum(chain.between[a, b] for a, b in pairwise(path)))


def test_viterbi_finds_the_best_of_all_paths():
    scores, chain = drawn()
    found = viterbi(scores, LENGTHS, chain)
    for b, length in enumerate(LENGTHS):
        if length:
            paths = product(range(K), repeat=int(length))
            best = max(paths, key=lambda path, b=b: score_of(scores[b], path, chain))
            assert tuple(found[b, :length]) == best
        assert not found[b, length:].any()


def test_marginals_are_the_derivative_of_log_z_by_the_scores():
    scores, chain = drawn()
    leaf = torch.from_numpy(scores).requires_grad_()
    z = log_partition(leaf, torch.from_numpy(LENGTHS), Transitions(*map(torch.from_numpy, chain)))
    (expected,) = torch.autograd.grad(z.sum(), leaf)
    assert_close(torch.from_numpy(marginals(scores, LENGTHS, chain)), expected)


def test_step_by_step_the_last_tag_is_that_of_all_paths_so_far():
    scores, chain = drawn()
    chain = chain._replace(end=np.zeros(K))
    reach = begin(chain)
    for t in range(T):
        best, shares, reach = go_on(scores[0, t], reach, chain)
        paths = list(product(range(K), repeat=t + 1))
        of_paths = np.array([score_of(scores[0], path, chain) for path in paths])
        assert best == paths[of_paths.argmax()][-1]
        weights = np.exp(of_paths)
        expected = [weights[[path[-1] == k for path in paths]].sum() / weights.sum() for k in range(K)]
        assert_close(torch.from_numpy(shares), torch.tensor(expected, dtype=torch.float64))


def test_step_by_step_nothing_grows_with_the_sentence():
    scores, chain = np.random.default_rng(0).normal(5, 50, size=(3000, K)), drawn()[1]
    chain = chain._replace(end=np.zeros(K))
    reach, largest = begin(chain), 0.0
    for step in scores:
        best, shares, reach = go_on(step, reach, chain)
        largest = max(largest, np.abs(reach).max())
    assert largest < 1000
    length = np.array([len(scores)])
    assert best == viterbi(scores[None], length, chain)[0, -1]
    np.testing.assert_allclose(shares, marginals(scores[None], length, chain)[0, -1], atol=1e-9)


def test_padding_leaves_no_trace():
    scores, chain = drawn()
    other = scores.copy()
    for b, length in enumerate(LENGTHS):
        other[b, length:] = 1e3
    for function in (viterbi, marginals):
        np.testing.assert_array_equal(function(other, LENGTHS, chain), function(scores, LENGTHS, chain))


def test_what_is_not_legal_never_comes():
    legal = Transitions(*map(torch.from_numpy, legal_transitions(["B", "I", "O"], "BIO")))
    chain = Chain(*(part.detach().double().numpy() for part in CRF(K, legal).transitions()))
    scores, _ = drawn()
    scores[..., 1] += 20.0  # I would win everywhere
    for path, length in zip(viterbi(scores, LENGTHS, chain).tolist(), LENGTHS, strict=True):
        assert path[:1] != [1]
        assert (2, 1) not in pairwise(path[:length])
    assert marginals(scores, LENGTHS, chain)[:, 0, 1].max() < 1e-12


def test_long_and_many_sentences_are_cut_into_parts_and_put_back():
    lengths = [40_000, *range(1, 300)]
    numbers = np.arange(sum(lengths)) % K
    sentences = SequenceSet(numbers, np.array(lengths))
    inputs = Inputs(words=sentences, forms=sentences, characters=sentences, marks=sentences)
    sizes = []

    def score(cut: Cut) -> tuple[np.ndarray, Chain]:
        sizes.append(cut.words.size)
        return 9.0 * np.eye(K)[cut.words], Chain(np.zeros(K), np.zeros((K, K)), np.zeros(K))

    tags, probability = decode(score, inputs)
    np.testing.assert_array_equal(tags, numbers)
    np.testing.assert_allclose(probability, np.exp(9) / (np.exp(9) + K - 1), rtol=1e-6)
    np.testing.assert_array_equal(best_tags(score, inputs), numbers)
    assert sorted(sizes)[-3] <= 2**15


def test_large_scores_neither_overflow_nor_vanish():
    scores, chain = drawn()
    sure = marginals(scores * 1e4, LENGTHS, chain)
    best = viterbi(scores * 1e4, LENGTHS, chain)
    np.testing.assert_allclose(np.take_along_axis(sure, best[..., None], 2).squeeze(2)[0], 1.0)
