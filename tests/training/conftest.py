"""One small run for all tests of the loop: windows of a series, a two-layer LSTM with dropout, a held-out end."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from recurra.training.loop import fit, seeded
from recurra.training.options import TrainingOptions

STEPS = 12


class Windows:
    def __init__(self, values):  # [N, 12]
        self.values = values

    def __len__(self):
        return len(self.values)

    lengths = None

    def batch(self, index):
        return self.values[index]

    def name(self, index):
        return f"rows {index + 1} to {index + 12}"


class Forecaster(nn.Module):
    def __init__(self, hidden=4, dropout=0.3):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, 2, batch_first=True, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, 1)
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, x):  # [B, T] -> [B]
        if self.training:
            self.batches += 1
        y, _ = self.lstm(x.unsqueeze(-1))
        return self.head(self.dropout(y[:, -1])).squeeze(-1)


def squared_error(model, windows):
    return (model(windows[:, :-1]) - windows[:, -1]).square().mean()


class Small:
    """The run; ``fit`` builds the model anew, so two calls are two sittings."""

    def __init__(self):
        with seeded(0):
            series = torch.sin(torch.arange(60) / 3) + 0.1 * torch.randn(60)
        windows = series.unfold(0, 12, 1).clone()  # [49, 12]
        self.windows, self.held_out = Windows(windows[:40]), windows[40:]
        self.loss = squared_error
        self.dropout = 0.3

    def build(self, hidden=4):
        with seeded(7):
            return Forecaster(hidden, self.dropout)

    def options(self, **changes):
        return TrainingOptions(
            **{"steps": STEPS, "batch_size": 16, "epoch_steps": 4, "threads": 1, "learning_rate": 0.01, **changes}
        )

    def validate(self, model):
        return squared_error(model, self.held_out).item()

    def fit(self, folder=None, *, model=None, validated=True, loss=None, progress=None, resume_hint=None, **changes):
        model = model or self.build()
        trained = fit(
            model,
            self.windows,
            loss or self.loss,
            self.options(**changes),
            validate=self.validate if validated else None,
            folder=folder,
            progress=progress,
            resume_hint=resume_hint,
        )
        return model, trained


class Killed(BaseException):
    """Stands for ``kill -9``: nothing in the package may catch it."""


def dying_loss(at, loss=squared_error):
    """A loss that kills the run in its ``at``-th call."""
    calls = 0

    def compute(model, batch):
        nonlocal calls
        calls += 1
        if calls == at:
            raise Killed
        return loss(model, batch)

    return compute


@pytest.fixture
def small():
    return Small()


@pytest.fixture
def die_at():
    return dying_loss


@pytest.fixture
def killed():
    return Killed


@pytest.fixture
def log_of():
    def read(folder: Path):
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]

    return read


def _same(first, second):
    first, second = first.state_dict(), second.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def same_weights():
    return _same


@pytest.fixture
def same_history():
    def compare(first, second):
        return [(e.epoch, e.step, e.loss, e.validation, e.learning_rate) for e in first.history] == [
            (e.epoch, e.step, e.loss, e.validation, e.learning_rate) for e in second.history
        ]

    return compare
