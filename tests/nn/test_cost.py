"""Multiply-adds, against counts by hand."""

from __future__ import annotations

import pytest
from torch import nn

from recurra.nn import GRU, LSTM, RNN
from recurra.nn.cost import multiply_adds
from recurra.nn.front import Convolution
from recurra.nn.language import SymbolEncoder
from recurra.nn.pooling import Pooling
from recurra.nn.softmax import AdaptiveSoftmax, FullSoftmax
from recurra.settings import Encoder

BY_HAND = {
    "lstm": (LSTM(3, 8), 4 * 8 * (3 + 8)),
    "two layers": (LSTM(3, 8, 2), 4 * 8 * (3 + 8) + 4 * 8 * (8 + 8)),
    "both directions": (LSTM(3, 8, 2, bidirectional=True), 2 * 4 * 8 * (3 + 8) + 2 * 4 * 8 * (16 + 8)),
    "without bias": (LSTM(3, 8, bias=False), 4 * 8 * (3 + 8)),
    "projection": (LSTM(3, 8, proj_size=2), 4 * 8 * (3 + 2) + 2 * 8),
    "diagonal peephole": (LSTM(3, 8, peephole="diagonal"), 4 * 8 * (3 + 8) + 3 * 8),
    "full peephole": (LSTM(3, 8, peephole="full"), 4 * 8 * (3 + 8) + 4 * 8 * 8),
    "coupled": (LSTM(3, 8, coupled=True), 3 * 8 * (3 + 8)),
    "cell candidate": (LSTM(3, 8, candidate="cell"), 3 * 8 * (3 + 8) + 8 * 8),
    "FGR": (LSTM(3, 8, gates="FGR"), 4 * 8 * (3 + 8) + 24 * 24),
    "layer norm": (LSTM(3, 8, layer_norm=True), 4 * 8 * (3 + 8)),
    "gru": (GRU(3, 8), 3 * 8 * (3 + 8)),
    "rnn": (RNN(3, 8), 8 * (3 + 8)),
    "linear": (nn.Linear(5, 7), 5 * 7),
    "convolution": (Convolution(3, 8), 5 * 3 * 8 + 5 * 8 * 8),
    "attention": (Pooling("attention", 8), 8 * 64 + 64),
    "embedding": (SymbolEncoder(10, Encoder(hidden_size=8), 3), 4 * 8 * (3 + 8)),
    "softmax": (FullSoftmax(8, 10), 8 * 10),
    "tied softmax": (FullSoftmax(8, 10, tied_size=8), 8 * 10),
    "tied softmax of another size": (FullSoftmax(8, 10, tied_size=3), 8 * 3 + 3 * 10),
    "adaptive softmax": (AdaptiveSoftmax(16, 100), 16 * (7 + 2) + (16 * 4 + 4 * 23) + (16 * 1 + 1 * 70)),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_multiply_adds_are_those_counted_by_hand(name):
    module, expected = BY_HAND[name]
    assert multiply_adds(module) == expected
