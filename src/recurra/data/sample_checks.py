"""Samples that cannot be learned from as they are: refused with their place, or repaired and counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recurra.data.filling import fill_missing
from recurra.data.grid import count_of
from recurra.data.repairs import Repairs
from recurra.data.samples import Samples
from recurra.data.sequence_set import SequenceSet
from recurra.errors import DataError


def repair(samples: Samples, repairs: Repairs) -> Samples:
    """Samples without empty ones and without missing numbers, as the settings say; NaN is left where "mean" is said.

    Raises:
        DataError: the settings refuse what came; the message says where and what to do.

    >>> samples = Samples("demo.csv", ["line 2", "line 3"], texts=["a", " "])
    >>> repair(samples, Repairs(skip_empty=True)).notices
    ('1 empty text left out: line 3',)
    """
    samples = _without_empty(samples, repairs.skip_empty)
    return samples if samples.numbers is None else _without_missing(samples, samples.numbers, repairs)


def empty(samples: Samples) -> list[int]:
    """The numbers of texts without a character that shows, and of sequences without a step."""
    if samples.texts is not None:
        return [number for number, text in enumerate(samples.texts) if not text.strip()]
    assert samples.numbers is not None
    return [int(number) for number in np.flatnonzero(samples.numbers.lengths == 0)]


def _without_empty(samples: Samples, skip: bool) -> Samples:
    found = empty(samples)
    if not found:
        return samples
    thing = "empty text" if samples.texts is not None else "sequence of length 0"
    if not skip:
        more = f" ({len(found)} in all)" if len(found) > 1 else ""
        raise DataError(
            samples.where(found[0]),
            f"there must be something to read, {'an' if thing[0] == 'e' else 'a'} {thing} came{more}. "
            "Give it, or leave such rows out with --skip-empty.",
        )
    if len(found) == len(samples):
        raise DataError(samples.source, "there must be something to read, all of it is empty. Check the column.")
    kept = np.setdiff1d(np.arange(len(samples)), found)
    places = ", ".join(samples.names[number] for number in found[:3]) + (", …" if len(found) > 3 else "")
    plural = thing.replace("text", "texts").replace("sequence ", "sequences ") if len(found) > 1 else thing
    return samples.take(kept).noticing(f"{len(found):,} {plural} left out: {places}")


def _without_missing(samples: Samples, numbers: SequenceSet, repairs: Repairs) -> Samples:
    if numbers.values.dtype.kind != "f":
        return samples
    missing = ~np.isfinite(numbers.values)  # [S, D]
    count = int(missing.sum())
    if not count:
        return samples
    step, feature = (int(one) for one in np.argwhere(missing)[0])
    owner = int(np.searchsorted(numbers.starts + numbers.lengths, step, side="right"))
    where = f"{samples.where(owner)}, step {step - int(numbers.starts[owner]) + 1}, {samples.features[feature]!r}"
    if repairs.missing == "refuse":
        came = "infinity" if np.isinf(numbers.values[step, feature]) else "none"
        raise DataError(
            where,
            f"a number must come, {came} did ({count:,} such values). Give it, or use --missing forward or mean.",
        )
    values = np.where(missing, np.nan, numbers.values)
    if repairs.missing == "forward":
        ends = np.append(numbers.starts, len(values))
        filled = [fill_missing(column.astype(np.float64), ends, "forward", outside=True) for column in values.T]
        values = np.stack(filled, axis=1).astype(np.float32)
    how = "the last one before" if repairs.missing == "forward" else "the mean of their feature"
    repaired = replace(samples, numbers=SequenceSet(values, numbers.lengths))
    return repaired.noticing(f"{count_of(count, 'missing number')} replaced by {how}, the first in {where}")
