"""Sentences as numbers that a model reads: words, their letters and marks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recurra.data.sentences import Sentences
from recurra.data.sequence_set import SequenceSet
from recurra.data.vocabulary import UNKNOWN, Vocabulary, Words

Ints = NDArray[np.int64]
_LONGEST = 40  # characters of a word that are read: its beginning and its end


@dataclass(frozen=True, eq=False)
class Cut:
    """B sentences of T words, which are made of U different ones."""

    words: Ints
    """[B, T] their ids."""
    lengths: Ints
    """[B] words of each sentence."""
    forms: Ints
    """[B, T] which of the U rows of ``characters`` a word has."""
    characters: Ints
    """[U, C] ids."""
    character_lengths: Ints
    """[U]."""
    marks: Ints
    """[B, T] 1 on marked words."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Encoded sentences; what is said of a word by its letters is worked out once for each different word."""

    words: SequenceSet
    """The ids of words."""
    forms: SequenceSet
    """Which of the sequences of ``characters`` a word has."""
    characters: SequenceSet
    marks: SequenceSet

    @classmethod
    def encode(cls, sentences: Sentences, words: Words, characters: Vocabulary, key: Callable[[str], str]) -> Self:
        """Look words up in their vocabulary by their ``key``, and their letters in theirs."""
        different = {form: number for number, form in enumerate(dict.fromkeys(f for s in sentences.tokens for f in s))}
        ids = np.array([words.number(key(form)) for form in different], dtype=np.int64)
        forms = SequenceSet.join(
            [np.array([different[form] for form in tokens], dtype=np.int64) for tokens in sentences.tokens]
        )
        marks = sentences.marks or [(False,) * len(tokens) for tokens in sentences.tokens]
        return cls(
            words=SequenceSet(ids[forms.values], forms.lengths),
            forms=forms,
            characters=SequenceSet.join([characters.encode(shortened(form)) for form in different]),
            marks=SequenceSet.join([np.array(flags, dtype=np.int64) for flags in marks]),
        )

    def __len__(self) -> int:
        return len(self.forms)

    @property
    def lengths(self) -> Ints:
        """[N] words of each sentence."""
        return self.forms.lengths

    def cut(self, chosen: Ints) -> Cut:
        """Cut and pad the ``chosen`` sentences ``[B]``."""
        words, lengths = self.words.pad(chosen)
        forms, _ = self.forms.pad(chosen)
        different, places = np.unique(forms, return_inverse=True)
        characters, character_lengths = self.characters.pad(different)
        marks, _ = self.marks.pad(chosen)
        return Cut(words, lengths, places.reshape(forms.shape), characters, character_lengths, marks)

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """[S] which tokens are not in the vocabulary."""
        unknown: NDArray[np.bool_] = self.words.values == UNKNOWN
        return unknown


def word_key(form: str, lowercase: bool) -> str:
    """What a word is looked up by: every digit is 0, and capitals are small where ``lowercase`` is set.

    >>> word_key("May-1998", lowercase=True)
    'may-0000'
    """
    form = form.lower() if lowercase else form
    return "".join("0" if one.isdigit() else one for one in form) if any(map(str.isdigit, form)) else form


def word_keys(sentences: Sequence[Sequence[str]], lowercase: bool) -> list[str]:
    """The keys of all tokens."""
    return [word_key(form, lowercase) for tokens in sentences for form in tokens]


def shortened(form: str) -> str:
    """What is read of the characters of a word: those of a long one from both its ends."""
    return form if len(form) <= _LONGEST else form[: _LONGEST // 2] + form[-_LONGEST // 2 :]
