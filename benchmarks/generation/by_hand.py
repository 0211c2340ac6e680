"""The rival: a plain ``torch.nn.LSTM`` of equal size, trained by a loop as one would write it by hand.

Same ids, streams, chunks, steps, optimiser, schedule, clipping and ordinary dropout; the best weights by the same
validation part are kept. No locked dropout, no weight drop, no carried dropout masks.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass
class Plan:
    """What both sides do."""

    symbols: int
    embedding_size: int
    hidden_size: int
    layers: int
    dropout: float
    tied: bool
    chunk: int
    streams: int
    steps: int
    learning_rate: float
    validate_every: int


class Model(nn.Module):
    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.embedding = nn.Embedding(plan.symbols, plan.embedding_size)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        between = plan.dropout if plan.layers > 1 else 0.0
        self.lstm = nn.LSTM(plan.embedding_size, plan.hidden_size, plan.layers, dropout=between)
        self.dropout = nn.Dropout(plan.dropout)
        self.head = nn.Linear(plan.hidden_size, plan.symbols)
        if plan.tied:
            self.head.weight = self.embedding.weight

    def forward(self, ids: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        features, state = self.lstm(self.embedding(ids), state)
        return self.head(self.dropout(features)), state


def nats(model: Model, ids: Tensor, streams: int = 1) -> float:
    """Mean nats per symbol; the first is foretold after a 0, as recurra does."""
    model.eval()
    length = len(ids) // streams
    targets = ids[: streams * length].view(streams, length).t()
    inputs = torch.cat([torch.zeros(1, streams, dtype=torch.int64), targets[:-1]])
    total, state = 0.0, None
    with torch.no_grad():
        for start in range(0, length, 512):
            logits, state = model(inputs[start : start + 512], state)
            wanted = targets[start : start + 512].reshape(-1)
            total += functional.cross_entropy(logits.flatten(0, 1), wanted, reduction="sum").item()
    model.train()
    return total / (streams * length)


def train(plan: Plan, training: Tensor, validation: Tensor) -> tuple[Model, float]:
    """The model with its best weights, and the seconds that the training took, validations included."""
    torch.manual_seed(0)
    model = Model(plan)
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.learning_rate, plan.steps, cycle_momentum=False)
    length = (len(training) - 1) // plan.streams
    ids = training[: plan.streams * length].view(plan.streams, length).t().contiguous()
    best, kept, state, place = math.inf, None, None, 0
    started = time.perf_counter()
    model.train()
    for step in range(1, plan.steps + 1):
        if place + plan.chunk + 1 > length:
            place, state = 0, None
        logits, state = model(ids[place : place + plan.chunk], state)
        wanted = ids[place + 1 : place + plan.chunk + 1].reshape(-1)
        loss = functional.cross_entropy(logits.flatten(0, 1), wanted)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        loss.item()
        state = (state[0].detach(), state[1].detach())
        place += plan.chunk
        if step % plan.validate_every == 0 or step == plan.steps:
            score = nats(model, validation, 16 if len(validation) >= 32_000 else 8)
            if score < best:
                best, kept = score, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return model, time.perf_counter() - started
