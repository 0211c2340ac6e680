"""What a model said of sentences, and the table that a user gets of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.sentences import Sentences
from recurra.data.token_lists import TAGS
from recurra.tasks.tagging.settings import Tagging


@dataclass(frozen=True, eq=False)
class Predictions:
    """What was said of N sentences of S tokens."""

    sentences: Sentences
    tags: Sequence[tuple[str, ...]]
    """[N] the tags that were said."""
    probability: NDArray[np.float32]
    """[S] of the tag that was said."""
    naive: Sequence[tuple[str, ...]]
    """[N] the commonest tag of each word."""
    unknown: NDArray[np.bool_]
    """[S] which words are not in the vocabulary."""

    def frame(self, settings: Tagging) -> pl.DataFrame:
        """One row for each token: the number of its sentence, the token, its tag and the probability of that."""
        lengths = [len(tokens) for tokens in self.sentences.tokens]
        groups = self.sentences.groups or range(1, len(lengths) + 1)
        columns = {
            "sentence": np.repeat(np.asarray(groups, dtype=np.int64), lengths),
            "token": [token for tokens in self.sentences.tokens for token in tokens],
        }
        if self.sentences.marks is not None:
            columns["marked"] = [mark for marks in self.sentences.marks for mark in marks]
        name = settings.tag_column or TAGS
        tag = "tag" if name == TAGS or name.isdigit() else name
        columns[tag] = [one for tags in self.tags for one in tags]
        return pl.DataFrame(columns | {"probability": self.probability})
