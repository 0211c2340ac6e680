"""The same model size with ``torch.nn.LSTM`` and a loop written by hand, as a practitioner would write it.

Embeddings of words, a bidirectional LSTM over the letters of each different word of a batch, a mark; a bidirectional
LSTM over packed sentences, dropout, a linear layer, cross entropy; Adam, the gradient clipped, shuffled padded batches.
Words, letters, batch size and number of steps are those of recurra's run. Spans are read from the likeliest tags.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

LETTERS, MARK = 32, 16


class Plain(nn.Module):
    """Words, letters and marks, LSTM, linear."""

    def __init__(self, task: Any) -> None:
        super().__init__()
        settings, encoder = task.settings, task.settings.encoder
        self.words = nn.Embedding(len(task.words), task.embedding_size, padding_idx=0)
        self.letters = nn.Embedding(len(task.characters), LETTERS, padding_idx=0)
        half = settings.character_size // 2
        self.spelling = nn.LSTM(LETTERS, half, batch_first=True, bidirectional=True)
        self.mark = nn.Embedding(2, MARK)
        self.lstm = nn.LSTM(
            task.embedding_size + 2 * half + MARK,
            encoder.hidden_size,
            encoder.layers,
            batch_first=True,
            bidirectional=True,
            dropout=encoder.dropout if encoder.layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(encoder.dropout)
        self.output = nn.Linear(2 * encoder.hidden_size, len(task.classes))
        self.word_dropout = settings.word_dropout

    def forward(self, batch: Any) -> Tensor:
        words = batch.words
        if self.training:  # 1 is the unknown word
            words = torch.where((torch.rand(words.shape) < self.word_dropout) & (words > 0), 1, words)
        spelled = pack_padded_sequence(
            self.letters(batch.characters), batch.character_lengths, batch_first=True, enforce_sorted=False
        )
        _, (h, _) = self.spelling(spelled)
        forms = torch.cat([h[0], h[1]], dim=1)[batch.forms]
        values = self.dropout(torch.cat([self.words(words), forms, self.mark(batch.marks)], dim=-1))
        packed = pack_padded_sequence(values, batch.lengths, batch_first=True, enforce_sorted=False)
        outputs, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.output(self.dropout(outputs))


def train_and_tag(task: Any, train: Any, test: Any, steps: int, batch_size: int, seed: int) -> tuple[np.ndarray, float]:
    """The numbers of the tags of all tokens of ``test``, and the seconds of training.

    Args:
        task: recurra's fitted task, for its sizes.
        train, test: recurra's encoded examples.
        steps: of the optimiser.
        batch_size: sentences per step.
        seed: of weights and order.
    """
    torch.manual_seed(seed)
    begin = time.perf_counter()
    model = Plain(task)
    _fit(model, train, steps, batch_size)
    seconds = time.perf_counter() - begin
    return _tag(model, test), seconds


def _fit(model: Plain, examples: Any, steps: int, batch_size: int) -> None:
    optimizer = torch.optim.Adam(model.parameters())
    model.train()
    done = 0
    while done < steps:
        for index in torch.randperm(len(examples)).split(batch_size)[: steps - done]:
            batch = examples.batch(index)
            loss = nn.functional.cross_entropy(model(batch)[batch.mask], batch.target[batch.mask])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            done += 1


@torch.no_grad()
def _tag(model: Plain, examples: Any) -> np.ndarray:
    model.eval()
    batches = map(examples.batch, torch.arange(len(examples)).split(256))
    return torch.cat([model(batch).argmax(dim=-1)[batch.mask] for batch in batches]).numpy()
