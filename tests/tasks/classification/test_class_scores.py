"""Scores from predictions made by hand, what is said of them, and the weight of words."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

import recurra
from recurra.data.labels import Classes
from recurra.data.samples import Samples
from recurra.tasks.classification.answers import Number, OneClass, SeveralLabels
from recurra.tasks.classification.explanation import _of_symbols, weigh_words
from recurra.tasks.classification.predictions import Predictions
from recurra.tasks.classification.scores import restore_scores, score
from recurra.tasks.classification.summary import summary, tone, verdict

SAMPLES = Samples("d.csv", [f"line {i + 2}" for i in range(4)])
CLASSES = Classes(("a", "b", "c"))


def predictions(said, actual) -> Predictions:
    return Predictions(SAMPLES, np.array(said, dtype=float), np.array(actual))


@pytest.fixture
def of_classes():
    said = [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.2, 0.7], [0.5, 0.4, 0.1]]
    return score(predictions(said, [0, 1, 2, 1]), OneClass(CLASSES))


def test_scores_of_classes(of_classes):
    assert of_classes.model["accuracy"] == 0.75
    assert of_classes.model["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert of_classes.model["log_loss"] == pytest.approx(-np.log([0.8, 0.6, 0.7, 0.4]).mean())
    assert of_classes.rival == "always 'b'"
    assert of_classes.naive["accuracy"] == 0.5
    assert of_classes.naive["log_loss"] == pytest.approx(-np.log([0.25, 0.5, 0.25, 0.5]).mean())
    b = of_classes.classes[1]
    assert (b.actual, b.predicted, b.right, b.precision, b.recall) == (2, 1, 1, 1.0, 0.5)
    assert of_classes.confusion == ((1, 0, 0), (1, 1, 0), (0, 0, 1))
    assert sum(one.count for one in of_classes.calibration) == 4
    assert restore_scores(of_classes.to_dict()) == of_classes


def test_what_is_said_of_them(of_classes):
    assert verdict(of_classes).startswith("The model is right on 75.0 % of 4 rows (95 % interval 30.1 % to 95.4 %)")
    assert tone(of_classes) == "good"
    assert "Weakest: 'a' (F1 0.6667) and 'b' (F1 0.6667)." in summary(of_classes)
    assert "Its probabilities say 65.0 % on average, 75.0 % are right: it is less sure than it could be." in summary(
        of_classes
    )


def test_a_model_that_loses_is_said_to_lose():
    loser = score(
        predictions([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1]], [1, 1, 1, 0]), OneClass(Classes(("a", "b")))
    )
    assert "LOSES" in verdict(loser)
    assert tone(loser) == "bad"


def test_scores_of_labels():
    said = [[0.9, 0.2], [0.6, 0.7], [0.1, 0.9], [0.2, 0.3]]
    scores = score(predictions(said, [[1, 0], [0, 1], [1, 1], [0, 0]]), SeveralLabels(Classes(("u", "v"))))
    assert scores.model["exact"] == 0.5
    assert scores.model["micro_f1"] == pytest.approx(2 * 3 / (4 + 4))
    assert scores.model["macro_f1"] == pytest.approx((2 * 1 / (2 + 2) + 2 * 2 / (2 + 2)) / 2)
    assert restore_scores(scores.to_dict()) == scores
    assert "micro F1" in summary(scores)


def test_scores_of_numbers_are_in_the_users_units():
    answers = Number(mean=100.0, spread=10.0)
    actual = answers.encode([90.0, 100.0, 110.0, 120.0], str)
    scores = score(predictions([[92.0], [100.0], [110.0], [116.0]], actual), answers)
    assert scores.model["mae"] == pytest.approx(1.5)
    assert scores.naive["mae"] == pytest.approx(10.0)
    assert "always the mean has 10.00" in summary(scores)


def test_the_word_that_decides_has_the_most_weight():
    kinds = ["good", "bad"] * 60
    rest = ["the film", "a story of people", "it was"] * 40
    frame = pl.DataFrame({"text": [f"{b}, {a} !" for a, b in zip(kinds, rest, strict=True)], "kind": kinds})
    settings = recurra.Classification(
        text="text", label="kind", refit=False, encoder=recurra.Encoder(hidden_size=8, bidirectional=True)
    )
    bundle = recurra.train(settings, frame, options=recurra.TrainingOptions(steps=80, learning_rate=0.01, threads=1))
    for output, word in enumerate(("bad", "good")):
        text = f"  it was,  {word} !"
        weighed = weigh_words(bundle.model, bundle.task.vocabulary, text, output)
        assert "".join(piece for piece, _ in weighed) == text
        assert max(weighed, key=lambda one: one[1]) == (f"{word} ", 1.0)
        against = weigh_words(bundle.model, bundle.task.vocabulary, text, 1 - output)
        assert min(against, key=lambda one: one[1]) == (f"{word} ", -1.0)


def test_the_weights_of_symbols_add_up_to_what_they_change():
    rows = {"text": ["good film", "bad film", "good story", "bad story"] * 10, "kind": ["+", "-"] * 20}
    bundle = recurra.train(
        recurra.Classification(text="text", label="kind"), rows, options=recurra.TrainingOptions(steps=5)
    )
    (member,) = bundle.model
    ids = torch.from_numpy(bundle.task.vocabulary.encode("good film"))
    with torch.no_grad():
        known, unknown = (member.read(member.embed(one[None]), torch.tensor([2]))[0][0] for one in (ids, ids * 0 + 1))
    change = (known[1] - known[0]) - (unknown[1] - unknown[0])
    assert _of_symbols(member, ids, 1).sum() == pytest.approx(float(change), rel=0.02)
