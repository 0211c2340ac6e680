"""How many of torch's threads work for the caller, for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_BRIEF = 5e7  # operations: about a millisecond of one thread


@contextmanager
def threads(wanted: int | None) -> Iterator[None]:
    """Let the calling Python thread use ``wanted`` of torch's threads; None changes nothing."""
    before = torch.get_num_threads()
    if wanted is not None:
        torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads_for(operations: float) -> int | None:
    """Return 1 for work that is brief, None for more: threads that sleep take up to 10 ms to wake.

    >>> threads_for(1e6), threads_for(1e9)
    (1, None)
    """
    return 1 if operations < _BRIEF else None
