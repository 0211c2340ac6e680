"""Spans: the named pieces of a sentence that the tags of its tokens tell, and how many of them were found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Span = tuple[str, int, int]
"""Its label, its first token, and the one behind its last."""
OUTSIDE = "O"
_WITHIN = ("I", "E", "L")  # letters of tokens that go on with a span
_OPEN = ("B", "I")  # letters of tokens that a span goes on after


@dataclass(frozen=True)
class Found:
    """Spans of one label, or of all: how many there are, how many were said, and how many of those are right."""

    actual: int
    predicted: int
    right: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 where there are no spans at all.

        >>> Found(actual=4, predicted=6, right=3).f1
        0.6
        """
        both = self.actual + self.predicted
        return 2 * self.right / both if both else 0.0


def parse_tag(tag: str) -> tuple[str, str]:
    """The letter and the label of a tag.

    >>> parse_tag("B-ARGM-LOC"), parse_tag("O"), parse_tag("I")
    (('B', 'ARGM-LOC'), ('O', ''), ('I', ''))
    """
    letter, _, label = tag.partition("-")
    return letter, label


def spans_of(tags: Iterable[str]) -> list[Span]:
    """The spans that tags in BIO, IOB1, BIOES or BILOU mean, also where they break the rules of their scheme.

    A token goes on with a span if its letter is I, E or L, that before it B or I, and the label is the same; any other
    token that is not O begins one. That is how conlleval, the script of the CoNLL shared tasks, reads them (Tjong Kim
    Sang & De Meulder 2003).

    >>> spans_of(["B-PER", "I-PER", "O", "I-LOC", "I-PER"])
    [('PER', 0, 2), ('LOC', 3, 4), ('PER', 4, 5)]
    """
    spans: list[Span] = []
    before = (OUTSIDE, "")
    for place, tag in enumerate(tags):
        letter, label = parse_tag(tag)
        if letter in _WITHIN and before[0] in _OPEN and before[1] == label:
            spans[-1] = (label, spans[-1][1], place + 1)
        elif letter != OUTSIDE:
            spans.append((label, place, place + 1))
        before = (letter, label)
    return spans


def count_spans(actual: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> dict[str, Found]:
    """The spans of sentences by their label; one is right if label, beginning and end all are.

    >>> count_spans([["B-PER", "I-PER", "O"]], [["B-PER", "I-PER", "B-LOC"]])
    {'LOC': Found(actual=0, predicted=1, right=0), 'PER': Found(actual=1, predicted=1, right=1)}
    """
    counts = [Counter[str](), Counter[str](), Counter[str]()]
    for some, others in zip(actual, predicted, strict=True):
        true, said = set(spans_of(some)), set(spans_of(others))
        for counter, spans in zip(counts, (true, said, true & said), strict=True):
            counter.update(label for label, _, _ in spans)
    labels = sorted(counts[0] | counts[1])
    return {label: Found(counts[0][label], counts[1][label], counts[2][label]) for label in labels}


def all_spans(by_label: Iterable[Found]) -> Found:
    """The sums over labels, of which the F1 is the micro average.

    >>> all_spans([Found(1, 1, 1), Found(0, 1, 0)])
    Found(actual=1, predicted=2, right=1)
    """
    parts = list(by_label)
    return Found(*(sum(getattr(one, name) for one in parts) for name in ("actual", "predicted", "right")))
