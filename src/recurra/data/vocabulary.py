"""Vocabularies: from text to the numbers that a model reads, and back. Each is plain JSON in a bundle."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recurra.data.subword import BYTES, BytePairs, learn_merges
from recurra.data.tokens import Span, Tokens, as_read, choose_unit, split_words
from recurra.errors import DataError, SettingsError
from recurra.settings import from_dict, to_dict

Ids = NDArray[np.int64]
PADDING, UNKNOWN = 0, 1
FIRST = 2
"""The id of the first symbol; those below are padding and the unknown symbol."""
UNKNOWN_WORD, UNKNOWN_CHARACTER = "<unk>", "\ufffd"
_HEAD = 1000  # texts that tell the unit


class Vocabulary(ABC):
    """The symbols of texts, numbered from 2; 0 is padding, 1 any symbol that is not known (``<unk>`` or ``�``).

    ========= ============================= ================================================================
    unit      symbols                       ``decode(encode(text))``
    ========= ============================= ================================================================
    word      words, most frequent first    the words between single spaces, line breaks where they were
    character code points                   the text, ``�`` for unknown characters
    byte      the 256 bytes of UTF-8        the text, always
    subword   byte pair encoding            the text, always
    ========= ============================= ================================================================

    Where ``lowercase`` or ``zero_digits`` is set, that is the text in small letters, or with zeros for its digits.

    >>> vocabulary = Vocabulary.learn(["the cat sat", "the mat"], Tokens(unit="word"))
    >>> vocabulary.encode("the dog sat").tolist(), len(vocabulary)
    ([2, 1, 5], 6)
    >>> vocabulary.decode(vocabulary.encode("the cat"))
    'the cat'
    >>> Vocabulary.from_dict(vocabulary.to_dict()) == vocabulary
    True
    """

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        """How text is cut; ``unit`` is never ``"auto"`` here."""

    @staticmethod
    def learn(texts: Iterable[str], tokens: Tokens) -> Vocabulary:
        """Learn which symbols there are; ``texts`` may be a stream, it is read once.

        Raises:
            DataError: there is no symbol in the texts.
            SettingsError: ``vocabulary_size`` has no room for the 256 bytes of a subword or byte vocabulary.
            MissingExtraError: ``unit="subword"`` without the package ``tokenizers``.
        """
        head = list(islice(texts := iter(texts), _HEAD))
        if tokens.unit == "auto":
            tokens = replace(tokens, unit=choose_unit(head))
        every = chain(head, texts)
        return _kind(tokens)._learn((as_read(text, tokens) for text in every), tokens)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary that :meth:`to_dict` made plain; what cannot be one is a :class:`DataError`."""
        tokens = from_dict(Tokens, values["tokens"])
        symbols = values["symbols"]
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
            raise DataError("vocabulary", "symbols must be a list of texts. Get a new copy.")
        if len(set(symbols)) < len(symbols):
            raise DataError("vocabulary", "every symbol must come once, one comes twice. Get a new copy.")
        return _kind(tokens)(tokens, tuple(symbols))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"tokens": to_dict(self.tokens), "symbols": list(self._plain())}

    def encode(self, text: str) -> Ids:
        """[T] the ids of a text's symbols; T is 0 for a text without any."""
        return self._encode(as_read(text, self.tokens))

    @abstractmethod
    def decode(self, ids: Sequence[int] | Ids) -> str:
        """The text of ids [T], as the table above says; padding is left out."""

    def spans(self, text: str) -> list[Span]:
        """Where each symbol of ``encode(text)`` begins and ends in the text; parts of one character share its span."""
        return self._spans(as_read(text, self.tokens))

    @abstractmethod
    def symbol(self, number: int) -> str:
        """One symbol as people read it, by its id."""

    @abstractmethod
    def __len__(self) -> int:
        """V, the number of ids: symbols, padding and the unknown one."""

    @classmethod
    @abstractmethod
    def _learn(cls, texts: Iterable[str], tokens: Tokens) -> Vocabulary: ...

    @abstractmethod
    def _encode(self, text: str) -> Ids: ...

    @abstractmethod
    def _spans(self, text: str) -> list[Span]: ...

    @abstractmethod
    def _plain(self) -> Sequence[str]:
        """What the constructor needs beside the settings."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((type(self), len(self)))


class Words(Vocabulary):
    """Words by falling frequency, those of equal frequency by their letters."""

    def __init__(self, tokens: Tokens, symbols: tuple[str, ...]) -> None:
        super().__init__(tokens)
        self._symbols = symbols
        self._ids = {word: number for number, word in enumerate(symbols, start=FIRST)} | {UNKNOWN_WORD: UNKNOWN}

    @classmethod
    def _learn(cls, texts: Iterable[str], tokens: Tokens) -> Words:
        return cls.of((text[start:end] for text in texts for start, end in split_words(text, tokens.split)), tokens)

    @classmethod
    def of(cls, words: Iterable[str], tokens: Tokens) -> Words:
        """Learn of words that are cut already, as they are; there may be spaces in them.

        >>> words = Words.of(["New York", "a", "a"], Tokens(unit="word"))
        >>> words.number("New York"), words.number("b")
        (3, 1)
        """
        counts = Counter(words)
        counts.pop(UNKNOWN_WORD, None)
        return cls(tokens, _most_frequent(counts, tokens))

    def number(self, word: str) -> int:
        """The id of one word, 1 if it is not known."""
        return self._ids.get(word, UNKNOWN)

    def _encode(self, text: str) -> Ids:
        words = (text[start:end] for start, end in split_words(text, self.tokens.split))
        return np.array([self._ids.get(word, UNKNOWN) for word in words], dtype=np.int64)

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """The words, single spaces between them but none beside a line break."""
        text = " ".join(self.symbol(int(number)) for number in ids if number != PADDING)
        return text.replace(" \n", "\n").replace("\n ", "\n")

    def _spans(self, text: str) -> list[Span]:
        return split_words(text, self.tokens.split)

    def symbol(self, number: int) -> str:
        """The word."""
        return self._symbols[number - FIRST] if number >= FIRST else ("", UNKNOWN_WORD)[number]

    def __len__(self) -> int:
        return FIRST + len(self._symbols)

    def _plain(self) -> Sequence[str]:
        return self._symbols


class Characters(Vocabulary):
    """Code points of Unicode, in their order."""

    def __init__(self, tokens: Tokens, symbols: tuple[str, ...]) -> None:
        super().__init__(tokens)
        if any(len(symbol) != 1 for symbol in symbols) or list(symbols) != sorted(symbols):
            raise DataError("vocabulary", "characters must be single and in Unicode's order. Get a new copy.")
        self._symbols = symbols
        self._codes = np.array([ord(symbol) for symbol in symbols], dtype=np.uint32)

    @classmethod
    def _learn(cls, texts: Iterable[str], tokens: Tokens) -> Characters:
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        return cls(tokens, tuple(sorted(_most_frequent(counts, tokens))))

    def _encode(self, text: str) -> Ids:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        place = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
        return np.where(self._codes[place] == codes, place + FIRST, UNKNOWN).astype(np.int64)

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """The characters."""
        return "".join(self.symbol(int(number)) for number in ids)

    def _spans(self, text: str) -> list[Span]:
        return [(place, place + 1) for place in range(len(text))]

    def symbol(self, number: int) -> str:
        """The character."""
        return self._symbols[number - FIRST] if number >= FIRST else ("", UNKNOWN_CHARACTER)[number]

    def __len__(self) -> int:
        return FIRST + len(self._symbols)

    def _plain(self) -> Sequence[str]:
        return self._symbols


class Bytes(Vocabulary):
    """The bytes of UTF-8: nothing is learned and nothing is unknown."""

    def __init__(self, tokens: Tokens, symbols: tuple[str, ...] = ()) -> None:
        super().__init__(tokens)
        if symbols:
            raise DataError("vocabulary", "bytes have no symbols of their own. Get a new copy.")

    @classmethod
    def _learn(cls, texts: Iterable[str], tokens: Tokens) -> Bytes:
        _require_room_for_bytes(tokens)
        if not any(texts):
            raise _no_symbols(tokens)
        return cls(tokens)

    def _encode(self, text: str) -> Ids:
        return np.frombuffer(_to_utf8(text), dtype=np.uint8).astype(np.int64) + FIRST

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """The text; bytes that are no UTF-8 are ``�``."""
        numbers = np.asarray(ids, dtype=np.int64)
        return (numbers[numbers >= FIRST] - FIRST).astype(np.uint8).tobytes().decode(errors="replace")

    def _spans(self, text: str) -> list[Span]:
        return [(place, place + 1) for place, one in enumerate(text) for _ in _to_utf8(one)]

    def symbol(self, number: int) -> str:
        """The character of ASCII, or the byte in hexadecimal digits."""
        byte = number - FIRST
        return chr(byte) if 32 <= byte < 127 else f"<{byte:02x}>" if byte >= 0 else ("", UNKNOWN_CHARACTER)[number]

    def __len__(self) -> int:
        return FIRST + BYTES

    def _plain(self) -> Sequence[str]:
        return ()


class Subwords(Vocabulary):
    """Byte pair encoding: nothing is unknown, and what is frequent is short.

    >>> vocabulary = Vocabulary.learn(["low lower lowest"] * 3, Tokens(unit="subword", vocabulary_size=261))
    >>> [vocabulary.symbol(number) for number in vocabulary.encode("lowly low")]
    ['low', 'l', 'y', ' low']
    """

    def __init__(self, tokens: Tokens, merges: tuple[str, ...]) -> None:
        super().__init__(tokens)
        self._pairs = BytePairs(merges)

    @classmethod
    def _learn(cls, texts: Iterable[str], tokens: Tokens) -> Subwords:
        _require_room_for_bytes(tokens)
        merges = learn_merges(_not_nothing(texts, tokens), tokens.vocabulary_size - FIRST, tokens.min_count)
        return cls(tokens, merges)

    def _encode(self, text: str) -> Ids:
        _to_utf8(text)  # the library would put something else in the place of half a character
        return self._pairs.encode(text) + FIRST

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """The text; bytes that are no UTF-8 are ``�``."""
        return self._pairs.decode([number - FIRST for number in ids if number >= FIRST])

    def _spans(self, text: str) -> list[Span]:
        return self._pairs.spans(text)

    def symbol(self, number: int) -> str:
        """The subword; ``�`` if its bytes are only part of a character."""
        return self.decode([number]) if number >= FIRST else ("", UNKNOWN_CHARACTER)[number]

    def __len__(self) -> int:
        return FIRST + self._pairs.size

    def _plain(self) -> Sequence[str]:
        return self._pairs.merges


_Kind: TypeAlias = type[Words | Characters | Bytes | Subwords]
_KINDS: dict[str, _Kind] = {"word": Words, "character": Characters, "byte": Bytes, "subword": Subwords}


def _kind(tokens: Tokens) -> _Kind:
    if tokens.unit not in _KINDS:
        raise DataError("vocabulary", f"its unit must be known, got {tokens.unit!r}. Get a new copy.")
    return _KINDS[tokens.unit]


def _most_frequent(counts: Counter[str], tokens: Tokens) -> tuple[str, ...]:
    known = [(-count, symbol) for symbol, count in counts.items() if count >= tokens.min_count]
    if not known:
        raise _no_symbols(tokens)
    return tuple(symbol for _, symbol in sorted(known)[: tokens.vocabulary_size - FIRST])


def _not_nothing(texts: Iterable[str], tokens: Tokens) -> Iterator[str]:
    """The texts; that there is nothing in them is noticed at their end."""
    empty = True
    for text in texts:
        empty = empty and not text
        yield text
    if empty:
        raise _no_symbols(tokens)


def _no_symbols(tokens: Tokens) -> DataError:
    return DataError(
        "vocabulary",
        f"the texts must hold a {tokens.unit} that comes {tokens.min_count} times or more, there is none. "
        "Give more text, or lower min_count.",
    )


def _require_room_for_bytes(tokens: Tokens) -> None:
    if tokens.vocabulary_size < FIRST + BYTES:
        raise SettingsError(
            "Tokens.vocabulary_size",
            f"must be at least {FIRST + BYTES} with unit = {tokens.unit!r} (256 bytes, padding, unknown), got "
            f"{tokens.vocabulary_size}. Raise it.",
        )


def _to_utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            "text", f"must be Unicode, half of a character came ({text[error.start]!r}). Repair the text."
        ) from None
