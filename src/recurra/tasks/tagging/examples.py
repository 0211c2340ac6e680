"""Sentences as a model reads them, cut into padded batches by index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recurra.data.sentences import Sentences
from recurra.data.sequence_set import SequenceSet
from recurra.data.sequences import Sequences
from recurra.data.vocabulary import UNKNOWN, Vocabulary, Words

_LONGEST = 40  # characters of a word that are read: its beginning and its end


@dataclass(frozen=True)
class Batch:
    """B sentences of T words, which are made of U different ones."""

    words: Tensor
    """[B, T] their ids."""
    lengths: Tensor
    """[B] words of each sentence."""
    forms: Tensor
    """[B, T] which of the U rows of ``characters`` a word has."""
    characters: Tensor
    """[U, C] ids."""
    character_lengths: Tensor
    """[U]."""
    marks: Tensor
    """[B, T] 1 on marked words."""
    target: Tensor | None
    """[B, T] the tags, 0 on padding."""

    @property
    def mask(self) -> Tensor:
        """``[B, T]``, true on real words."""
        return Sequences(self.words, self.lengths).mask


class Examples:
    """Encoded sentences: the task's :class:`~recurra.task.Examples`.

    What is said of a word by its letters is worked out once for each different word.

    Args:
        sentences: where they come from.
        words: their vocabulary.
        characters: that of their letters.
        key: what a word is looked up by.
        target: the numbers of the tags ``[S]`` of all tokens; None to predict only.
    """

    def __init__(
        self,
        sentences: Sentences,
        words: Words,
        characters: Vocabulary,
        key: Callable[[str], str],
        target: Tensor | None,
    ) -> None:
        self.sentences, self.target = sentences, target
        different = {form: number for number, form in enumerate(dict.fromkeys(f for s in sentences.tokens for f in s))}
        ids = np.array([words.number(key(form)) for form in different], dtype=np.int64)
        forms = [np.array([different[form] for form in tokens], dtype=np.int64) for tokens in sentences.tokens]
        self.forms = SequenceSet.join(forms)
        self.words = SequenceSet(ids[self.forms.values], self.forms.lengths)
        self.characters = SequenceSet.join([characters.encode(_shortened(form)) for form in different])
        marks = sentences.marks or [(False,) * len(tokens) for tokens in sentences.tokens]
        self.marks = SequenceSet.join([np.array(flags, dtype=np.int64) for flags in marks])
        self.targets = None if target is None else SequenceSet(target.numpy(), self.forms.lengths)
        self.lengths = torch.from_numpy(self.forms.lengths)

    def __len__(self) -> int:
        return len(self.forms)

    def batch(self, index: Tensor) -> Batch:
        """Cut and pad the sentences ``index`` ``[B]``."""
        chosen = index.numpy()
        words, lengths = self.words.pad(chosen)
        forms, _ = self.forms.pad(chosen)
        different, places = np.unique(forms, return_inverse=True)
        characters, character_lengths = self.characters.pad(different)
        return Batch(
            words=torch.from_numpy(words),
            lengths=torch.from_numpy(lengths),
            forms=torch.from_numpy(places.reshape(forms.shape)),
            characters=torch.from_numpy(characters),
            character_lengths=torch.from_numpy(character_lengths),
            marks=torch.from_numpy(self.marks.pad(chosen)[0]),
            target=None if self.targets is None else torch.from_numpy(self.targets.pad(chosen)[0]),
        )

    def name(self, index: int) -> str:
        """Name one sentence by its place in the user's data."""
        return self.sentences.where(index)

    @property
    def unknown(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """[S] which tokens are not in the vocabulary."""
        unknown: np.ndarray[tuple[int], np.dtype[np.bool_]] = self.words.values == UNKNOWN
        return unknown


def word_key(form: str, lowercase: bool) -> str:
    """What a word is looked up by: every digit is 0, and capitals are small where ``lowercase`` is set.

    >>> word_key("May-1998", lowercase=True)
    'may-0000'
    """
    form = form.lower() if lowercase else form
    return "".join("0" if one.isdigit() else one for one in form) if any(map(str.isdigit, form)) else form


def _shortened(form: str) -> str:
    return form if len(form) <= _LONGEST else form[: _LONGEST // 2] + form[-_LONGEST // 2 :]
