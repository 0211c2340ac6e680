"""Choosing from probabilities: each function against a plain computation, the beam against all sequences there are."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra import decoding
from recurra.errors import SettingsError

V = 6


def scores(seed=0, rows=None):
    return np.random.default_rng(seed).normal(size=(*((rows,) if rows else ()), V)) * 2


def softmax(values):
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def kept(result):
    return {number for number, value in enumerate(result.tolist()) if value != -math.inf}


@given(st.integers(0, 100), st.integers(1, V + 3))
def test_top_k_keeps_the_k_largest(seed, k):
    values = scores(seed)
    expected = set(np.argsort(-values, kind="stable")[:k].tolist())
    result = decoding.keep_top_k(values, k)
    assert kept(result) == expected
    assert all(result[number] == values[number] for number in expected)


@given(st.integers(0, 100), st.floats(0.01, 1.0))
def test_top_p_keeps_the_fewest_that_are_enough(seed, p):
    values = scores(seed)
    probability = softmax(values)
    result = kept(decoding.keep_top_p(values, p))
    mass = sum(probability[number] for number in result)
    assert mass >= p - 1e-9
    least = min(result, key=lambda number: probability[number])
    assert mass - probability[least] < p
    assert min(probability[number] for number in result) >= max(
        (probability[number] for number in set(range(V)) - result), default=0.0
    )


def test_top_k_and_top_p_work_on_each_row():
    values = scores(rows=3)
    for function, argument in ((decoding.keep_top_k, 2), (decoding.keep_top_p, 0.6)):
        rows = np.stack([function(row, argument) for row in values])
        np.testing.assert_array_equal(function(values, argument), rows)


def test_equal_scores_are_cut_by_their_ids():
    assert kept(decoding.keep_top_k(np.zeros(V), 2)) == {0, 1}
    assert kept(decoding.keep_top_p(np.zeros(4), 0.5)) == {0, 1}


def test_temperature_is_a_power_of_the_probabilities():
    values = scores()
    expected = softmax(values) ** (1 / 0.7)
    np.testing.assert_allclose(softmax(decoding.with_temperature(values, 0.7)), expected / expected.sum(), rtol=1e-12)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_must_be_above_zero(temperature):
    with pytest.raises(SettingsError, match="above 0"):
        decoding.with_temperature(scores(), temperature)


def test_a_penalty_lowers_what_was_seen_and_nothing_else():
    values = np.log(softmax(scores()))
    result = decoding.penalize(values + 3.0, [1, 4, 4], 1.3)
    expected = values.copy()
    expected[[1, 4]] *= 1.3
    np.testing.assert_allclose(result, expected, rtol=1e-12)
    np.testing.assert_array_equal(decoding.penalize(values, [1], 1.0), values)


def test_what_is_ruled_out_is_never_drawn():
    values = decoding.rule_out(np.zeros((2000, 3)), [0, 2])
    assert set(decoding.draw(values, np.random.default_rng(1)).tolist()) == {1}


def test_draws_have_the_probabilities_and_follow_the_seed():
    values = np.broadcast_to(scores(), (40_000, V))
    first = decoding.draw(values, np.random.default_rng(5))
    np.testing.assert_array_equal(first, decoding.draw(values, np.random.default_rng(5)))
    assert (first != decoding.draw(values, np.random.default_rng(6))).any()
    share = np.bincount(first, minlength=V) / len(first)
    np.testing.assert_allclose(share, softmax(scores()), atol=0.01)


def test_nothing_changes_its_arguments():
    values = scores()
    before = values.copy()
    decoding.keep_top_k(values, 2)
    decoding.keep_top_p(values, 0.5)
    decoding.penalize(values, [1], 2.0)
    decoding.rule_out(values, [1])
    np.testing.assert_array_equal(values, before)


@given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3), st.data())
def test_stops_are_found_however_the_text_is_cut(text, stops, data):
    shown, held, stopped = "", "", False
    place = 0
    while place < len(text) and not stopped:
        size = data.draw(st.integers(1, 3))
        ready, held, stopped = decoding.split_at_stop(held + text[place : place + size], stops)
        shown += ready
        place += size
    ends = [text.find(stop) for stop in stops if stop in text]
    if not ends:
        assert (shown + held, stopped) == (text, False)
        return
    assert stopped
    completed = min(text.find(stop) + len(stop) for stop in stops if stop in text)
    assert shown == text[: len(shown)]
    assert len(shown) <= completed
    if all(len(stop) == 1 for stop in stops):
        assert shown == text[: min(ends)]


def markov(seed):
    """A model whose next symbol depends on the last two: its state is the one before the last."""
    table = np.log(softmax(np.random.default_rng(seed).normal(size=(V, V, V))))

    def step(ids, state):
        (before,) = state
        return table[before[0, :, 0], ids], (ids[None, :, None],)

    return step


def first(step):
    return step(np.array([2]), (np.array([[[3]]]),))


def total(step, sequence):
    values, state = first(step)
    result = 0.0
    for number, symbol in enumerate(sequence):
        result += float(values[0, symbol])
        if number < len(sequence) - 1:
            values, state = step(np.array([symbol]), state)
    return result, state


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_likeliest_of_all_sequences(seed):
    step = markov(seed)
    best = max(itertools.product(range(V), repeat=4), key=lambda sequence: total(step, sequence)[0])
    values, state = first(step)
    ids, after, score = decoding.beam_search(step, values, state, width=V**3, length=4)
    expected, expected_state = total(step, best)
    assert ids == list(best)
    assert score == pytest.approx(expected, abs=1e-9)
    np.testing.assert_array_equal(after[0], expected_state[0])


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_is_greedy(seed):
    step = markov(seed)
    values, state = first(step)
    expected = []
    for _ in range(5):
        expected.append(int(values[0].argmax()))
        values, state = step(np.array(expected[-1:]), state)
    values, state = first(step)
    assert decoding.beam_search(step, values, state, width=1, length=5)[0] == expected


def test_a_beam_never_takes_what_is_forbidden():
    step = markov(0)
    values, state = first(step)
    ids, _, _ = decoding.beam_search(step, values, state, width=4, length=8, forbidden=(0, 1, 5))
    assert set(ids) <= {2, 3, 4}
