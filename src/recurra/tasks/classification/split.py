"""Which samples are learned from, which choose the weights, and which give the score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.grid import count_of
from recurra.data.labels import rare_labels
from recurra.data.samples import Samples
from recurra.errors import DataError, nearest

Ints = NDArray[np.int64]
FEWEST = 2
"""Samples that a class must have: one to learn from, one to be tested on."""
_QUANTILES = 10


@dataclass(frozen=True, eq=False)
class Divided:
    """All samples, and the numbers of those in each part."""

    samples: Samples
    training: Ints
    validation: Ints
    test: Ints


def divide(samples: Samples, validation: float, test: float, seed: int) -> Divided:
    """Divide samples at random, each class alike (stratified), or whole groups where the samples have them.

    Numbers are divided by tenths of their range of values; rows of several labels by their rarest one.

    Raises:
        DataError: nothing would be left to learn from, or a class would be missing there.
    """
    random = np.random.default_rng(seed)
    assert samples.answers is not None
    strata = _strata(samples.answers)
    if samples.groups is not None:
        part = _by_group(samples, validation, test, random)
    else:
        part = _by_stratum(strata, validation, test, random)
    training, held, scored = (np.flatnonzero(part == number) for number in range(3))
    if not len(training):
        raise DataError(samples.source, f"nothing is left of {len(samples)} samples to learn from. Give more.")
    _require_all(samples, strata, training)
    return Divided(samples, training, held, scored)


def repetitions(divided: Divided) -> tuple[str, ...]:
    """Say if texts of the test are also learned from: the score of those says little about new ones."""
    texts = divided.samples.texts
    if texts is None:
        return ()
    known = {texts[i] for i in (*divided.training, *divided.validation)}
    count = sum(texts[i] in known for i in divided.test)
    if not count:
        return ()
    held_out = count_of(len(divided.test), "text")
    return (f"{count:,} of the {held_out} held out for the score stand among the others too, word for word",)


def require_frequent(samples: Samples, skip: bool) -> Samples:
    """Refuse, or leave out, samples whose label comes less than twice; those of numbers are as they are."""
    answers = samples.answers
    assert answers is not None
    if isinstance(answers[0], float):
        return samples
    several = isinstance(answers[0], tuple)
    labels = [label for answer in answers for label in (answer if several else [answer])]
    rare = [label for label, _ in rare_labels(labels, FEWEST)]
    if not rare:
        return samples
    found = [place for place, answer in enumerate(answers) if set(answer if several else [answer]) & set(rare)]
    if not skip:
        known = sorted(set(labels) - set(rare))
        label = next(label for label in (answers[found[0]] if several else [answers[found[0]]]) if label in rare)
        hint = nearest(label, known).split(" Known")[0] if known else ""
        hint = f"{hint} " if hint.startswith("Did") else ""
        more = f" ({len(rare)} such labels)" if len(rare) > 1 else ""
        raise DataError(
            samples.where(found[0]),
            f"a label must come {FEWEST} times or more to be learned and tested, {label!r:.60} comes once{more}. {hint}"
            "Correct it, give more such rows, or leave them out with --skip-rare.",
        )
    kept = samples.take(np.setdiff1d(np.arange(len(samples)), found))
    if not len(kept):
        raise DataError(samples.source, "every label comes once only: there is nothing to learn. Check the column.")
    names = ", ".join(repr(label) for label in rare[:3]) + (", …" if len(rare) > 3 else "")
    return kept.noticing(f"{count_of(len(found), 'row')} left out whose label comes once: {names}")


def _strata(answers: Sequence[Any]) -> Ints:
    """[N] the number of each sample's stratum."""
    kinds: Sequence[Hashable]
    if isinstance(answers[0], float):
        values = np.asarray(answers)
        return np.searchsorted(np.quantile(values, np.linspace(0, 1, _QUANTILES + 1)[1:-1]), values).astype(np.int64)
    if isinstance(answers[0], tuple):
        counts = Counter(label for row in answers for label in row)
        kinds = [min(row, key=lambda label: (counts[label], label)) if row else "" for row in answers]
    else:
        kinds = answers
    numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    return np.array([numbers[kind] for kind in kinds], dtype=np.int64)


def _by_stratum(strata: Ints, validation: float, test: float, random: np.random.Generator) -> Ints:
    """[N] 0 for training, 1 for validation, 2 for test; every stratum keeps one sample for training."""
    part = np.zeros(len(strata), dtype=np.int64)
    for stratum in range(int(strata.max()) + 1):
        members = random.permutation(np.flatnonzero(strata == stratum))
        # A share of a sample is one with that probability: small classes are held out in their share, all together.
        scored, held = (int(len(members) * share + random.random()) for share in (test, validation))
        scored = min(scored, len(members) - 1)
        held = min(held, len(members) - 1 - scored)
        part[members[:scored]], part[members[scored : scored + held]] = 2, 1
    return part


def _by_group(samples: Samples, validation: float, test: float, random: np.random.Generator) -> Ints:
    """Whole groups in random order, to the test until it has most of its share, then to the validation."""
    assert samples.groups is not None
    names = sorted(set(samples.groups))
    wanted = [share * len(samples) for share in (test, validation)]
    if len(names) < 1 + sum(count > 0 for count in wanted):
        raise DataError(
            samples.source, f"each part needs a group of its own, only {len(names)} came. Give more, or --test 0."
        )
    of = np.array([names.index(group) for group in samples.groups])
    left = random.permutation(len(names)).tolist()
    part = np.zeros(len(samples), dtype=np.int64)
    for number, count, spared in ((2, wanted[0], 2 if wanted[1] else 1), (1, wanted[1], 1)):
        while (part == number).sum() < 0.75 * count and len(left) > spared:
            part[of == left.pop()] = number
    return part


def _require_all(samples: Samples, strata: Ints, training: Ints) -> None:
    missing = np.setdiff1d(strata, strata[training])
    if len(missing) and samples.answers is not None and not isinstance(samples.answers[0], float):
        place = int(np.flatnonzero(strata == missing[0])[0])
        raise DataError(
            samples.where(place),
            f"every class must be in the training part, {samples.answers[place]!r} is only in groups held out. "
            "Give it in more groups, use another --split-seed, or do without --group.",
        )
