"""Recurra: LSTM-family sequence models on PyTorch, from your file to a model in service."""
