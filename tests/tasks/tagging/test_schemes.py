"""Schemes of spans: recognised, mended and held to, against every sequence of a small set of tags."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from seqeval.scheme import IOB1, IOB2, IOBES, Entities

from recurra.data.sentences import Sentences
from recurra.errors import SettingsError
from recurra.metrics.spans import spans_of
from recurra.tasks.tagging.schemes import breaks, legal_transitions, recognise, rewrite
from recurra.tasks.tagging.settings import Tagging
from recurra.tasks.tagging.spans import agree_on_scheme

THEIRS = {"BIO": IOB2, "IOB1": IOB1, "BIOES": IOBES}
TAGS = {
    "BIO": ("B-X", "B-Y", "I-X", "I-Y", "O"),
    "IOB1": ("B-X", "B-Y", "I-X", "I-Y", "O"),
    "BIOES": ("B-X", "E-X", "I-X", "S-X", "S-Y", "B-Y", "E-Y", "O"),
}


def is_legal(tags: tuple[str, ...], names: tuple[str, ...], scheme: str) -> bool:
    start, between, end = legal_transitions(names, scheme)
    codes = [names.index(tag) for tag in tags]
    return bool(start[codes[0]] and end[codes[-1]] and all(between[a, b] for a, b in pairwise(codes)))


@pytest.mark.parametrize("scheme", TAGS)
def test_exactly_the_tags_that_the_scheme_writes_are_legal(scheme):
    for tags in product(TAGS[scheme], repeat=4):
        assert is_legal(tags, TAGS[scheme], scheme) == (breaks(tags, scheme) == 0)


@pytest.mark.parametrize("scheme", TAGS)
def test_rewriting_keeps_the_spans_and_makes_tags_legal(scheme):
    for tags in product(TAGS["BIOES"], repeat=3):
        written = rewrite(tags, scheme)
        assert spans_of(written) == spans_of(tags)
        assert breaks(written, scheme) == 0
        found = [e.to_tuple()[1:] for e in Entities([list(written)], THEIRS[scheme]).entities[0]]
        assert spans_of(written) == found  # seqeval's strict mode


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        ([["B-X", "I-X", "O"], ["B-X", "B-Y"]], "BIO"),
        ([["I-X", "I-X", "B-X", "O"], ["O", "I-Y"]], "IOB1"),
        ([["B-X", "I-X", "E-X"], ["S-Y", "O"]], "BIOES"),
    ],
)
def test_schemes_are_recognised(sentences, scheme):
    assert recognise(sentences) == scheme


@pytest.mark.parametrize(
    "sentences", [[["NOUN", "VERB"]], [["O", "O"]], [["B", "S"]], [["B-X", "NOUN"]], [["O", "X-Y"]], [["B-X", "-"]]]
)
def test_plain_tags_are_no_spans(sentences):
    assert recognise(sentences) is None


def test_spans_without_labels_and_the_letters_of_bilou():
    assert recognise([["B", "I", "O"]]) == "BIO"
    assert rewrite(["B", "I", "O", "B"], "BIO") == ("B", "I", "O", "B")
    assert recognise([["B-X", "L-X", "U-X", "O"]]) == "BIOES"
    assert rewrite(["B-X", "I-X", "L-X", "U-X"], "BIOES") == ("B-X", "I-X", "L-X", "U-X")


def sentences(*tags: tuple[str, ...]) -> Sentences:
    return Sentences("demo", [f"line {n}" for n in range(len(tags))], [("a",) * len(t) for t in tags], list(tags))


def test_tags_against_the_rules_are_mended_counted_and_said():
    given = sentences(("B-X", "I-X", "O"), ("O", "I-X", "B-X"), ("B-X", "I-Y", "I-Y"))
    mended, scheme = agree_on_scheme(given, Tagging())
    assert scheme == "BIO"
    assert mended.tags == [("B-X", "I-X", "O"), ("O", "B-X", "B-X"), ("B-X", "B-Y", "I-Y")]
    assert mended.notices[0].startswith("2 tags not as BIO has them")
    assert mended.notices[0].endswith("the first in line 1")


def test_a_scheme_may_be_asked_for_or_refused():
    given = sentences(("B-X", "I-X", "O"))
    assert agree_on_scheme(given, Tagging(scheme="none")) == (given, None)
    mended, scheme = agree_on_scheme(given, Tagging(scheme="BIOES"))
    assert (mended.tags, scheme) == ([("B-X", "E-X", "O")], "BIOES")
    with pytest.raises(SettingsError, match="must be spans"):
        agree_on_scheme(sentences(("NOUN",)), Tagging(scheme="BIO"))
