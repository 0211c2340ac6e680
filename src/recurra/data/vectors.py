"""Word vectors from a text file, in the format of GloVe or of fastText: a word and its numbers on each line."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError

Vectors = dict[str, NDArray[np.float32]]


def read_vectors(path: str | Path, words: Iterable[str]) -> tuple[int, Vectors]:
    """The size E of the vectors, and those of the ``words`` that the file has, each ``[E]``.

    A word that it lacks takes the vector of its small letters. The file may be larger than memory, and may be ``.gz``;
    a first line ``N E``, as fastText writes it, is understood.

    Raises:
        DataError: the file is not there or not of this format; the message names the line.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "vectors.txt"
    >>> _ = file.write_text("cat 0.5 1.0\\ndog 1.5 2.0\\n")
    >>> size, vectors = read_vectors(file, ["Cat", "bird"])
    >>> size, {word: vector.tolist() for word, vector in vectors.items()}
    (2, {'Cat': [0.5, 1.0]})
    """
    wanted = set(words)
    lower = {word.lower() for word in wanted}
    size: int | None = None
    found: Vectors = {}
    for number, line in enumerate(_lines(Path(path)), start=1):
        parts = line.rstrip().split(" ")
        if number == 1 and len(parts) == 2 and all(part.isdigit() for part in parts):
            size = int(parts[1])
            continue
        if size is None:
            size = len(parts) - 1
        word, numbers = " ".join(parts[:-size]), parts[-size:]
        if len(parts) <= size or size < 2:
            raise DataError(
                f"{path}, line {number}", f"a word and {max(size, 2)} numbers must come, got {len(parts)} fields."
            )
        if word in wanted or word in lower:
            found[word] = _vector(numbers, f"{path}, line {number}")
    if size is None:
        raise DataError(str(path), "word vectors must be in the file, it is empty. Get it anew.")
    known = {word: word if word in found else word.lower() for word in sorted(wanted)}
    return size, {word: found[known[word]] for word in known if known[word] in found}


def _lines(path: Path) -> Iterator[str]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8") as file:
            yield from file
    except FileNotFoundError:
        raise DataError(str(path), "a file of word vectors must be there, none is. Check the path.") from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(str(path), f"word vectors must be text in UTF-8: {error}. Get the file anew.") from None


def _vector(numbers: list[str], where: str) -> NDArray[np.float32]:
    try:
        vector = np.array(numbers, dtype=np.float32)
    except ValueError as error:
        raise DataError(where, f"a word must be followed by numbers: {error}. Get the file anew.") from None
    if not np.isfinite(vector).all():
        raise DataError(where, "all numbers of a vector must be finite, one is not. Get the file anew.")
    return vector
