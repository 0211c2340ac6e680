"""The tagger that needs no model: each word gets the tag that it most often had in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recurra.data.vocabulary import UNKNOWN
from recurra.tasks.tagging.examples import Examples


@dataclass(frozen=True)
class Commonest:
    """The tag of each word of the vocabulary, and of words that are not in it."""

    tags: tuple[tuple[int, ...], ...]
    """[2, V] their numbers, for words that are not marked and for those that are."""

    @classmethod
    def learn(cls, examples: Examples, words: int, tags: int) -> Commonest:
        """Count the tags of each word; one that never came has the commonest tag of words that came once."""
        assert examples.target is not None
        ids, marks, target = examples.words.values, examples.marks.values, examples.target.numpy()
        counts = np.zeros((2, words, tags), dtype=np.int64)
        np.add.at(counts, (marks, ids, target), 1)
        once = np.flatnonzero(counts.sum(axis=(0, 2)) == 1)
        for of_words in counts:
            rare = of_words[once].sum(axis=0)
            general = rare if rare.any() else of_words.sum(axis=0)
            of_words[UNKNOWN] += general
            of_words[of_words.sum(axis=1) == 0] = general
        return cls(tuple(tuple(row) for row in counts.argmax(axis=2).tolist()))

    def predict(self, examples: Examples) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """[S] the number of each token's tag."""
        said: np.ndarray[tuple[int], np.dtype[np.int64]] = np.array(self.tags)[
            examples.marks.values, examples.words.values
        ]
        return said
