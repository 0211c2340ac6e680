"""Values for the steps that have none, series by series, all series at once."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Fill: TypeAlias = Literal["refuse", "mask", "forward", "linear", "zero"]


def last_present(values: Floats, starts: Ints) -> Ints:
    """[S] how many leading steps of each series reach up to its last present (not NaN) value.

    >>> last_present(np.array([1.0, np.nan, 2.0, np.nan]), np.array([0, 2, 4])).tolist()
    [1, 1]
    """
    places = np.where(np.isnan(values), -1, np.arange(len(values)))
    last = np.maximum.reduceat(places, starts[:-1])
    return np.maximum(last - starts[:-1] + 1, 0)


def fill_missing(values: Floats, starts: Ints, method: Fill, *, outside: bool) -> Floats:
    """[N] with NaN filled by ``method``: the last value before, a straight line between two values, or zero.

    ``outside`` tells whether steps before a series' first value take that value, and steps after its last one the
    last (else they stay NaN). ``"mask"`` and ``"refuse"`` change nothing.

    >>> fill_missing(np.array([np.nan, 1.0, np.nan, 3.0]), np.array([0, 4]), "linear", outside=False).tolist()
    [nan, 1.0, 2.0, 3.0]
    """
    missing = np.isnan(values)
    if method in ("mask", "refuse") or not missing.any():
        return values
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    places = np.arange(len(values))
    before = np.maximum.accumulate(np.where(missing, -1, places))
    after = np.minimum.accumulate(np.where(missing, len(values), places)[::-1])[::-1]
    has_before, has_after = before >= starts[owner], after < starts[owner + 1]
    inside = missing & has_before & has_after
    filled = values.copy()
    if method == "zero":
        filled[missing if outside else inside] = 0.0
        return filled
    filled[inside] = values[before[inside]]
    if method == "linear":
        share = (places - before)[inside] / (after - before)[inside]
        filled[inside] += share * (values[after[inside]] - values[before[inside]])
    if outside:
        head, tail = missing & ~has_before & has_after, missing & has_before & ~has_after
        filled[head], filled[tail] = values[after[head]], values[before[tail]]
    return filled
