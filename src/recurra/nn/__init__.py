"""Layers: they own weights and call an operator."""

from recurra.nn.gru import GRU
from recurra.nn.lstm import LSTM
from recurra.nn.rnn import RNN
from recurra.nn.stack import RecurrentStack, build_encoder

__all__ = ["GRU", "LSTM", "RNN", "RecurrentStack", "build_encoder"]
