"""Byte pair encoding, trained and applied with Hugging Face's ``tokenizers``; nothing is ever unknown.

What is kept is the list of merges, from which all else follows. Source: Sennrich, Neural machine translation of rare
words with subword units, 2016; on bytes as in Radford, GPT-2, 2019.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.tokens import Span
from recurra.errors import DataError, MissingExtraError

BYTES = 256
_FEWEST = 2  # a pair that comes once is not worth a symbol


class BytePairs:
    """The 256 bytes, numbered from 0, and what is merged out of them, in the order of the merges.

    Args:
        merges: two symbols each with a space between them; bytes are written as GPT-2 does (``Ġ`` is the space).

    >>> pairs = BytePairs(learn_merges(["low lower lowest"] * 3, BYTES + 3))
    >>> pairs.merges
    ('l o', 'lo w', 'Ġ low')
    >>> pairs.decode(pairs.encode("lowly 低"))
    'lowly 低'
    """

    def __init__(self, merges: Sequence[str]) -> None:
        library = _library()
        self.merges = tuple(merges)
        symbols, pairs = _grow(sorted(library.pre_tokenizers.ByteLevel.alphabet()), merges)
        self.size = len(symbols)
        self._codec = _codec(library, library.models.BPE(symbols, pairs))

    def encode(self, text: str) -> NDArray[np.int64]:
        """[T] the numbers of a text's symbols."""
        return np.array(self._codec.encode(text).ids, dtype=np.int64)

    def decode(self, numbers: Sequence[int] | NDArray[np.int64]) -> str:
        """The text of numbers [T]; bytes that are no UTF-8 are ``�``."""
        text: str = self._codec.decode([int(number) for number in numbers])
        return text

    def spans(self, text: str) -> list[Span]:
        """Where each symbol begins and ends in the text, in characters."""
        spans: list[Span] = self._codec.encode(text).offsets
        return spans


def learn_merges(texts: Iterable[str], size: int, min_count: int = 1) -> tuple[str, ...]:
    """The merges of the most frequent pairs, for ``size`` symbols (256 at least) in all; ``texts`` may be a stream."""
    library = _library()
    codec = _codec(library, library.models.BPE())
    trainer = library.trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=max(_FEWEST, min_count),
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    codec.train_from_iterator(texts, trainer)
    merges = json.loads(codec.to_str())["model"]["merges"]
    return tuple(" ".join(pair) for pair in merges)


def _grow(alphabet: list[str], merges: Sequence[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The number of each symbol, and the pairs; a merge of what there is not is a :class:`DataError`."""
    symbols = {symbol: number for number, symbol in enumerate(alphabet)}
    pairs = []
    for merge in merges:
        first, space, second = merge.partition(" ")
        if not space or first not in symbols or second not in symbols:
            raise DataError("vocabulary", f"a merge must join two symbols that are there, got {merge!r:.50}.")
        symbols.setdefault(first + second, len(symbols))
        pairs.append((first, second))
    return symbols, pairs


def _codec(library: Any, model: Any) -> Any:
    codec = library.Tokenizer(model)
    codec.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    codec.decoder = library.decoders.ByteLevel()
    return codec


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise MissingExtraError(
            "unit = 'subword'", "subwords need the package tokenizers. Install: pip install 'recurra[subword]'."
        ) from None
    return tokenizers
