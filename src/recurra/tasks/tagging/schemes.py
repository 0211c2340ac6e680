"""How tags write spans: BIO, IOB1 and BIOES; which of them a file follows, and which tag may follow which.

======== ====================================================================================================
BIO      every span begins with B and goes on with I (IOB2; Ratnaparkhi 1998)
IOB1     a span begins with I, with B only straight after one of its own label (Ramshaw & Marcus 1995)
BIOES    B, I, E for the last of several tokens, S for a single one (Ratinov & Roth 2009; also with L and U)
======== ====================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np

from recurra.metrics.spans import OUTSIDE, parse_tag, spans_of
from recurra.tasks.tagging.chain import Chain

Scheme = Literal["BIO", "IOB1", "BIOES"]
Tags = Sequence[str]
SCHEMES: tuple[str, ...] = get_args(Scheme)
_SPAN_TAG = re.compile(r"O|[BIESLU](-.+)?", re.DOTALL)
_LAST, _SINGLE = ("E", "L"), ("S", "U")


def recognise(sentences: Iterable[Tags]) -> Scheme | None:
    """The scheme that breaks the fewest rules; None where tags are no spans.

    >>> recognise([["B-PER", "I-PER", "O"]]), recognise([["I-PER", "B-PER", "O"]]), recognise([["S-LOC", "O"]])
    ('BIO', 'IOB1', 'BIOES')
    >>> recognise([["NOUN", "VERB"]]) is None
    True
    """
    sentences = list(sentences)
    known = {tag for tags in sentences for tag in tags}
    if not all(_SPAN_TAG.fullmatch(tag) for tag in known) or known <= {OUTSIDE} or not _says_spans(known):
        return None
    if any(tag[0] in _LAST + _SINGLE for tag in known):
        return "BIOES"
    faults = {scheme: sum(breaks(tags, scheme) for tags in sentences) for scheme in ("BIO", "IOB1")}
    return "IOB1" if faults["IOB1"] < faults["BIO"] else "BIO"


def breaks(tags: Tags, scheme: Scheme) -> int:
    """How many tags of a sentence are not as the scheme writes its spans.

    >>> breaks(["I-PER", "O", "I-LOC"], "BIO"), breaks(["I-PER", "O", "I-LOC"], "IOB1")
    (2, 0)
    """
    return sum(one != other for one, other in zip(tags, rewrite(tags, scheme), strict=True))


def rewrite(tags: Tags, scheme: Scheme) -> tuple[str, ...]:
    """The tags that write the same spans by the rules of the scheme.

    >>> rewrite(["I-PER", "I-PER", "O"], "BIOES")
    ('B-PER', 'E-PER', 'O')
    """
    last, single = ("L", "U") if any(tag[0] in "LU" for tag in tags) else ("E", "S")
    written = [OUTSIDE] * len(tags)
    end, label = -1, ""  # of the span before
    for name, first, behind in spans_of(tags):
        letters = ["I"] * (behind - first)
        if scheme != "IOB1" or (first == end and name == label):
            letters[0] = "B"
        if scheme == "BIOES":
            letters = [single] if len(letters) == 1 else [*letters[:-1], last]
        written[first:behind] = [f"{letter}-{name}" if name else letter for letter in letters]
        end, label = behind, name
    return tuple(written)


def legal_transitions(names: Tags, scheme: Scheme) -> Chain:
    """Flags ``[K]``, ``[K, K]`` and ``[K]``: which tag may begin a sentence, follow which, and end one.

    >>> legal_transitions(["B-X", "I-X", "O"], "BIO").between.tolist()
    [[True, True, True], [True, True, True], [True, False, True]]
    """
    between = [[_may_follow(one, other, scheme) for other in names] for one in names]
    start = [_may_follow(OUTSIDE, name, scheme) for name in names]
    end = [_may_follow(name, OUTSIDE, scheme) for name in names]
    return Chain(*map(np.array, (start, between, end)))


def _may_follow(before: str, after: str, scheme: Scheme) -> bool:
    (one, label), (other, next_label) = parse_tag(before), parse_tag(after)
    open_span = one in ("B", "I") and label == next_label
    if scheme == "BIO":
        return other != "I" or open_span
    if scheme == "IOB1":
        return other != "B" or open_span
    goes_on = other in ("I", *_LAST)
    return open_span and goes_on if one in ("B", "I") else not goes_on


def _says_spans(known: set[str]) -> bool:
    """Whether the tags without a label can be read as spans: single letters alone may be anything."""
    return any("-" in tag for tag in known) or known <= {"B", "I", "O"} or {"B", "I"} <= known
