"""The same model size with ``torch.nn.LSTM`` and a loop written by hand, as a practitioner would write it.

An embedding (or the scaled numbers), a bidirectional LSTM over packed sequences, its final states, dropout, a linear
layer; Adam with its usual learning rate, the gradient clipped, shuffled padded batches. Symbols, scales, batch size,
number of steps and of models are those of recurra's run.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence


class Plain(nn.Module):
    """Embedding or numbers, LSTM, linear."""

    def __init__(self, symbols: int | None, features: int, hidden: int, dropout: float, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, features, padding_idx=0) if symbols else None
        self.lstm = nn.LSTM(features, hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * hidden, classes)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        if self.embedding is not None:
            values = self.embedding(values)
        packed = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
        _, (h, _) = self.lstm(packed)
        return self.output(self.dropout(torch.cat([h[0], h[1]], dim=1)))


def train_and_predict(
    task: Any, train: Any, test: Any, steps: int, batch_size: int, seed: int
) -> tuple[np.ndarray, float]:
    """Probabilities ``[N, C]`` of the test's examples, and the seconds of training.

    Args:
        task: recurra's fitted task, for its sizes.
        train, test: recurra's encoded examples.
        steps: of the optimiser, for each model.
        batch_size: examples per step.
        seed: of weights and order.
    """
    symbols = None if task.vocabulary is None else len(task.vocabulary)
    features = task.embedding_size if symbols else len(task.features)
    encoder = task.settings.encoder
    total, seconds = np.zeros((len(test), task.answers.size)), 0.0
    for member in range(task.settings.members):
        torch.manual_seed(seed + member)
        begin = time.perf_counter()
        model = Plain(symbols, features, encoder.hidden_size, encoder.dropout, task.answers.size)
        _fit(model, train, steps, batch_size)
        seconds += time.perf_counter() - begin
        total += _predict(model, test)
    return total / task.settings.members, seconds


def _fit(model: Plain, examples: Any, steps: int, batch_size: int) -> None:
    optimizer = torch.optim.Adam(model.parameters())
    model.train()
    done = 0
    while done < steps:
        for index in torch.randperm(len(examples)).split(batch_size)[: steps - done]:
            batch = examples.batch(index)
            loss = nn.functional.cross_entropy(model(batch.values, batch.lengths), batch.target)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            done += 1


@torch.no_grad()
def _predict(model: Plain, examples: Any) -> np.ndarray:
    model.eval()
    chunks = torch.arange(len(examples)).split(256)
    raw = [model(batch.values, batch.lengths) for batch in map(examples.batch, chunks)]
    return torch.softmax(torch.cat(raw).double(), dim=1).numpy()
