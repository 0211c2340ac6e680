"""How text is cut into symbols: the settings, and the cutting into words. This module is light: no numpy, no torch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import islice
from typing import Annotated, Literal

from pydantic import Field

from recurra.settings import settings

Unit = Literal["word", "character", "byte", "subword"]
Span = tuple[int, int]
"""Start and end of a symbol in the text, in characters."""

# Scripts written without spaces between words: Thai and Lao, Burmese, Khmer, kana, Han and its extensions.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_SHARE = 0.25  # of the letters; a character of Han says more than a Latin one
_LOOKED_AT = 1000  # texts are enough to tell a script


@settings
class Tokens:
    """The symbols that a model of text reads, and which of them it knows.

    >>> Tokens(unit="character").vocabulary_size
    30000
    """

    unit: Annotated[
        Literal["auto", "word", "character", "byte", "subword"],
        Field(description="what a text is cut into; auto: words, or characters where a script has no spaces"),
    ] = "auto"
    split: Annotated[
        Literal["punctuation", "spaces"],
        Field(description="words: end at spaces and punctuation marks, which are words too, or at spaces only"),
    ] = "punctuation"
    lowercase: Annotated[bool, Field(description="read capitals as small letters")] = False
    zero_digits: Annotated[
        bool, Field(description="read every digit as 0, so that numbers are told by their length")
    ] = False
    vocabulary_size: Annotated[
        int, Field(ge=3, description="symbols in the vocabulary at most, the most frequent ones")
    ] = 30_000
    min_count: Annotated[int, Field(ge=1, description="how often a word or character must come to be known")] = 1


def choose_unit(texts: Iterable[str]) -> Unit:
    """Words, or characters if many of the letters are of scripts that put no spaces between words.

    >>> choose_unit(["a cat", "два кота"]), choose_unit(["我喜欢猫 (cats)"])
    ('word', 'character')
    """
    some = "".join(islice(texts, _LOOKED_AT))
    letters = sum(character.isalpha() for character in some)
    return "character" if len(_UNSPACED.findall(some)) > _SHARE * letters else "word"


def split_words(text: str, split: Literal["punctuation", "spaces"] = "punctuation") -> list[Span]:
    """Where each word begins and ends; a line break is a word, other white space only separates.

    With ``"punctuation"`` each mark or sign is a word of its own, except inside a number (``3.14``), an apostrophe
    inside a word (``don't``), and ``<unk>``, which stands for an unknown word in many corpora.

    >>> text = "It's 3.14, well-known!"
    >>> [text[start:end] for start, end in split_words(text)]
    ["It's", '3.14', ',', 'well', '-', 'known', '!']
    >>> [text[start:end] for start, end in split_words(text, "spaces")]
    ["It's", '3.14,', 'well-known!']
    """
    pattern = _marks_apart() if split == "punctuation" else _SPACES
    return [found.span() for found in pattern.finditer(text)]


def as_read(text: str, tokens: Tokens) -> str:
    """The text as the vocabulary sees it, character for character.

    >>> as_read("Call 0871-277", Tokens(lowercase=True, zero_digits=True))
    'call 0000-000'
    """
    text = lower(text) if tokens.lowercase else text
    return _DIGIT.sub("0", text) if tokens.zero_digits else text


def lower(text: str) -> str:
    """Small letters for capitals, one for one: the length never changes, unlike that of ``str.lower``.

    >>> lower("Straße İ")
    'straße İ'
    """
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(one if len(one.lower()) > 1 else one.lower() for one in text)


_SPACES = re.compile(r"\n|[^\s]+")
_DIGIT = re.compile(r"\d")  # of any script


@cache
def _marks_apart() -> re.Pattern[str]:
    # Marks are Unicode's categories P and S. A class of letters (\w) would cut words at the vowel signs of Hindi.
    mark = "".join(re.escape(chr(code)) for code in _marks())
    word = rf"[^\s{mark}]+"
    return re.compile(rf"\n|<unk>|\d+(?:[.,]\d+)+|{word}(?:['’]{word})*|[{mark}]")


def _marks() -> list[int]:
    """Punctuation and symbols, but for the underscore; of the planes above only the one with the emoji."""
    codes = [*range(0x10000), *range(0x1F000, 0x1FB00)]
    return [code for code in codes if unicodedata.category(chr(code))[0] in "PS" and code != ord("_")]
