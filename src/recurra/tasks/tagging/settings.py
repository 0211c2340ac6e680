"""The settings of a tagger, their one home. This module never imports torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from recurra.data.token_roles import Roles
from recurra.errors import SettingsError
from recurra.settings import Encoder, Probability, StartFrom, default_of, settings

if TYPE_CHECKING:
    from recurra.data.sentences import Sentences
    from recurra.tasks.pretrained import Pretrained
    from recurra.tasks.tagging.split import Divided
    from recurra.tasks.tagging.task import TaggingTask

Share = Annotated[float, Field(ge=0, le=0.5)]


@settings
class Tagging:
    """A tagger of the tokens of sentences: parts of speech, names, roles; a usual file needs no settings at all.

    >>> Tagging(tag_column="xpos").head
    'auto'
    """

    reads: ClassVar[str] = "CoNLL-U (.conllu), CoNLL columns (any other suffix), JSON lines (.jsonl); each also .gz"
    many: ClassVar[bool] = False

    token_column: Annotated[
        str | None,
        Field(description="column of the tokens: a number from 1, a name of CoNLL-U, a key of JSON lines"),
    ] = None
    tag_column: Annotated[
        str | None,
        Field(description="column of the tags; default: UPOS of CoNLL-U, the last column, the key 'tags'"),
    ] = None
    marker_column: Annotated[
        str | None, Field(description="column that marks a token, such as the predicate whose roles are wanted")
    ] = None
    from_: StartFrom = None
    scheme: Annotated[
        Literal["auto", "none", "BIO", "IOB1", "BIOES"],
        Field(description="how tags write spans; auto: recognised; none: they are read as plain tags"),
    ] = "auto"
    head: Annotated[
        Literal["auto", "linear", "crf"],
        Field(description="each tag for itself, or a conditional random field; auto: that, for spans"),
    ] = "auto"
    characters: Annotated[
        Literal["lstm", "cnn", "none"], Field(description="what reads the characters of each word")
    ] = "lstm"
    character_size: Annotated[int, Field(ge=2, description="features of a word made of its characters")] = 100
    lowercase: Annotated[bool, Field(description="look words up in small letters; characters are as they are")] = True
    vocabulary_size: Annotated[int, Field(ge=3, description="words known at most, the most frequent")] = 100_000
    min_count: Annotated[int, Field(ge=1, description="how often a word must come to be known")] = 1
    embedding_size: Annotated[
        int | None, Field(ge=1, description="numbers per word; default: 100, or the vectors'")
    ] = None
    embedding_dropout: Annotated[Probability, Field(description="share of a word's features left out")] = 0.3
    word_dropout: Annotated[Probability, Field(description="share of words made unknown in training")] = 0.25
    vectors: Annotated[
        str | None, Field(description="file of word vectors to start from (GloVe or fastText text format)")
    ] = None
    members: Annotated[int, Field(ge=1, description="models that are trained and averaged")] = 1
    validation: Annotated[Share, Field(description="share of the sentences that chooses the best weights")] = 0.1
    test: Annotated[Share, Field(description="share of the sentences held out for the final score")] = 0.1
    split_seed: Annotated[int, Field(ge=0, description="which sentences are held out")] = 0
    refit: Annotated[
        bool | None, Field(description="train once more on all sentences after the score; default: if they are few")
    ] = None
    encoder: Encoder = Field(default_factory=lambda: Encoder(hidden_size=200, bidirectional=True, dropout=0.5))

    @model_validator(mode="after")
    def _check(self) -> Tagging:
        if self.from_ is not None and self.vectors is not None:
            raise SettingsError("Tagging.vectors", "goes not with from_, which has its own. Give one of them.")
        return self

    @property
    def roles(self) -> Roles:
        """Which column plays which role."""
        return Roles(self.token_column, self.tag_column, self.marker_column)

    def read(self, source: Any) -> Sentences:
        """The sentences of a file, or of a list of ``{"tokens": [...], "tags": [...]}``."""
        from recurra.data.tagged import read_sentences  # numpy is imported by what needs it only

        return read_sentences(source, self.roles)

    def adopt(self, start: Pretrained) -> Tagging:
        """These settings, completed from the language model to start from; contradictions are refused.

        The encoder stays the tagger's own: it reads what the language model's layers say.
        """
        tokens = start.vocabulary.tokens
        if tokens.unit != "word":
            raise SettingsError(
                f"from {start.source}",
                f"a language model by words is needed, it reads {tokens.unit}s. Train one with unit = 'word'.",
            )
        of_words = {name: getattr(tokens, name) for name in ("lowercase", "vocabulary_size", "min_count")}
        for name, learned in of_words.items():
            start.require(f"Tagging.{name}", getattr(self, name), default_of(Tagging, name), learned)
        size = start.adopt_embedding_size("Tagging.embedding_size", self.embedding_size)
        return dataclasses.replace(self, **of_words, embedding_size=size)

    def learn(self, data: Sentences, start: Pretrained | None = None) -> tuple[TaggingTask, Divided]:
        """Learn tags, characters, and words unless ``start`` has them, from the training data; also those, divided."""
        from recurra.tasks.tagging.task import TaggingTask  # torch is imported by what needs it only

        return TaggingTask.learn(self, data, start)

    @staticmethod
    def restore(values: Mapping[str, Any]) -> TaggingTask:
        """The fitted task that its ``to_dict`` made plain."""
        from recurra.tasks.tagging.task import TaggingTask  # likewise

        return TaggingTask.from_dict(values)
