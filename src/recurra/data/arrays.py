"""Sequences in NumPy arrays: ``x [N, T, D]``, answers and perhaps ``lengths``, from memory or from an .npz file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.samples import Samples
from recurra.data.sequence_set import SequenceSet
from recurra.errors import DataError, nearest

Array = NDArray[Any]


def read_npz(content: bytes, source: str, answer: str = "y") -> Samples:
    """The sequences of an .npz file; it is never unpickled."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, EOFError, KeyError, OSError, zipfile.BadZipFile) as error:
        hint = "Save arrays of numbers, not of objects" if "pickle" in str(error) else "Get the file anew"
        raise DataError(source, f"an .npz file must be whole and hold plain arrays: {error}. {hint}.") from None
    except MemoryError:
        raise DataError(source, "its arrays do not fit into memory. Give smaller ones.") from None
    return from_arrays(arrays, source, answer)


def from_arrays(arrays: Mapping[str, Array], source: str, answer: str = "y") -> Samples:
    """N sequences of ``x``: ``[N, T]``, ``[N, T, D]``, or images ``[N, H, W, C]``, whose rows are the steps.

    >>> samples = from_arrays({"x": np.zeros((2, 3, 1)), "y": np.array([1, 0]), "lengths": np.array([3, 2])}, "demo")
    >>> samples.answers, samples.numbers.lengths.tolist()
    (['1', '0'], [3, 2])
    """
    if "x" not in arrays:
        raise DataError(source, f"the sequences must be in an array 'x', there is none. {nearest('x', arrays)}")
    x = _check_values(arrays["x"], source)
    N, T = x.shape[:2]
    x = x.reshape(N, T, -1)
    lengths = _check_lengths(arrays["lengths"], N, T, source) if "lengths" in arrays else np.full(N, T)
    real = np.arange(T) < lengths[:, None]
    values = x.reshape(N * T, -1) if real.all() else x[real]
    return Samples(
        source=source,
        names=[f"sequence {number}" for number in range(1, N + 1)],
        numbers=SequenceSet(values, lengths),
        features=tuple(f"feature {number}" for number in range(1, x.shape[2] + 1)),
        answers=_answers(arrays[answer], N, answer, source) if answer in arrays else None,
    )


def _check_values(x: Array, source: str) -> Array:
    if x.ndim not in (2, 3, 4) or 0 in x.shape[:1] + x.shape[2:]:
        raise DataError(
            f"{source}, 'x'", f"must be [N, T], [N, T, D] or images [N, H, W, C], got {list(x.shape)}. Reshape it."
        )
    if x.dtype.kind not in "fiub":
        raise DataError(f"{source}, 'x'", f"must hold real numbers, got {x.dtype}. Convert it.")
    # Bytes stay bytes, a quarter of the memory: they are scaled when a batch is cut.
    return x if x.dtype == np.uint8 else x.astype(np.float32)


def _check_lengths(lengths: Array, N: int, T: int, source: str) -> NDArray[np.int64]:
    where = f"{source}, 'lengths'"
    if lengths.shape != (N,) or lengths.dtype.kind not in "iu":
        raise DataError(where, f"must be {N} whole numbers, got {lengths.dtype} {list(lengths.shape)}. Correct it.")
    bad = np.flatnonzero((lengths < 0) | (lengths > T))
    if len(bad):
        raise DataError(
            f"{where}, sequence {bad[0] + 1}", f"must lie between 0 and T = {T}, got {lengths[bad[0]]}. Correct it."
        )
    return lengths.astype(np.int64)


def _answers(y: Array, N: int, name: str, source: str) -> list[Any]:
    where = f"{source}, {name!r}"
    if len(y) != N if y.ndim else True:
        raise DataError(where, f"must have one answer for each of the {N} sequences, got {list(y.shape)}. Correct it.")
    if y.ndim == 2:  # several labels: a column for each class
        if not np.isin(y, (0, 1)).all():
            raise DataError(where, "must be 0 or 1 for each class [N, C], other values came. Correct it.")
        return [tuple(str(column) for column in np.flatnonzero(row)) for row in y]
    if y.ndim != 1 or y.dtype.kind not in "fiubU":
        raise DataError(where, f"must be [N] numbers or texts, or [N, C] flags, got {y.dtype} {list(y.shape)}.")
    if y.dtype.kind == "f" and not (y == np.round(y)).all():
        return [float(value) for value in y]
    return [str(value) for value in (y.astype(np.int64) if y.dtype.kind == "f" else y)]
