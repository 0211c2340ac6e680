"""The classifier: what reads symbols or numbers, a recurrent stack, one vector of all steps, and the raw answer."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn

from recurra.data.vocabulary import Vocabulary
from recurra.nn import build_encoder
from recurra.nn.front import Convolution, SymbolEmbedding
from recurra.nn.language import SymbolEncoder
from recurra.nn.pooling import Pooling
from recurra.nn.stack import RecurrentStack
from recurra.tasks.classification.examples import Batch
from recurra.tasks.classification.settings import Classification

_LEFT_OUT, _LEFT_OUT_SMALL = 0.3, 0.1  # of words, and of characters, bytes, subwords, of which no few say much


class SequenceClassifier(nn.Module):
    """Embedding or numbers ▶ front ▶ recurrent stack ▶ pooling ▶ R raw outputs.

    Args:
        settings: of the task.
        reads: the vocabulary of texts, or D, the numbers of each step.
        size: E, the numbers of a symbol's vector and of the front's outputs.
        outputs: R.
    """

    def __init__(self, settings: Classification, reads: Vocabulary | int, size: int, outputs: int) -> None:
        super().__init__()
        self.embedding = None if isinstance(reads, int) else _embedding(settings, reads, size)
        width = reads if isinstance(reads, int) else size
        front = settings.front
        if front == "auto":  # neighbouring steps of a signal say little alone; words do
            front = "convolution" if isinstance(reads, int) else "direct"
        self.linear = nn.Linear(width, size) if front == "linear" else None
        self.convolution = Convolution(width, size, settings.stride) if front == "convolution" else None
        self.encoder = build_encoder(settings.encoder, width if front == "direct" else size)
        self.pooling = Pooling(settings.pooling, self.encoder.output_size)
        self.dropout = nn.Dropout(settings.encoder.dropout)
        self.output = nn.Linear(self.pooling.output_size, outputs)

    @property
    def stacks(self) -> list[RecurrentStack]:
        """The recurrent layers, as one stack."""
        return [self.encoder]

    @property
    def table(self) -> Tensor | None:
        """``[V, E]`` the vectors of symbols; None for numbers."""
        return None if self.embedding is None else self.embedding.table.weight

    def forward(self, batch: Batch) -> Tensor:
        """[B, R] raw outputs."""
        return self.read(self.embed(batch.values), batch.lengths)[0]

    def embed(self, values: Tensor) -> Tensor:
        """``[B, T, ·]``: the vectors of symbols ``[B, T]``, numbers as they are."""
        embedded: Tensor = values if self.embedding is None else self.embedding(values)
        return embedded

    def read(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor | None]:
        """[B, R] raw outputs of embedded steps, and the weights ``[B, T']`` of attention where there is one."""
        if self.linear is not None:
            embedded = self.linear(embedded)
        if self.convolution is not None:
            embedded, lengths = self.convolution(embedded, lengths)
        outputs, state = self.encoder(embedded, lengths)
        mask = outputs.new_ones(outputs.shape[:2]).cumsum(dim=1) <= lengths[:, None]
        pooled, weights = self.pooling(outputs, mask, self.encoder.last(state))
        return self.output(self.dropout(pooled)), weights


class TransferredClassifier(nn.Module):
    """The embeddings and the one-directional layers of a language model ▶ pooling ▶ R raw outputs.

    Args:
        settings: of the task, those of the encoder as in the language model.
        vocabulary: of the language model.
        size: E of its embeddings.
        outputs: R.
    """

    def __init__(self, settings: Classification, vocabulary: Vocabulary, size: int, outputs: int) -> None:
        super().__init__()
        self.linear, self.convolution = None, None  # nothing fits between its embeddings and its layers
        self.encoder = SymbolEncoder(
            len(vocabulary),
            settings.encoder,
            size,
            embedding_dropout=settings.embedding_dropout,
            symbol_dropout=_symbol_dropout(settings, vocabulary),
        )
        self.pooling = Pooling(settings.pooling, self.encoder.output_size)
        self.output = nn.Linear(self.pooling.output_size, outputs)

    @property
    def stacks(self) -> list[RecurrentStack]:
        """The recurrent layers, the lowest first."""
        return self.encoder.stacks

    @property
    def table(self) -> Tensor | None:
        """``[V, E]`` the vectors of symbols."""
        return self.encoder.embedding

    def forward(self, batch: Batch) -> Tensor:
        """[B, R] raw outputs."""
        return self.read(self.embed(batch.values), batch.lengths)[0]

    def embed(self, ids: Tensor) -> Tensor:
        """``[B, T]`` to ``[B, T, E]``."""
        return self.encoder.embed(ids)

    def read(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor | None]:
        """[B, R] raw outputs of embedded steps, and the weights ``[B, T]`` of attention where there is one."""
        outputs, _ = self.encoder.encode(embedded, lengths=lengths)  # dropout above the last layer is in it
        mask = outputs.new_ones(outputs.shape[:2]).cumsum(dim=1) <= lengths[:, None]
        last = outputs[torch.arange(len(outputs)), (lengths - 1).clamp(min=0)]  # [B, O]
        pooled, weights = self.pooling(outputs, mask, last)
        return self.output(pooled), weights

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The weights from the input upwards; pooling and output come last, together."""
        head = [*self.pooling.parameters(), *self.output.parameters()]
        return [*self.encoder.layer_groups(), head]


Classifier: TypeAlias = SequenceClassifier | TransferredClassifier


def _embedding(settings: Classification, vocabulary: Vocabulary, size: int) -> SymbolEmbedding:
    share = _symbol_dropout(settings, vocabulary)
    return SymbolEmbedding(len(vocabulary), size, settings.embedding_dropout, share)


def _symbol_dropout(settings: Classification, vocabulary: Vocabulary) -> float:
    if settings.symbol_dropout is not None:
        return settings.symbol_dropout
    return _LEFT_OUT if vocabulary.tokens.unit == "word" else _LEFT_OUT_SMALL
