"""Images in the idx format of MNIST, each a sequence of its rows; labels lie in a file beside.

Source: the description of the format on the page of MNIST (LeCun, Cortes & Burges 1998).
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.samples import Samples
from recurra.data.sequence_set import SequenceSet
from recurra.errors import DataError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_NAME = re.compile(r"idx\d-|\.idx\d?(\.gz)?$", re.IGNORECASE)


def is_idx(path: Path) -> bool:
    """Whether a file's name says that it is of this format: ``…-idx3-ubyte``, ``….idx``, each also ``.gz``."""
    return bool(_NAME.search(path.name))


def labels_beside(path: Path) -> Path | None:
    """The file of labels that belongs to one of images, by its name; None if there is none.

    >>> labels_beside(Path("nowhere/train-images-idx3-ubyte.gz")) is None
    True
    """
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    beside = path.with_name(name)
    return beside if name != path.name and beside.is_file() else None


def read_idx(content: list[bytes], source: str) -> Samples:
    """The images ``[N, H, W]`` of the first content, and from the second, where there is one, their labels ``[N]``."""
    images = _array(content[0], source)
    if images.ndim != 3:
        raise DataError(source, f"images must be [N, H, W], got {list(images.shape)}. Give the file of the images.")
    N, H, W = images.shape
    labels = _array(content[1], f"{source}, its labels") if len(content) > 1 else None
    if labels is not None and labels.shape != (N,):
        raise DataError(source, f"there must be one label for each of {N} images, got {list(labels.shape)}.")
    return Samples(
        source=source,
        names=[f"image {number}" for number in range(1, N + 1)],
        numbers=SequenceSet(images.reshape(N * H, W), np.full(N, H, dtype=np.int64)),
        features=tuple(f"column {number}" for number in range(1, W + 1)),
        answers=None if labels is None else [str(label) for label in labels],
    )


def _array(content: bytes, source: str) -> NDArray[Any]:
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise DataError(source, "must begin with the magic number of idx, it does not. Get the file anew.")
    kind, axes = np.dtype(_TYPES[content[2]]), content[3]
    head = 4 + 4 * axes
    shape = [int(size) for size in np.frombuffer(content[4:head], dtype=">u4")]
    needed = head + math.prod(shape) * kind.itemsize
    if len(shape) != axes or len(content) != needed or not math.prod(shape):
        raise DataError(source, f"must have {needed:,} bytes for {shape}, got {len(content):,}. Get the file anew.")
    values = np.frombuffer(content, dtype=kind, offset=head).reshape(shape)
    return values if kind.itemsize == 1 and kind.kind == "u" else values.astype(np.float32 if axes > 1 else np.int64)
