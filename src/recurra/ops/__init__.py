"""Recurrent computations over whole sequences, as pure functions: one folder per cell."""

from recurra.ops.gru import GRUOptions, GRUWeights, gru
from recurra.ops.lstm import LSTMNoise, LSTMOptions, LSTMWeights, lstm
from recurra.ops.rnn import RNNOptions, RNNWeights, rnn

__all__ = [
    "GRUOptions",
    "GRUWeights",
    "LSTMNoise",
    "LSTMOptions",
    "LSTMWeights",
    "RNNOptions",
    "RNNWeights",
    "gru",
    "lstm",
    "rnn",
]
