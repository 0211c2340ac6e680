"""A text divided: what is learned from, what chooses the weights, what the score is made on; and chunks of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.data.ids import count_ids, encode_blocks
from recurra.data.text import Text
from recurra.data.vocabulary import UNKNOWN, Vocabulary
from recurra.errors import DataError
from recurra.tasks.generation.position import START
from recurra.types import State

if TYPE_CHECKING:
    from recurra.tasks.generation.model import LanguageModel

FEWEST = 16  # symbols that something can be learned from


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a text as ids [N], which may be mapped from a file, and how many characters it has."""

    ids: NDArray[Any]
    characters: int
    unknown: int = 0
    """How many symbols are not in the vocabulary."""

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def encode(cls, text: Text, vocabulary: Vocabulary, start: int = 0, stop: int | None = None) -> Part:
        """The characters from ``start`` to ``stop``."""
        stop = text.characters if stop is None else stop
        ids = encode_blocks(text.blocks(start, stop), vocabulary)
        return cls(ids, stop - start, int(count_ids(ids, len(vocabulary))[UNKNOWN]))


@dataclass(frozen=True, eq=False)
class Parts:
    """The three parts of a text, in their order; the later two may be empty."""

    text: Text
    training: Part
    validation: Part
    test: Part


@dataclass(frozen=True)
class Chunk:
    """Symbols, and the symbols that follow each of them: ``[B, T]`` int64 both."""

    ids: Tensor
    targets: Tensor


@dataclass(frozen=True, eq=False)
class TextStreams:
    """The training part as streams (:class:`recurra.task.Streams`).

    >>> part = Part(np.array([5, 6, 7, 8]), characters=4)
    >>> chunk = TextStreams(part, chunk=2).batch(torch.tensor([0, 2]))
    >>> chunk.ids.tolist(), chunk.targets.tolist()
    ([[0, 5], [6, 7]], [[5, 6], [7, 8]])
    """

    part: Part
    chunk: int

    def __len__(self) -> int:
        return len(self.part)

    def batch(self, index: Tensor) -> Chunk:
        """Cut the chunks whose targets begin at the places ``index`` [B]."""
        places = index.numpy()[:, None] + np.arange(-1, self.chunk)  # [B, 1 + T]
        found = self.part.ids[np.maximum(places, 0)].astype(np.int64)
        ids = torch.from_numpy(np.where(places < 0, START, found))
        return Chunk(ids[:, :-1], ids[:, 1:])

    def name(self, index: int) -> str:
        """The symbols of a chunk, counted from 1."""
        return f"symbols {index + 1:,} to {index + self.chunk:,} of the text"

    def loss(self, model: nn.Module, batch: Chunk, state: State | None) -> tuple[Tensor, State]:
        """Mean nats per symbol; where the streams begin, nothing is known of what stands before."""
        ids = batch.ids
        if state is None:
            ids = torch.cat([torch.full_like(ids[:, :1], START), ids[:, 1:]], dim=1)
        losses, after = _language_model(model).losses(ids, batch.targets, state)
        return losses.mean(), after


def divide(text: Text, validation: float, test: float) -> tuple[int, int]:
    """Where the validation and where the test part begin: where a line begins, if that costs them no more than half."""
    second = _border(text, test, text.characters)
    return _border(text, validation, second), second


def _border(text: Text, share: float, stop: int) -> int:
    """The beginning of a part before ``stop`` that has about this share of the whole text."""
    size = round(text.characters * share)
    line = text.line_end(stop - size) if size else stop
    return line if line - (stop - size) <= size / 2 else stop - size


def require_symbols(text: Text, part: Part) -> None:
    """Refuse a training part that is too short to learn anything from."""
    if len(part) < FEWEST:
        raise DataError(
            text.source,
            f"there must be {FEWEST} symbols to learn from, there are {len(part)} before what is held out. "
            "Give more text.",
        )


def _language_model(model: nn.Module) -> LanguageModel:
    return model  # type: ignore[return-value]
