"""The settings of a language model, their one home. This module never imports torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from recurra.data.tokens import Tokens
from recurra.errors import SettingsError
from recurra.settings import Encoder, Probability, StartFrom, default_of, settings

if TYPE_CHECKING:
    from recurra.data.text import Files, Text
    from recurra.tasks.generation.parts import Parts
    from recurra.tasks.generation.task import GenerationTask
    from recurra.tasks.pretrained import Pretrained

Share = Annotated[float, Field(ge=0, lt=1)]


@settings
class Generation:
    """A language model of text, by characters unless another unit is chosen; it scores text and goes on with it.

    >>> Generation(tokens=Tokens(unit="word")).chunk
    64
    """

    reads: ClassVar[str] = "text in UTF-8, several files are read as one text; also .gz"
    many: ClassVar[bool] = True

    from_: StartFrom = None
    chunk: Annotated[
        int, Field(ge=1, description="symbols after which gradients are cut; the state is carried on (truncated BPTT)")
    ] = 64
    embedding_size: Annotated[
        int | None, Field(ge=1, description="size E of a symbol's embedding; chosen from the vocabulary if not given")
    ] = None
    one_hot: Annotated[bool, Field(description="read one-hot vectors, no embeddings")] = False
    tied: Annotated[
        bool | None, Field(description="use the embeddings as output weights; default: for words and subwords")
    ] = None
    adaptive: Annotated[
        bool | None,
        Field(description="adaptive softmax (Grave 2017), which saves time; default: above 40,000 symbols"),
    ] = None
    embedding_dropout: Annotated[Probability, Field(description="locked dropout on the embeddings")] = 0.0
    symbol_dropout: Annotated[Probability, Field(description="dropout of whole symbols (Gal 2016)")] = 0.0
    validation: Annotated[Share, Field(description="share of the text, before the test, to choose weights by")] = 0.05
    test: Annotated[Share, Field(description="share of the text, at its end, for the final score")] = 0.05
    tokens: Tokens = Field(default_factory=lambda: Tokens(unit="character"))
    encoder: Encoder = Field(default_factory=lambda: Encoder(hidden_size=512, dropout=0.25))

    @model_validator(mode="after")
    def _check(self) -> Generation:
        if self.validation + self.test >= 1:
            raise SettingsError(
                "Generation.test",
                f"validation and test must leave text to learn from, got shares {self.validation} and {self.test}.",
            )
        of_embeddings = ("tied", "embedding_size", "embedding_dropout", "symbol_dropout")
        without = [name for name in of_embeddings if self.one_hot and getattr(self, name)]
        if without:
            raise SettingsError(f"Generation.{without[0]}", "needs embeddings, with one_hot there are none. Drop one.")
        if self.tied and self.adaptive:
            raise SettingsError(
                "Generation.tied", "the adaptive softmax has weights of its own, tied ones cannot be. Drop one of them."
            )
        if self.encoder.bidirectional:
            raise SettingsError(
                "Encoder.bidirectional", "a text that is yet to be written is read forwards only, got True. Drop it."
            )
        return self

    def read(self, source: Files) -> Text:
        """The text of the files; they are looked through once."""
        from recurra.data.text import read_text

        return read_text(source)

    def adopt(self, start: Pretrained) -> Generation:
        """These settings, completed from the language model to go on with; contradictions are refused."""
        for name, learned in start.of_model.items():
            start.require(f"Generation.{name}", getattr(self, name), default_of(Generation, name), learned)
        return dataclasses.replace(
            self,
            **start.of_model,
            tokens=start.adopt_tokens(self.tokens, default_of(Generation, "tokens")),
            encoder=start.adopt_encoder(self.encoder, default_of(Generation, "encoder")),
        )

    def learn(self, text: Text, start: Pretrained | None = None) -> tuple[GenerationTask, Parts]:
        """Learn the vocabulary from the training part, unless ``start`` has one; also the parts of the text, as ids."""
        from recurra.tasks.generation.task import GenerationTask  # torch is imported by what needs it only

        return GenerationTask.learn(self, text, start)

    @staticmethod
    def restore(values: Mapping[str, Any]) -> GenerationTask:
        """The task that its ``to_dict`` made plain."""
        from recurra.tasks.generation.task import GenerationTask  # likewise

        return GenerationTask.from_dict(values)
