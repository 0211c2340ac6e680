"""Bodies of requests and answers: JSON, and arrays in NumPy's own file format for those who want them small.

An array is what ``numpy.save`` writes: little-endian float32 or float64 in C order. Its head is matched as a whole
rather than evaluated as NumPy does, so that nothing but a shape can come in it.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pydantic_core
from numpy.typing import NDArray

from recurra.errors import DataError

JSON, ARRAY = "application/json", "application/x-npy"
_MAGIC = b"\x93NUMPY\x01\x00"
_HEAD = re.compile(
    rb"\{'descr': '(<f[48])', 'fortran_order': False, 'shape': \((\d{1,9}(?:, ?\d{1,9}){0,2}),?\), \} *\n"
)
_ALIGNED = 64  # bytes, to a multiple of which the head is filled up


def is_of(kind: str, content_type: str) -> bool:
    """Whether a content type, which may have parameters, is of a kind.

    >>> is_of(JSON, "application/json; charset=utf-8")
    True
    """
    return content_type.partition(";")[0].strip().lower() == kind


def read_json(body: bytes) -> Any:
    """A JSON value in UTF-8; NaN and infinity are no JSON."""
    try:
        return pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise DataError("body", f"JSON in UTF-8 must come: {error}. Correct it.") from None


def write_json(value: Any) -> bytes:
    """A JSON value as bytes."""
    return pydantic_core.to_json(value)


def read_array(body: bytes) -> NDArray[np.floating[Any]]:
    """An array of one to three dimensions.

    >>> read_array(write_array(np.array([[1.0, 2.0]])))
    array([[1., 2.]])
    """
    size = 10 + int.from_bytes(body[8:10], "little")
    head = _HEAD.fullmatch(body[10:size]) if body.startswith(_MAGIC) else None
    if head is None:
        raise DataError("body", "a .npy array of '<f4' or '<f8' in C order must come, it has another head. Save it so.")
    dtype = np.dtype(head[1].decode())
    shape = tuple(int(length) for length in head[2].split(b","))
    wanted = dtype.itemsize
    for length in shape:
        wanted *= length
    if len(body) - size != wanted:
        raise DataError(
            "body", f"the shape {list(shape)} needs {wanted:,} bytes of numbers, {len(body) - size:,} came."
        )
    return np.frombuffer(body, dtype, offset=size).reshape(shape)


def write_array(array: NDArray[np.floating[Any]]) -> bytes:
    """What ``numpy.save`` writes of an array of float32 or float64."""
    shape = f"({array.shape[0]},)" if array.ndim == 1 else str(array.shape)
    head = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': {shape}, }}"
    padded = head.ljust(-(len(_MAGIC) + 3 + len(head)) % _ALIGNED + len(head)) + "\n"
    return b"".join([_MAGIC, len(padded).to_bytes(2, "little"), padded.encode(), array.tobytes()])


def text_of(event: str, value: Any) -> bytes:
    """One server-sent event; JSON has no line ends of its own."""
    return f"event: {event}\ndata: {json.dumps(value)}\n\n".encode()
