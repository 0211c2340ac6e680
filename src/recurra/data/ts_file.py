"""The .ts files of the UEA and UCR archives: one case per line, dimensions between colons, the class at the end.

Source: Bagnall et al., The UEA multivariate time series classification archive, 2018; the format of sktime and aeon.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recurra.data.encoding import check_encoding
from recurra.data.samples import Samples
from recurra.data.sequence_set import SequenceSet
from recurra.errors import DataError

_MISSING = ("?", "nan", "")


@dataclass
class _Header:
    answered: bool = False
    classes: frozenset[str] = frozenset()
    """Empty for numbers to predict."""
    said: dict[str, str] = field(default_factory=dict)


def read_ts(content: bytes, source: str) -> Samples:
    """The cases of a file, ``?`` and ``NaN`` as NaN, and their classes or numbers as text.

    >>> file = b"@classLabel true a b\\n@data\\n1,2,3:4,5,6:a\\n7,8:9,0:b\\n"
    >>> samples = read_ts(file, "demo.ts")
    >>> samples.numbers[1].tolist(), samples.answers
    ([[7.0, 9.0], [8.0, 0.0]], ['a', 'b'])
    """
    check_encoding(content, source)
    header = _Header()
    cases: list[NDArray[np.float32]] = []
    names: list[str] = []
    answers: list[str] = []
    in_data = False
    for number, line in enumerate(content.decode().splitlines(), start=1):
        line, where = line.strip(), f"{source}, line {number}"
        if not line or line.startswith("#"):
            continue
        if not in_data:
            in_data = _read_head(line, header, where)
            continue
        case, answer = _read_case(line, header, where)
        if cases and case.shape[1] != cases[0].shape[1]:
            raise DataError(where, f"all cases must have {cases[0].shape[1]} dimensions, this has {case.shape[1]}.")
        cases.append(case)
        names.append(f"line {number}")
        answers.append(answer)
    if not cases:
        raise DataError(source, "there must be cases after a line '@data', there are none. Get the file anew.")
    return Samples(
        source=source,
        names=names,
        numbers=SequenceSet.join(cases),
        features=tuple(f"dimension {number}" for number in range(1, cases[0].shape[1] + 1)),
        answers=answers if header.answered else None,
    )


def _read_head(line: str, header: _Header, where: str) -> bool:
    """Take note of a line of the head; true for the line after which the cases come."""
    key, *values = line.split()
    key = key.lower()
    if key == "@data":
        return True
    if not key.startswith("@"):
        raise DataError(where, f"the head must be lines that begin with '@', {line!r:.40} came. Get the file anew.")
    if key == "@timestamps" and values[:1] == ["true"]:
        raise DataError(where, "cases with time stamps cannot be read. Give them as a table with --time.")
    if key in ("@classlabel", "@targetlabel") and values[:1] == ["true"]:
        header.answered, header.classes = True, frozenset(values[1:])
    return False


def _read_case(line: str, header: _Header, where: str) -> tuple[NDArray[np.float32], str]:
    """The values ``[T, D]`` of a case, and its class."""
    parts = line.split(":")
    answer = parts.pop().strip() if header.answered else ""
    if not parts:
        raise DataError(where, "a case must have values before its class, it has none. Repair the line.")
    if header.classes and answer not in header.classes:
        known = ", ".join(sorted(header.classes))
        raise DataError(where, f"the class must be one of the head's, {known}, got {answer!r:.40}. Repair the line.")
    columns = [_numbers(part, f"{where}, dimension {place}") for place, part in enumerate(parts, start=1)]
    if len({len(column) for column in columns}) > 1:
        lengths = ", ".join(str(len(column)) for column in columns)
        raise DataError(where, f"the dimensions of a case must be equally long, got {lengths} steps. Repair the line.")
    return np.stack(columns, axis=1), answer


def _numbers(text: str, where: str) -> NDArray[np.float32]:
    texts = [part.strip() for part in text.split(",")]
    if texts == [""]:
        return np.zeros(0, dtype=np.float32)
    try:
        return np.array([np.nan if part.lower() in _MISSING else float(part) for part in texts], dtype=np.float32)
    except ValueError as error:
        raise DataError(where, f"values must be numbers: {error}. Repair the line.") from None
