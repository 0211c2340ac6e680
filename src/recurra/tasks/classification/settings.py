"""The settings of a classifier, their one home. This module never imports torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from recurra.data.columns import Names
from recurra.data.repairs import Repairs
from recurra.data.tokens import Tokens
from recurra.errors import SettingsError
from recurra.settings import Encoder, Probability, StartFrom, default_of, settings

if TYPE_CHECKING:
    from recurra.data.sequence_files import SequenceFile
    from recurra.data.tables import Table
    from recurra.tasks.classification.split import Divided
    from recurra.tasks.classification.task import ClassificationTask
    from recurra.tasks.pretrained import Pretrained

Share = Annotated[float, Field(ge=0, le=0.5)]


@settings
class Classification:
    """A classifier of texts or of sequences of numbers; only where they are and what to predict must be given.

    >>> Classification(text="message", label="kind").pooling
    'attention'
    """

    reads: ClassVar[str] = "CSV, TSV, Parquet, JSON lines; for numbers also .npz, .ts (UEA, UCR) and idx (MNIST)"
    many: ClassVar[bool] = False

    text: Annotated[str | None, Field(description="text: its column")] = None
    label: Annotated[str | None, Field(description="column of the class; in .npz the array's name, else y")] = None
    target: Annotated[str | None, Field(description="instead of a class: column of a number to predict")] = None
    multi_label: Annotated[bool, Field(description="a row has any number of labels, not one")] = False
    separator: Annotated[str, Field(min_length=1, description="what stands between several labels of a row")] = ";"
    sequence: Annotated[str | None, Field(description="numbers in long form: column that tells sequences apart")] = None
    time: Annotated[str | None, Field(description="numbers in long form: column that puts steps in order")] = None
    features: Annotated[
        Names, Field(description="numbers in long form: column to read; all others that hold numbers if not given")
    ] = ()
    group: Annotated[
        str | None, Field(description="column such as a person: all rows of one are held out together, or none")
    ] = None
    from_: StartFrom = None
    front: Annotated[
        Literal["auto", "direct", "linear", "convolution"],
        Field(
            description="before the recurrent layers: nothing, a linear layer, a convolution; auto: that, for numbers"
        ),
    ] = "auto"
    stride: Annotated[int, Field(ge=1, description="convolution: one step is left of this many")] = 1
    embedding_size: Annotated[
        int | None,
        Field(ge=1, description="numbers per symbol, and outputs of the front; default: 100, or the vectors'"),
    ] = None
    embedding_dropout: Annotated[Probability, Field(description="share of the embedding's features left out")] = 0.3
    symbol_dropout: Annotated[
        Probability | None,
        Field(description="share of symbols made unknown in training; default: 0.3 of words, 0.1 of smaller ones"),
    ] = None
    vectors: Annotated[
        str | None, Field(description="file of word vectors to start from (GloVe or fastText text format)")
    ] = None
    pooling: Annotated[
        Literal["last", "mean", "max", "attention", "concat"],
        Field(description="from all steps to one vector; concat: last, max and mean side by side"),
    ] = "attention"
    class_weights: Annotated[
        Literal["none", "balanced"], Field(description="balanced: rare classes count as much as frequent ones")
    ] = "none"
    smoothing: Annotated[Probability, Field(description="label smoothing: probability kept for other classes")] = 0.0
    members: Annotated[int, Field(ge=1, le=100, description="models that are trained and averaged")] = 1
    validation: Annotated[Share, Field(description="share of the rows that chooses the best weights")] = 0.1
    test: Annotated[Share, Field(description="share of the rows held out for the final score")] = 0.1
    split_seed: Annotated[int, Field(ge=0, description="which rows are held out")] = 0
    refit: Annotated[
        bool | None, Field(description="train once more on all rows after the score; default: if they are few")
    ] = None
    tokens: Tokens = Field(default_factory=lambda: Tokens(min_count=2))
    encoder: Encoder = Field(default_factory=lambda: Encoder(bidirectional=True, dropout=0.5))
    repairs: Repairs = Field(default_factory=Repairs)

    @model_validator(mode="after")
    def _check(self) -> Classification:
        for a, b in (("text", "sequence"), ("text", "features"), ("text", "time"), ("label", "target")):
            if getattr(self, a) and getattr(self, b):
                raise SettingsError(
                    f"Classification.{b}", f"goes not with {a}, both came ({getattr(self, a)!r}). Give one of them."
                )
        if self.multi_label and self.target:
            raise SettingsError("Classification.multi_label", "goes not with target, both came. Give one of them.")
        if self.target and self.class_weights != "none":
            raise SettingsError("Classification.class_weights", "a number has no classes. Leave it out.")
        if self.stride > 1 and (self.front in ("direct", "linear") or (self.front == "auto" and self.text)):
            raise SettingsError(
                "Classification.stride", f"needs front = 'convolution', got {self.front!r}. Change one of them."
            )
        if self.vectors and not self.text:
            raise SettingsError("Classification.vectors", "needs text, numbers came. Leave it out.")
        if self.from_ is not None:
            self._check_transfer()
        return self

    def _check_transfer(self) -> None:
        """A language model reads texts, with its own embeddings right below its layers."""
        if not self.text:
            raise SettingsError("Classification.from_", "a language model reads text, no column of it came. Give text.")
        if self.vectors:
            raise SettingsError("Classification.vectors", "goes not with from_, which has its own. Give one of them.")
        if self.front not in ("auto", "direct") or self.stride > 1:
            raise SettingsError(
                "Classification.front", f"nothing fits between the layers of from_, got {self.front!r}. Leave it out."
            )

    @property
    def answer(self) -> str | None:
        """The column, or array, of what is to be predicted."""
        return self.target or self.label

    def read(self, source: Any) -> Table | SequenceFile:
        """The table of the training data, or the sequences of a file of numbers; a list is one of texts."""
        from recurra.tasks.classification.reading import read_source  # polars is imported by what needs it only

        return read_source(source, self)

    def adopt(self, start: Pretrained) -> Classification:
        """These settings, completed from the language model to start from; contradictions are refused."""
        return dataclasses.replace(
            self,
            embedding_size=start.adopt_embedding_size("Classification.embedding_size", self.embedding_size),
            tokens=start.adopt_tokens(self.tokens, default_of(Classification, "tokens")),
            encoder=start.adopt_encoder(self.encoder, default_of(Classification, "encoder")),
        )

    def learn(self, data: Table | SequenceFile, start: Pretrained | None = None) -> tuple[ClassificationTask, Divided]:
        """Learn classes, vocabulary and scales from the training data; also those data, read and divided."""
        from recurra.tasks.classification.task import ClassificationTask  # torch is imported by what needs it only

        return ClassificationTask.learn(self, data, start)

    @staticmethod
    def restore(values: Mapping[str, Any]) -> ClassificationTask:
        """The fitted task that its ``to_dict`` made plain."""
        from recurra.tasks.classification.task import ClassificationTask  # likewise

        return ClassificationTask.from_dict(values)
