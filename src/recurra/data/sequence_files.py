"""Files of whole sequences of numbers: NumPy's .npz, UEA and UCR's .ts, and images in idx files, row by row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recurra.data.arrays import from_arrays, read_npz
from recurra.data.idx import is_idx, labels_beside, read_idx
from recurra.data.samples import Samples
from recurra.data.stored import GZIP, bytes_of, unzip
from recurra.data.ts_file import read_ts
from recurra.files import atomic_path

KINDS = ".npz, .ts, idx"


@dataclass(frozen=True, eq=False)
class SequenceFile:
    """The sequences of a file or of arrays, as they stand there: NaN for what is missing."""

    samples: Samples
    sha256: str
    """Of the bytes of the file (of both, where labels have their own), or of the arrays."""
    path: Path | None
    arrays: Mapping[str, Any]
    """Where there is no file: the arrays themselves."""

    @property
    def source(self) -> str:
        """The path, or ``"arrays"``."""
        return self.samples.source

    @property
    def size(self) -> str:
        """How much it is, for people."""
        return f"{len(self.samples):,} sequence{'' if len(self.samples) == 1 else 's'}"

    def keep(self, folder: Path) -> list[Path]:
        """Return the file to read again; arrays are first written to ``folder``, which is made if need be."""
        if self.path is not None:
            return [self.path]
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / "data.npz"
        with atomic_path(copy) as unfinished, open(unfinished, "wb") as file:
            np.savez(file, **self.arrays)
        return [copy]


def is_sequence_file(source: Any) -> bool:
    """Whether this module reads it.

    >>> is_sequence_file("a.npz"), is_sequence_file("train-images-idx3-ubyte.gz"), is_sequence_file("a.csv")
    (True, True, False)
    """
    if isinstance(source, Mapping):
        return np.ndim(source.get("x", 0)) >= 2
    return isinstance(source, (str, Path)) and (Path(source).suffix.lower() in (".npz", ".ts") or is_idx(Path(source)))


def read_sequence_file(source: str | Path | Mapping[str, Any], answer: str = "y") -> SequenceFile:
    """Read sequences and, where they are there, their answers.

    Args:
        source: a file, or a mapping with ``x [N, T, D]``, the answers and perhaps ``lengths [N]``.
        answer: the name of the answers among the arrays; the other kinds have one place for them.

    Raises:
        DataError: the file is damaged or not of its kind; the message says where.
    """
    if isinstance(source, Mapping):
        arrays = {name: np.asarray(values) for name, values in source.items()}
        return SequenceFile(from_arrays(arrays, "arrays", answer), _hash_arrays(arrays), None, arrays)
    path = Path(source)
    content = [bytes_of(path)]
    if is_idx(path):
        beside = labels_beside(path)
        content += [] if beside is None else [bytes_of(beside)]
        samples = read_idx([unzip(part, str(path)) if part.startswith(GZIP) else part for part in content], str(path))
    elif path.suffix.lower() == ".ts":
        samples = read_ts(content[0], str(path))
    else:
        samples = read_npz(content[0], str(path), answer)
    return SequenceFile(samples, hashlib.sha256(b"".join(content)).hexdigest(), path, {})


def _hash_arrays(arrays: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape} ".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
