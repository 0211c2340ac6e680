"""The scores of tags, beside scikit-learn's, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from recurra.data.sentences import Sentences
from recurra.tasks.tagging.predictions import Predictions
from recurra.tasks.tagging.scores import restore_scores, score, selection_score
from recurra.tasks.tagging.summary import summary, tone, verdict

TRUE = [("N", "V", "N"), ("D", "N"), ("V",)]
SAID = [("N", "V", "V"), ("D", "N"), ("N",)]
NAIVE = [("N", "N", "N"), ("N", "N"), ("N",)]


def predictions(true=TRUE, said=SAID, naive=NAIVE) -> Predictions:
    tokens = [("a",) * len(tags) for tags in true]
    sentences = Sentences("demo", [str(n) for n in range(len(true))], tokens, true)
    count = sentences.token_count
    return Predictions(sentences, said, np.ones(count, np.float32), naive, np.arange(count) < 3)


def test_plain_tags_are_scored_as_scikit_learn_does():
    scores = score(predictions(), None, ("D", "N", "V"))
    assert scores.model == pytest.approx(
        {"accuracy": 4 / 6, "unknown_accuracy": 2 / 3, "sentence_accuracy": 1 / 3}, rel=1e-12
    )
    flat = [[tag for tags in part for tag in tags] for part in (TRUE, SAID)]
    precision, recall, f1, support = precision_recall_fscore_support(*flat, labels=["D", "N", "V"])
    for place, one in enumerate(scores.classes):
        assert (one.precision, one.recall) == pytest.approx((precision[place], recall[place]))
        assert one.f1 == pytest.approx(f1[place])
        assert one.actual == support[place]
    assert scores.confusion == ((1, 0, 0), (0, 2, 1), (0, 1, 1))
    assert restore_scores(scores.to_dict()) == scores


def test_weights_are_chosen_by_spans_or_by_tags():
    assert selection_score(TRUE, SAID, None) == pytest.approx(4 / 6)
    assert selection_score([("B-X", "I-X", "O")], [("B-X", "O", "O")], "BIO") == 0.0
    assert selection_score([("B-X", "I-X", "O", "B-Y")], [("B-X", "O", "O", "B-Y")], "BIO") == pytest.approx(0.5)


def test_spans_are_scored_by_label():
    scores = score(predictions([("B-X", "I-X", "O")], [("B-X", "I-X", "B-Y")], [("O", "O", "O")]), "BIO", ("B-X",))
    assert scores.model["span_f1"] == pytest.approx(2 / 3)
    assert (scores.model["span_precision"], scores.model["span_recall"]) == (0.5, 1.0)
    assert scores.model["span_macro_f1"] == pytest.approx(0.5)
    assert [one.name for one in scores.classes] == ["X", "Y"]
    assert scores.confusion == ()
    assert scores.strange == 2  # I-X and O were never learned


def test_the_verdict_says_how_far_it_is_from_the_commonest_tags():
    better = score(predictions(), None, ("D", "N", "V"))
    assert "33.3 % of the way from there to perfect" in verdict(better)
    assert tone(better) == "good"
    worse = score(predictions(said=NAIVE, naive=SAID), None, ("D", "N", "V"))
    assert "LOSES" in summary(worse)
    assert tone(worse) == "bad"
    same = score(predictions(said=TRUE, naive=TRUE), None, ("D", "N", "V"))
    assert "no better" in verdict(same)
    assert tone(same) == "neutral"
