"""Language models of streams: the log-probabilities of the whole text, and the likeliest symbols."""

from __future__ import annotations

import math

import pytest
import torch
from nonsense import sentences

import recurra
from recurra.bundle import Bundle
from recurra.data.text import read_text
from recurra.errors import DataError
from tolerances import TOLERANCES

RTOL, ATOL = TOLERANCES["value"][torch.float32]
START = 0


def untrained(text, **settings) -> Bundle:
    torch.manual_seed(1)
    encoder = recurra.Encoder(**{"hidden_size": 12, **settings.pop("encoder", {})})
    task, _ = recurra.Generation(encoder=encoder, **settings).learn(read_text(text))
    return Bundle(task, task.build_model())


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"one_hot": True, "encoder": {"layers": 2}},
        {"tied": True, "embedding_size": 9},
        {"adaptive": True, "tokens": recurra.Tokens(unit="word")},
        {"tokens": recurra.Tokens(unit="byte"), "encoder": {"cell": "gru", "layers": 3}},
        {"encoder": {"layer_norm": True, "proj_size": 6}},
    ],
    ids=str,
)
def test_pieces_have_the_log_probability_of_the_whole_text(text, settings):
    bundle = untrained(text, **settings)
    model, vocabulary = bundle.model[0], bundle.task.vocabulary
    said = sentences(3)
    ids = torch.from_numpy(vocabulary.encode(said))
    with torch.no_grad():
        before = torch.cat([torch.tensor([START]), ids[:-1]])
        losses, state = model.losses(before[None], ids[None], None)
        expected, _ = model.step(ids[-1:], state)
    session = recurra.Session(bundle)
    words = [word + " " for word in said.split(" ")][:-1] + said.split(" ")[-1:]
    answers = [session.feed(word) for word in words]
    total = sum(answer["log_probability"] for answer in answers)
    assert math.isclose(total, -float(losses.sum()), rel_tol=RTOL)
    assert sum(answer["symbols"] for answer in answers) == len(ids)
    expected[:, :2] = -torch.inf
    best, numbers = expected[0].topk(5)
    assert [one["symbol"] for one in answers[-1]["next"]] == [vocabulary.symbol(number) for number in numbers.tolist()]
    for one, want in zip(answers[-1]["next"], best.tolist(), strict=True):
        assert math.isclose(one["log_probability"], want, rel_tol=RTOL, abs_tol=ATOL)


def test_a_trained_model_knows_what_comes_next(bundle):
    session = recurra.Session(bundle)
    text = sentences(20)
    for place in range(len(text) - 3):
        answer = session.feed(text[place])
    assert answer["next"][0]["log_probability"] > -1
    assert answer["unknown"] == 0


def test_unknown_symbols_are_counted(bundle):
    assert recurra.Session(bundle).feed("a☃☃")["unknown"] == 2


@pytest.mark.parametrize("wrong", ["", 7, None, {"text": "a"}])
def test_what_is_no_text_is_refused(bundle, wrong):
    session, other = recurra.Session(bundle), recurra.Session(bundle)
    session.feed("ab"), other.feed("ab")
    with pytest.raises(DataError, match="observation"):
        session.feed(wrong)
    assert session.feed("c") == other.feed("c")


def test_a_restored_session_goes_on(bundle):
    session = recurra.Session(bundle)
    session.feed("ab")
    again = recurra.Session.restore(bundle, session.save())
    assert again.feed("cd") == session.feed("cd")


def test_a_stream_that_runs_away_leaves_the_session_as_it_was(text):
    bundle = untrained(text, encoder={"cell": "rnn", "nonlinearity": "relu"})
    session = recurra.Session(bundle)
    session.feed("a")
    before = session.save()
    with torch.no_grad():
        bundle.model[0].encoder.embedding[:] = 3e38
    with pytest.raises(DataError, match="must be finite"):
        session.feed("bcbcbc")
    assert session.save() == before
