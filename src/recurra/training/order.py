"""The order of the data: a pure function of the seed, the pass and the position, so a resumed run needs no memory."""

from __future__ import annotations

import torch
from torch import Tensor

from recurra.training.randomness import mix

_POOL = 32  # batches that are sorted together by length: enough to pad little, few enough to stay random


class Order:
    """Which examples make up the batch of a step.

    The passes over the data follow one another as one endless stream, each in its own shuffled order, and batches are
    cut from that stream: all are full, nothing is left out, and a batch at the seam holds the end of one pass and the
    start of the next. Fewer examples than ``batch_size`` make one batch of all of them.

    With ``lengths [N]`` the examples of a batch are about equally long, so that little is padded: those of some
    batches are sorted by length, cut again, and the batches shuffled.

    >>> order = Order(examples=5, batch_size=2, seed=0)
    >>> sorted(torch.cat([order.batch(step) for step in range(5)]).tolist())
    [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    """

    def __init__(self, examples: int, batch_size: int, seed: int, lengths: Tensor | None = None) -> None:
        self.examples = examples
        self.batch_size = min(batch_size, examples)
        self.seed = seed
        self.lengths = lengths
        self._pass = -1
        self._shuffled = torch.empty(0, dtype=torch.int64)

    @property
    def steps_per_pass(self) -> int:
        """Steps until every example was seen once."""
        return -(-self.examples // self.batch_size)

    def batch(self, step: int) -> Tensor:
        """Return the examples of one step, counted from 0: ``[B]`` int64."""
        number, start = divmod(step * self.batch_size, self.examples)
        head = self._permutation(number)[start : start + self.batch_size]
        if len(head) == self.batch_size:
            return head
        return torch.cat([head, self._permutation(number + 1)[: self.batch_size - len(head)]])

    def _permutation(self, number: int) -> Tensor:
        if number != self._pass:
            generator = torch.Generator().manual_seed(mix(self.seed, "order", number))
            self._shuffled = torch.randperm(self.examples, generator=generator)
            if self.lengths is not None:
                self._shuffled = self._bucketed(self._shuffled, self.lengths, number, generator)
            self._pass = number
        return self._shuffled

    def _bucketed(self, shuffled: Tensor, lengths: Tensor, number: int, generator: torch.Generator) -> Tensor:
        """The examples of a pass, those of each of its batches about equally long."""
        begun = -number * self.examples % self.batch_size  # they complete the batch that the pass before began
        head, rest = shuffled[:begun], shuffled[begun:]
        pool = torch.arange(len(rest)) // (_POOL * self.batch_size)
        rest = rest[torch.argsort(pool * (int(lengths.max()) + 1) + lengths[rest], stable=True)]
        full = len(rest) // self.batch_size * self.batch_size
        batches = rest[:full].view(-1, self.batch_size)
        batches = batches[torch.randperm(len(batches), generator=generator)]
        return torch.cat([head, batches.flatten(), rest[full:]])


class StreamOrder:
    """Which chunks of one long sequence make up the batch of a step, where state is carried from step to step.

    A pass cuts the sequence into ``streams`` contiguous parts of equal length, which are read side by side, a chunk of
    ``chunk`` places of each at every step. Each pass begins at another place, at random, so that the cuts fall between
    other places; the fewer than ``streams + 1`` chunks that are left at both ends are passed over until then. A
    sequence too short for that many streams is cut into fewer.

    >>> order = StreamOrder(places=40, streams=2, chunk=5, seed=0)
    >>> [order.batch(step).tolist() for step in range(order.steps_per_pass)]
    [[8, 23], [13, 28], [18, 33]]
    >>> [order.starts_anew(step) for step in range(4)]
    [True, False, False, True]
    """

    def __init__(self, places: int, streams: int, chunk: int, seed: int) -> None:
        self.chunk, self.seed = min(chunk, places), seed
        self.streams = max(1, min(streams, places // (2 * self.chunk)))
        self.steps_per_pass = max(1, (places - self.chunk) // (self.streams * self.chunk))
        self._length = self.steps_per_pass * self.chunk  # places of a stream
        self._slack = places - self.streams * self._length

    def batch(self, step: int) -> Tensor:
        """Return the place at which each stream's chunk begins, counted from 0: ``[B]`` int64."""
        number, position = divmod(step, self.steps_per_pass)
        first = mix(self.seed, "first place", number) % (self._slack + 1)
        return first + position * self.chunk + self._length * torch.arange(self.streams)

    def starts_anew(self, step: int) -> bool:
        """Whether the chunks of this step do not go on where those before it ended."""
        return step % self.steps_per_pass == 0
