"""Values of a request in JSON as numbers, read strictly: a text or a truth value is no number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError

LARGEST = 3e38
"""Of a number: beyond it float32 is infinite."""
_KINDS = {str: "a text", bool: "true or false", list: "a list", dict: "an object", type(None): "null"}
_NUMBERS = {int, float, type(None)}


def kind_of(value: Any) -> str:
    """What a JSON value is, for people.

    >>> kind_of({}), kind_of(1.5)
    ('an object', 'a number')
    """
    return _KINDS.get(type(value), "a number")


def read_numbers(values: Any, where: str) -> NDArray[np.float64]:
    """``[T]`` from a list of numbers, ``[T, D]`` from a list of such lists; null is NaN.

    >>> read_numbers([1, None, 2.5], "x").tolist()
    [1.0, nan, 2.5]
    """
    if not isinstance(values, list):
        raise DataError(where, f"a list must come, {kind_of(values)} did. Send a list.")
    flat = values
    if values and isinstance(values[0], list):
        flat = [number for part in values for number in (part if isinstance(part, list) else [part])]
    if not _NUMBERS.issuperset(map(type, flat)):
        odd = next(one for one in flat if type(one) not in _NUMBERS)
        raise DataError(where, f"every value must be a number, {kind_of(odd)} came. Correct it.")
    try:
        numbers = np.array(values, dtype=np.float64)
    except (ValueError, TypeError):
        raise DataError(where, "all steps must have as many values as the first, some have not. Send all.") from None
    except OverflowError:
        raise _too_large(where) from None
    return require_finite(numbers, where)


def require_finite(numbers: NDArray[np.floating[Any]], where: str) -> NDArray[np.float64]:
    """Numbers that float32 can hold, or NaN."""
    if bool((np.abs(numbers) > LARGEST).any()):  # never so for NaN
        raise _too_large(where)
    return np.asarray(numbers, dtype=np.float64)


def require_short(steps: int, longest: int, where: str) -> None:
    """Raise :class:`DataError` for a sequence that is longer than may be."""
    if steps > longest:
        raise DataError(where, f"a sequence may have {longest:,} steps at most, {steps:,} came. Send a part of it.")


def _too_large(where: str) -> DataError:
    return DataError(where, f"every number must be within ±{LARGEST:g}, a larger one came. Correct it.")
