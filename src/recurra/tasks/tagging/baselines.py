"""The tagger that needs no model: each word gets the tag that it most often had in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recurra.tasks.tagging.chain import Ints
from recurra.tasks.tagging.inputs import Inputs


@dataclass(frozen=True)
class Commonest:
    """The tag of each word of the vocabulary, and of words that are not in it."""

    tags: tuple[tuple[int, ...], ...]
    """[2, V] their numbers, for words that are not marked and for those that are."""

    @classmethod
    def learn(cls, inputs: Inputs, target: Ints, words: int, tags: int) -> Commonest:
        """Count the tags of each word; one that never came has the commonest tag of words that came once."""
        ids, marks = inputs.words.values, inputs.marks.values
        once = np.bincount(ids, minlength=words)[ids] == 1
        table = np.empty((2, words), dtype=np.int64)
        for mark, row in enumerate(table):
            here = marks == mark
            rare = next(some for some in (here & once, here, once, ids >= 0) if some.any())
            row[:] = np.bincount(target[rare]).argmax()
            pairs, counts = np.unique(ids[here] * tags + target[here], return_counts=True)
            pairs = pairs[np.argsort(counts, kind="stable")]  # the last one of a word is its commonest
            row[pairs // tags] = pairs % tags
        return cls(tuple(tuple(row) for row in table.tolist()))

    def predict(self, inputs: Inputs) -> Ints:
        """[S] the number of each token's tag."""
        said: Ints = np.array(self.tags)[inputs.marks.values, inputs.words.values]
        return said
