"""What reads symbols: an embedding, or one-hot vectors, under recurrent layers. It stands alone, without a head."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn import functional

from recurra.errors import SettingsError
from recurra.nn.dropout import drop_symbols, locked_dropout
from recurra.nn.stack import RecurrentStack, build_encoder
from recurra.settings import Encoder
from recurra.types import State

_SPREAD = 0.1  # of the first embeddings


class SymbolEncoder(nn.Module):
    """Ids ``[B, T]`` to features ``[B, T, O]``, one direction, with locked dropout below, between and above the layers.

    The layers are those of ``settings``, each on its own, so that dropout between them can be locked; ``settings``'
    dropout is that between and above them. The state is one flat tuple, the parts of the lowest layer first.

    >>> encoder = SymbolEncoder(10, Encoder(hidden_size=4, layers=2), embedding_size=3)
    >>> features, state = encoder(torch.tensor([[2, 3, 4]]))
    >>> features.shape, [tuple(part.shape) for part in state]
    (torch.Size([1, 3, 4]), [(1, 1, 4), (1, 1, 4), (1, 1, 4), (1, 1, 4)])
    >>> again, _ = encoder.step(torch.tensor([5]), state)
    >>> again.shape
    torch.Size([1, 4])
    """

    def __init__(
        self,
        symbols: int,
        settings: Encoder,
        embedding_size: int | None,
        *,
        embedding_dropout: float = 0.0,
        symbol_dropout: float = 0.0,
    ) -> None:
        """``symbols`` is V, the number of ids; without an ``embedding_size`` the layers read one-hot vectors."""
        super().__init__()
        if settings.bidirectional:
            raise SettingsError(
                "Encoder.bidirectional", "a text that is yet to be written is read forwards only, got True. Drop it."
            )
        self.symbols, self.dropout = symbols, settings.dropout
        self.embedding_dropout, self.symbol_dropout = embedding_dropout, symbol_dropout
        self.embedding: nn.Parameter | None = None  # [V, E]
        if embedding_size is not None:
            self.embedding = nn.Parameter(torch.empty(symbols, embedding_size).uniform_(-_SPREAD, _SPREAD))
        one = dataclasses.replace(settings, layers=1, dropout=0.0)
        width, layers = embedding_size or symbols, []
        for _ in range(settings.layers):
            layers.append(build_encoder(one, width))
            width = layers[-1].output_size
        self.layers = nn.ModuleList(layers)

    @property
    def output_size(self) -> int:
        """The features O of the outputs."""
        return self.stacks[-1].output_size

    @property
    def stacks(self) -> list[RecurrentStack]:
        """The layers, the lowest first."""
        return list(self.layers)  # type: ignore[arg-type]

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Encode ``ids [B, T]`` after ``state``: the features ``[B, T, O]`` and the state after the last of them."""
        values = self._embed(ids.t()).transpose(0, 1)  # [B, T, E]; the layers work time first
        after: list[Tensor] = []
        for layer, before in zip(self.stacks, self._apart(state), strict=True):
            values, now = layer(values, state=before)
            after += now
            values = locked_dropout(values, self.dropout if self.training else 0.0)
        return values, tuple(after)

    def step(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Encode one symbol of each sequence, ``ids [B]``: the features ``[B, O]`` and the next state."""
        values = self._embed(ids)
        after: list[Tensor] = []
        for layer, before in zip(self.stacks, self._apart(state), strict=True):
            values, now = layer.step(values, before)
            after += now
        return values, tuple(after)

    def _embed(self, ids: Tensor) -> Tensor:
        """``[T, B]`` or ``[B]`` to ``[…, E]``."""
        if self.embedding is None:
            return functional.one_hot(ids, self.symbols).to(next(self.parameters()).dtype)
        if not self.training:
            return functional.embedding(ids, self.embedding)
        values = functional.embedding(ids, drop_symbols(self.embedding, self.symbol_dropout))
        return locked_dropout(values.transpose(0, 1), self.embedding_dropout).transpose(0, 1)

    def _apart(self, state: State | None) -> list[State | None]:
        """The state of each layer."""
        if state is None:
            return [None] * len(self.layers)
        parts = len(state) // len(self.layers)
        return [state[first : first + parts] for first in range(0, len(state), parts)]
