"""The network: what reads symbols, and the probabilities of the next one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recurra.decoding import Ids, Scores
from recurra.nn.language import SymbolEncoder
from recurra.nn.softmax import AdaptiveSoftmax, FullSoftmax
from recurra.types import State


class LanguageModel(nn.Module):
    """An encoder of symbols under a softmax over the next symbol."""

    def __init__(self, encoder: SymbolEncoder, head: FullSoftmax | AdaptiveSoftmax) -> None:
        """A head without weights of its own is tied to the encoder's embeddings."""
        super().__init__()
        self.encoder, self.head = encoder, head

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The weights from the input upwards; those of the head come last."""
        return [*self.encoder.layer_groups(), list(self.head.parameters())]

    def losses(self, ids: Tensor, targets: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Nats ``[B, T]`` of ``targets [B, T]`` after ``ids [B, T]``, which come after ``state``; the next state."""
        features, after = self.encoder(ids, state)
        flat = features.transpose(0, 1).flatten(0, 1)  # [T * B, O], as it lies in memory
        losses = self.head.losses(flat, targets.t().flatten(), self.encoder.embedding)
        return losses.view(targets.shape[::-1]).t(), after

    def read(self, ids: Tensor, state: State | None) -> State:
        """The state after ``ids [B, T]``."""
        _, after = self.encoder(ids, state)
        return after  # type: ignore[no-any-return]

    def step(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Log-probabilities ``[B, V]`` of what follows ``ids [B]``, and the next state."""
        features, after = self.encoder.step(ids, state)
        return self.head.log_probabilities(features, self.encoder.embedding), after


class ArrayReader:
    """A language model that is given ids, and gives log-probabilities, as arrays; its state remains tensors."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    @torch.no_grad()
    def read(self, ids: Ids, state: State | None) -> State:
        """The state after ``ids [B, T]``."""
        return self._model.read(torch.from_numpy(ids), state)

    @torch.no_grad()
    def step(self, ids: Ids, state: State | None) -> tuple[Scores, State]:
        """Log-probabilities ``[B, V]`` of what follows ``ids [B]``, and the next state."""
        scores, after = self._model.step(torch.from_numpy(ids), state)
        return scores.numpy(), after
