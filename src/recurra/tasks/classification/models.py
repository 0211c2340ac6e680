"""The classifier: what reads symbols or numbers, a recurrent stack, one vector of all steps, and the raw answer."""

from __future__ import annotations

from torch import Tensor, nn

from recurra.nn import build_encoder
from recurra.nn.front import Convolution, SymbolEmbedding
from recurra.nn.pooling import Pooling
from recurra.tasks.classification.examples import Batch
from recurra.tasks.classification.settings import Classification


class SequenceClassifier(nn.Module):
    """Embedding or numbers ▶ front ▶ recurrent stack ▶ pooling ▶ R raw outputs.

    Args:
        settings: of the task.
        symbols: V, the size of the vocabulary; None for sequences of numbers.
        features: D, the numbers of each step; None for symbols.
        size: E, the numbers of a symbol's vector and of the front's outputs.
        outputs: R.
    """

    def __init__(
        self, settings: Classification, symbols: int | None, features: int | None, size: int, outputs: int
    ) -> None:
        super().__init__()
        self.embedding = (
            None
            if symbols is None
            else SymbolEmbedding(symbols, size, settings.embedding_dropout, settings.symbol_dropout)
        )
        width = size if features is None else features
        self.linear = nn.Linear(width, size) if settings.front == "linear" else None
        self.convolution = Convolution(width, size, settings.stride) if settings.front == "convolution" else None
        self.encoder = build_encoder(settings.encoder, width if settings.front in ("auto", "direct") else size)
        self.pooling = Pooling(settings.pooling, self.encoder.output_size)
        self.dropout = nn.Dropout(settings.encoder.dropout)
        self.output = nn.Linear(self.encoder.output_size, outputs)

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
