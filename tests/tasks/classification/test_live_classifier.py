"""Classification of streams: after each step what the whole-sequence call says of all so far."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

import recurra
from recurra.bundle import Bundle
from recurra.errors import DataError, SettingsError
from tolerances import TOLERANCES

RTOL, ATOL = TOLERANCES["value"][torch.float32]
TEXTS = {"text": ["good film", "bad film", "good", "bad one"] * 3, "label": ["+", "-", "+", "-"] * 3}


def untrained(settings: recurra.Classification, data: dict) -> Bundle:
    """A bundle of random weights: what it says differs from class to class, which is all that is needed here."""
    torch.manual_seed(1)
    task, _ = settings.learn(settings.read(data))
    model = task.build_model()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)  # far from saying the same of everything
    return Bundle(task, model)


def signals(D: int = 3) -> dict:
    chance = np.random.default_rng(0)
    x = chance.normal(5, 3, (20, 12, D)).astype(np.float32)
    return {"x": x, "y": np.array(["calm", "fast", "slow", "still"])[np.arange(20) % 4]}


def of_signals(**options) -> Bundle:
    encoder = recurra.Encoder(**{"hidden_size": 8, **options.pop("encoder", {})})
    return untrained(recurra.Classification(**{"front": "linear", **options}, encoder=encoder), signals())


def close(got: float, want: float) -> bool:
    return math.isclose(got, want, rel_tol=RTOL, abs_tol=ATOL)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize(
    "options",
    [
        {"front": "direct"},
        {"front": "linear", "embedding_size": 7},
        {"members": 2},
        {"encoder": {"layers": 2, "cell": "gru"}},
        {"encoder": {"layer_norm": True, "proj_size": 5, "peephole": "diagonal"}},
        {"encoder": {"cell": "rnn", "layers": 3}},
    ],
    ids=str,
)
def test_after_each_step_it_says_what_predict_says_of_all_so_far(options, pooling):
    bundle = of_signals(pooling=pooling, **options)
    session, x = recurra.Session(bundle), signals()["x"][0]
    for t, row in enumerate(x.tolist(), start=1):
        answer = session.feed(row)
        expected = bundle.predict({"x": x[None, :t]}).row(0, named=True)
        assert answer["label"] == expected["label"]
        assert close(answer["probability"], expected["probability"])
        assert all(close(p, expected[f"p({name})"]) for name, p in answer["probabilities"].items())
    assert session.steps == 12
    assert json.loads(json.dumps(answer)) == answer


@pytest.mark.parametrize("unit", ["word", "character", "byte"])
def test_texts_may_come_in_pieces(unit):
    tokens = recurra.Tokens(unit=unit, vocabulary_size=300)
    settings = recurra.Classification(
        text="text", label="label", tokens=tokens, encoder=recurra.Encoder(hidden_size=8, layers=2)
    )
    bundle = untrained(settings, TEXTS)
    session, so_far = recurra.Session(bundle), ""
    for piece in ("good ", "film new ", "bad"):
        so_far += piece
        answer = session.feed(piece)
        expected = bundle.predict({"text": [so_far]}).row(0, named=True)
        assert answer["label"] == expected["label"]
        assert close(answer["probability"], expected["probability"])


def test_several_labels_and_a_number():
    rows = {"text": ["a b", "b c", "c", "a"] * 4, "tags": ["x;y", "y", "", "x"] * 4}
    settings = recurra.Classification(text="text", label="tags", multi_label=True, encoder=recurra.Encoder())
    bundle = untrained(settings, rows)
    answer = recurra.Session(bundle).feed("a b")
    expected = bundle.predict({"text": ["a b"]}).row(0, named=True)
    assert ";".join(answer["labels"]) == expected["tags"]
    assert all(close(p, expected[f"p({name})"]) for name, p in answer["probabilities"].items())

    rows = {"text": ["a b", "b c", "c", "a"] * 4, "stars": [1.0, 250.0, 3.0, 4.5] * 4}
    bundle = untrained(recurra.Classification(text="text", target="stars", encoder=recurra.Encoder()), rows)
    said = recurra.Session(bundle).feed("a b")["value"]
    assert close(said, bundle.predict({"text": ["a b"]}).row(0, named=True)["stars"])


def test_a_row_may_name_its_features():
    bundle = of_signals()
    row = [1.0, 2.0, 3.0]
    named = dict(zip(reversed(bundle.task.features), reversed(row), strict=True)) | {"time": "8:15"}
    assert recurra.Session(bundle).feed(named) == recurra.Session(bundle).feed(row)
    assert recurra.Session(bundle).feed([1, 2, 3]) == recurra.Session(bundle).feed(row)


WRONG = {
    "not a number": ([1.0, float("nan"), 2.0], "'feature 2'.*finite number"),
    "infinite": ([1.0, 2.0, float("inf")], "'feature 3'.*finite number"),
    "missing": ([1.0, None, 2.0], "'feature 2'.*None came"),
    "a text": ([1.0, "2", 2.0], "'feature 2'.*'2' came"),
    "huge": ([1.0, 10**400, 2.0], "'feature 2'.*finite number"),
    "far": ([1.0, 2.0, -1e200], "'feature 3'.*of the size"),
    "short": ([1.0, 2.0], "each of 3 features, 2 came"),
    "long": ([1.0] * 4, "each of 3 features, 4 came"),
    "nested": ([[1.0, 2.0, 3.0]], "each of 3 features"),
    "ragged": ([[1.0], [2.0, 3.0], 4.0], "'feature 1'"),
    "without a name": ({"feature 1": 1.0, "feature 3": 2.0}, "must have 'feature 2'"),
    "of a text model": ("hello", "a text came"),
    "none": (None, "nothing came"),
    "truth": ([True, False, True], "'feature 1'.*True came"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_step_is_refused_and_leaves_the_session_as_it_was(case):
    wrong, message = WRONG[case]
    bundle = of_signals(pooling="attention", members=2)
    session, other = recurra.Session(bundle), recurra.Session(bundle)
    for one in (session, other):
        one.feed([4.0, 5.0, 6.0])
    before = session.save()
    with pytest.raises(DataError, match=message):
        session.feed(wrong)
    assert session.save() == before
    assert session.feed([6.0, 5.0, 4.0]) == other.feed([6.0, 5.0, 4.0])


def test_a_model_that_runs_away_leaves_the_session_as_it_was():
    bundle = of_signals(pooling="mean", front="direct", encoder={"cell": "rnn", "nonlinearity": "relu"})
    with torch.no_grad():
        bundle.model[0].encoder.layer.weight_ih_l0.fill_(1e30)
    session = recurra.Session(bundle)
    session.feed([5.0, 5.0, -50.0])
    before = session.save()
    with pytest.raises(DataError, match="must be finite"):
        session.feed([1e10, 1e10, 1e10])
    assert session.save() == before


@pytest.mark.parametrize("wrong", ["", "  ", 3, None, ["good"]])
def test_a_text_without_a_symbol_is_refused(wrong):
    settings = recurra.Classification(text="text", label="label", encoder=recurra.Encoder(hidden_size=4))
    session = recurra.Session(untrained(settings, TEXTS))
    with pytest.raises(DataError, match="observation"):
        session.feed(wrong)
    assert session.steps == 0


def test_what_needs_the_end_is_refused_with_the_flags_that_help():
    with pytest.raises(SettingsError, match=r"reads backwards.*Train one with --no-bidirectional\."):
        recurra.Session(of_signals(encoder={"bidirectional": True}))
    with pytest.raises(SettingsError, match=r"yet to come.*Train one with --front linear\."):
        recurra.Session(of_signals(front="auto"))
    with pytest.raises(SettingsError, match=r"--no-bidirectional --front linear\."):
        recurra.Session(of_signals(front="convolution", encoder={"bidirectional": True}))
