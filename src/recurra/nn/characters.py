"""From the characters of a word to its vector: what a word is made of tells much of one that was never seen."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from recurra.nn.front import SymbolEmbedding
from recurra.nn.stack import build_encoder
from recurra.settings import Encoder

_WIDTH = 3  # characters that the convolution sees
_SPREAD = 1.0  # of a letter's first numbers: there are few letters, and all of them come often
_LEFT_OUT = 0.01  # of the characters, so that the unknown one is learned, too


class CharacterEncoder(nn.Module):
    """A vector for each word of a batch: both ends of a bidirectional LSTM, or the maxima of a convolution.

    Source: Ling et al., Finding function in form, 2015 (LSTM); dos Santos & Zadrozny, Learning character-level
    representations for part-of-speech tagging, 2014 (convolution).

    >>> encoder = CharacterEncoder("lstm", symbols=10, embedding_size=4, size=6)
    >>> encoder(torch.tensor([[2, 3, 4], [5, 0, 0]]), torch.tensor([3, 1])).shape
    torch.Size([2, 6])
    """

    def __init__(self, kind: Literal["lstm", "cnn"], symbols: int, embedding_size: int, size: int) -> None:
        """``size`` is that of a word's vector, even for the LSTM, which has half of it in each direction."""
        super().__init__()
        self.size = size
        self.embedding = SymbolEmbedding(symbols, embedding_size, symbol_dropout=_LEFT_OUT, spread=_SPREAD)
        self.recurrent, self.convolution = None, None
        if kind == "lstm":
            self.recurrent = build_encoder(Encoder(hidden_size=size // 2, bidirectional=True), embedding_size)
        else:
            self.convolution = nn.Conv1d(embedding_size, size, _WIDTH, padding=_WIDTH // 2)

    def forward(self, characters: Tensor, lengths: Tensor) -> Tensor:
        """Encode ``characters [U, C]`` of U words, padded with 0: ``[U, size]``; zeros for one without characters."""
        values = self.embedding(characters)
        if self.recurrent is not None:
            return self.recurrent.summary(values, lengths)
        assert self.convolution is not None
        maps = self.convolution(values.transpose(1, 2))  # [U, size, C]; padding is zero
        real = torch.arange(maps.shape[2], device=maps.device) < lengths[:, None]
        most = maps.masked_fill(~real[:, None], -torch.inf).amax(dim=2)
        return torch.where(lengths[:, None] > 0, most, torch.zeros_like(most))
