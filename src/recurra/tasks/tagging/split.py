"""Which sentences are learned from, which choose the weights, and which give the score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.data.grid import count_of
from recurra.data.sentences import Sentences
from recurra.errors import DataError
from recurra.tasks.wording import list_text

Ints = NDArray[np.int64]
_NAMED = 3  # tags


@dataclass(frozen=True, eq=False)
class Divided:
    """All sentences, and the numbers of those in each part."""

    sentences: Sentences
    training: Ints
    validation: Ints
    test: Ints


def divide(sentences: Sentences, validation: float, test: float, seed: int) -> Divided:
    """Divide sentences at random; those that are one sentence with several marks stay together.

    A tag that only held-out sentences have could not be learned: such a sentence is put to the training part, and said.

    Raises:
        DataError: nothing would be left to learn from.
    """
    assert sentences.tags is not None
    random = np.random.default_rng(seed)
    groups = np.arange(len(sentences)) if sentences.groups is None else np.asarray(sentences.groups)
    known, of = np.unique(groups, return_inverse=True)
    order = random.permutation(len(known))
    scored, held = (round(share * len(known)) for share in (test, validation))
    part_of_group = np.zeros(len(known), dtype=np.int64)
    part_of_group[order[:scored]], part_of_group[order[scored : scored + held]] = 2, 1
    part = part_of_group[of]
    if not (part == 0).any():
        raise DataError(sentences.source, f"nothing is left of {len(sentences)} sentences to learn from. Give more.")
    moved = _learn_all_tags(sentences.tags, part)
    if moved:
        tags = list_text([repr(tag) for tag in list(moved)[:_NAMED]]) + (" and others" if len(moved) > _NAMED else "")
        count = count_of(len(set(moved.values())), "held-out sentence")
        sentences = sentences.noticing(f"{count} put to those to learn from, where {tags} did not come else")
    training, chosen, last = (np.flatnonzero(part == number) for number in range(3))
    return Divided(sentences, training, chosen, last)


def repetitions(divided: Divided) -> tuple[str, ...]:
    """Say if sentences of the test are also learned from: the score of those says little about new ones."""
    sentences = divided.sentences
    known = {sentences.tokens[i] for i in (*divided.training, *divided.validation)}
    count = sum(sentences.tokens[i] in known for i in divided.test)
    if not count:
        return ()
    held_out = count_of(len(divided.test), "sentence")
    return (f"{count:,} of the {held_out} held out for the score stand among the others too, word for word",)


def _learn_all_tags(tags: Sequence[Sequence[str]], part: Ints) -> dict[str, int]:
    """Put to part 0, in place, one sentence of each tag that is only in others; which tags, and where."""
    learned = {tag for number in np.flatnonzero(part == 0).tolist() for tag in tags[number]}
    moved: dict[str, int] = {}
    for number in np.flatnonzero(part).tolist():
        new = set(tags[number]) - learned
        if new:
            part[number] = 0
            learned |= set(tags[number])
            moved |= dict.fromkeys(sorted(new), number)
    return moved
