"""The ids of a long text, in a file that is mapped into memory: a text may be larger than the memory is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.vocabulary import Vocabulary

_BLOCK = 2**20  # ids


def encode_blocks(blocks: Iterable[str], vocabulary: Vocabulary) -> NDArray[Any]:
    """[N] the ids of all blocks, in the smallest unsigned type that holds them; not to be written to.

    They lie in a nameless file in the folder for temporary files (``$TMPDIR``), which goes when the array goes, also
    after a kill.

    >>> from recurra.data.tokens import Tokens
    >>> ids = encode_blocks(["ab", "ba"], Vocabulary.learn(["ab"], Tokens(unit="character")))
    >>> ids.tolist(), ids.dtype
    ([2, 3, 3, 2], dtype('uint8'))
    """
    kind = np.min_scalar_type(len(vocabulary) - 1)
    with tempfile.TemporaryFile() as file:
        for block in blocks:
            file.write(vocabulary.encode(block).astype(kind).tobytes())
        file.flush()
        if not file.tell():  # nothing can be mapped
            return np.empty(0, dtype=kind)
        return np.memmap(file, dtype=kind, mode="r")


def count_ids(ids: NDArray[Any], size: int) -> NDArray[np.int64]:
    """[V] how often each id from 0 to ``size - 1`` comes; block by block, as counting takes 8 bytes for each.

    >>> count_ids(np.array([2, 3, 3], dtype=np.uint8), 5).tolist()
    [0, 0, 1, 2, 0]
    """
    counts = np.zeros(size, dtype=np.int64)
    for start in range(0, len(ids), _BLOCK):
        counts += np.bincount(ids[start : start + _BLOCK], minlength=size)
    return counts
