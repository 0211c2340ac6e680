"""Spans and their F1, against seqeval, on lawful tags and on odd ones."""

from __future__ import annotations

import random

import pytest
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2

from recurra.metrics.spans import all_spans, count_spans, spans_of
from recurra.tasks.tagging.schemes import rewrite

ODD = [
    [],
    ["O"],
    ["I-A"],
    ["I-A", "I-B"],
    ["B-A", "I-B", "I-A"],
    ["O", "I-A", "B-A", "I-A"],
    ["E-A", "E-A", "S-A", "I-A"],
    ["S-A", "E-A", "B-A", "E-A", "I-A"],
    ["B-A", "S-A", "I-A", "E-B", "O", "E-B"],
    ["B-a-b", "I-a-b", "I-a"],
]


def seqeval_spans(tags: list[str]) -> list[tuple[str, int, int]]:
    return [(label, first, last + 1) for label, first, last in get_entities(tags)]


def nonsense(seed: int, letters: str) -> list[list[str]]:
    dice = random.Random(seed)
    tags = ["O", *(f"{letter}-{label}" for letter in letters for label in ("A", "B-C"))]
    return [dice.choices(tags, k=dice.randint(1, 12)) for _ in range(60)]


@pytest.mark.parametrize("tags", ODD, ids=" ".join)
def test_odd_tags_mean_the_same_spans(tags):
    assert spans_of(tags) == seqeval_spans(tags)


@pytest.mark.parametrize("letters", ["BI", "BIES", "I", "IES"])
def test_random_tags_mean_the_same_spans_and_have_the_same_scores(letters):
    actual, said = nonsense(1, letters), nonsense(2, letters)
    said = [(other * 12)[: len(one)] for one, other in zip(actual, said, strict=True)]
    assert [spans_of(tags) for tags in actual] == [seqeval_spans(tags) for tags in actual]
    counts = count_spans(actual, said)
    every = all_spans(counts.values())
    assert every.f1 == pytest.approx(f1_score(actual, said))
    assert every.right / every.predicted == pytest.approx(precision_score(actual, said))
    assert every.right / every.actual == pytest.approx(recall_score(actual, said))
    theirs = classification_report(actual, said, output_dict=True)
    assert set(counts) == set(theirs) - {"micro avg", "macro avg", "weighted avg"}
    for label, found in counts.items():
        assert found.f1 == pytest.approx(theirs[label]["f1-score"])
        assert found.actual == theirs[label]["support"]


def test_of_lawful_tags_the_score_is_also_that_of_seqevals_strict_mode():
    actual = [list(rewrite(tags, "BIO")) for tags in nonsense(3, "BI")]
    said = [list(rewrite(tags, "BIO")) for tags in nonsense(4, "BI")]
    said = [(other + ["O"] * 12)[: len(one)] for one, other in zip(actual, said, strict=True)]
    ours = all_spans(count_spans(actual, said).values()).f1
    assert ours == pytest.approx(f1_score(actual, said, mode="strict", scheme=IOB2))


def test_a_span_counts_only_as_a_whole():
    counts = count_spans([["B-A", "I-A", "O", "B-B"]], [["B-A", "O", "O", "B-A"]])
    assert (counts["A"].actual, counts["A"].predicted, counts["A"].right) == (1, 2, 0)
    assert (counts["B"].actual, counts["B"].predicted, counts["B"].right) == (1, 0, 0)


def test_without_spans_the_score_is_zero_and_no_nan():
    assert all_spans(count_spans([["O"]], [["O"]]).values()).f1 == 0.0
