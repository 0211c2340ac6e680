"""Where a model is in a text, in memory. No torch here: exported models go on from one, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from recurra.data.vocabulary import PADDING

START = PADDING
"""The id that stands before a text, and where a stream begins."""
_HALF = 16  # bytes of each of the two numbers that a generator consists of
KEPT = 2 * _HALF
"""Bytes of a generator that is kept."""


@dataclass(frozen=True, eq=False)
class Position:
    """All that the next symbol depends on.

    >>> Position().unread
    (0,)
    """

    state: Any = None
    """Of the recurrent layers, after all that was read: parts ``[L, 1, ·]``; None before anything was."""
    unread: tuple[int, ...] = (START,)
    """Ids that were chosen or given but not yet read."""
    recent: tuple[int, ...] = ()
    """The last ids of the text, for the repetition penalty and for the joint to the text to come."""
    random: NDArray[np.uint8] | None = None
    """The state of the generator of random numbers, ``[32]``; None before the first draw."""
    model: str = ""
    """The fingerprint of the model it belongs to."""


def keep_generator(random: Generator) -> NDArray[np.uint8]:
    """``[32]`` bytes from which :func:`restore_generator` makes one that goes on alike.

    >>> random = np.random.default_rng(3)
    >>> restore_generator(keep_generator(random)).random() == random.random()
    True
    """
    inner: Any = random.bit_generator.state["state"]
    kept = inner["state"].to_bytes(_HALF, "little") + inner["inc"].to_bytes(_HALF, "little")
    return np.frombuffer(kept, np.uint8)


def restore_generator(kept: NDArray[np.uint8]) -> Generator:
    """The generator that was kept."""
    content, bits = kept.tobytes(), PCG64()
    inner: Any = {"state": int.from_bytes(content[:_HALF], "little"), "inc": int.from_bytes(content[_HALF:], "little")}
    bits.state = {"bit_generator": "PCG64", "state": inner, "has_uint32": 0, "uinteger": 0}
    return Generator(bits)
