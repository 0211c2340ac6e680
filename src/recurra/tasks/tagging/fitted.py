"""All that a tagger learned from its data except weights: how new data are read, and what tags mean.

No torch here: what is exported is used without it (:mod:`recurra.runtime`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from recurra.data.labels import Classes
from recurra.data.sentences import Sentences
from recurra.data.tagged import read_sentences
from recurra.data.tokens import as_read
from recurra.data.vocabulary import Vocabulary, Words
from recurra.errors import DataError
from recurra.settings import Encoder, from_dict, to_dict
from recurra.tasks.tagging.baselines import Commonest
from recurra.tasks.tagging.chain import Ints
from recurra.tasks.tagging.decoding import Said
from recurra.tasks.tagging.inputs import Inputs, word_key
from recurra.tasks.tagging.predictions import Predictions
from recurra.tasks.tagging.schemes import SCHEMES, Scheme
from recurra.tasks.tagging.settings import Tagging


@dataclass(frozen=True)
class FittedTagging:
    """Settings, tags, vocabularies, and the commonest tag of each word."""

    settings: Tagging
    classes: Classes
    """The K tags."""
    scheme: Scheme | None
    """How they write spans; None if they are plain tags."""
    words: Words
    characters: Vocabulary
    commonest: Commonest
    embedding_size: int
    """E, of a word's vector."""
    sentences: int
    """How many there were to learn from."""
    language: Encoder | None = None
    """The layers of the language model that the tagger began with."""

    def to_dict(self) -> dict[str, Any]:
        """All of the task as plain JSON values."""
        return {
            "settings": to_dict(self.settings),
            "tags": list(self.classes.names),
            "scheme": self.scheme,
            "words": self.words.to_dict(),
            "characters": self.characters.to_dict(),
            "commonest": [list(row) for row in self.commonest.tags],
            "embedding_size": self.embedding_size,
            "sentences": self.sentences,
            "language": None if self.language is None else to_dict(self.language),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The task that :meth:`to_dict` made plain."""
        words = Vocabulary.from_dict(values["words"])
        language = values.get("language")  # bundles from before taggers could start from one say nothing of it
        tags, scheme = tuple(str(tag) for tag in values["tags"]), values["scheme"]
        commonest = Commonest(tuple(tuple(int(tag) for tag in row) for row in values["commonest"]))
        if not isinstance(words, Words) or len(set(tags)) < len(tags) or scheme not in (None, *SCHEMES):
            raise DataError("task", "words, tags and scheme must be those of a tagger. Get a new copy.")
        numbers = {tag for row in commonest.tags for tag in row}
        if [len(row) for row in commonest.tags] != [len(words)] * 2 or not numbers <= set(range(len(tags))):
            raise DataError("commonest", "there must be one of the tags for each word. Get a new copy.")
        return cls(
            settings=from_dict(Tagging, values["settings"]),
            classes=Classes(tags),
            scheme=scheme,
            words=words,
            characters=Vocabulary.from_dict(values["characters"]),
            commonest=commonest,
            embedding_size=int(values["embedding_size"]),
            sentences=int(values["sentences"]),
            language=None if language is None else from_dict(Encoder, language),
        )

    @property
    def marked(self) -> bool:
        """Whether the model reads which words are marked."""
        return self.settings.marker_column is not None

    @property
    def has_crf(self) -> bool:
        """Whether the tags of a sentence are learned as a sequence."""
        return self.settings.head == "crf" or (self.settings.head == "auto" and self.scheme is not None)

    @property
    def is_free(self) -> bool:
        """Whether no tag depends on its neighbours."""
        return not self.has_crf and self.scheme is None

    def inputs(self, sentences: Sentences) -> Inputs:
        """The sentences as numbers."""
        return Inputs.encode(sentences, self.words, self.characters, self.key)

    def key(self, form: str) -> str:
        """What a word is looked up by: as the language model reads it, or with its digits as 0."""
        if self.language is None:
            return word_key(form, self.settings.lowercase)
        return as_read(form, self.words.tokens)

    def tabulate(self, data: Any, say: Callable[[Inputs], Said]) -> pl.DataFrame:
        """The table of what ``say`` answers to ``data``; lists of tokens are taken, too."""
        sentences = read_sentences(data, self.settings.roles, tagged=False)
        return self.interpret(sentences, say).frame(self.settings)

    def interpret(self, sentences: Sentences, say: Callable[[Inputs], Said]) -> Predictions:
        """What ``say`` answers to sentences, by the names of the tags."""
        inputs = self.inputs(sentences)
        codes, probability = say(inputs)
        tags, naive = (self.by_sentence(some, inputs) for some in (codes, self.commonest.predict(inputs)))
        return Predictions(sentences, tags, probability, naive, inputs.unknown)

    def by_sentence(self, codes: Ints, inputs: Inputs) -> list[tuple[str, ...]]:
        """The tags of each sentence, of their numbers [S]."""
        names = np.array(self.classes.names, dtype=object)[codes]
        return [tuple(part) for part in np.split(names, np.cumsum(inputs.lengths)[:-1])]
