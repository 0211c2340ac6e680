"""What the training loop costs over a bare hand-written one, on a model so small that the cost shows.

LSTM 8 -> 32, batches of 32 sequences of 20 steps, one thread. The bare loop does the same work: batches by shuffled
index, Adam, a clipped gradient, the loss read every step. Runs are interleaved and the medians compared, against both
forms of torch's Adam: the default one that a hand-written loop would have, and the fused one that ours uses.

    PYTHONPATH=src python benchmarks/training/loop_overhead.py
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from recurra.training.loop import fit, seeded
from recurra.training.options import TrainingOptions

EXAMPLES, B, T, D, H = 640, 32, 20, 8, 32
LIMIT = 1.2


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(D, H, batch_first=True)
        self.head = nn.Linear(H, 1)

    def forward(self, x):  # [B, T, D] -> [B]
        return self.head(self.lstm(x)[0][:, -1]).squeeze(-1)


class Sums:
    """The target is the mean of the inputs."""

    def __init__(self):
        self.x = torch.randn(EXAMPLES, T, D)
        self.y = self.x.mean((1, 2))

    def __len__(self):
        return EXAMPLES

    lengths = None

    def batch(self, index):
        return self.x[index], self.y[index]

    def name(self, index):
        return f"row {index}"


def squared_error(model, batch):
    x, y = batch
    return (model(x) - y).square().mean()


def bare(data, steps, fused):
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
    model.train()
    done = 0
    while done < steps:
        for index in torch.randperm(EXAMPLES).split(B):
            optimizer.zero_grad()
            loss = squared_error(model, data.batch(index))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            loss.item()
            done += 1


def ours(data, steps, folder):
    options = TrainingOptions(
        steps=steps, batch_size=B, optimizer="adam", learning_rate=1e-3, schedule="constant", l2=0.0, clip=1.0
    )
    fit(Model(), data, squared_error, options, folder=folder)


def seconds(work, *arguments):
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def measure(rounds, steps):
    """Milliseconds per step of each loop, one list per loop, in interleaved order."""
    data = Sums()
    times = {"bare": [], "bare, fused Adam": [], "ours": [], "ours, with checkpoints": []}
    for number in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            once = {
                "bare": seconds(bare, data, steps, False),
                "ours": seconds(ours, data, steps, None),
                "bare, fused Adam": seconds(bare, data, steps, True),
                "ours, with checkpoints": seconds(ours, data, steps, Path(folder)),
            }
        for name, value in once.items():
            if number:  # the first round warms up
                times[name].append(1000 * value / steps)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=400)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with seeded(0):
        times = measure(arguments.rounds, arguments.steps)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:24} {median:7.3f} ms per step ({min(times[name]):.3f} to {max(times[name]):.3f})")
    ratios = {}
    for own in ("ours", "ours, with checkpoints"):
        for other in ("bare", "bare, fused Adam"):
            ratios[own, other] = medians[own] / medians[other]
            print(f"{own} / {other}: {ratios[own, other]:.3f}")
    return int(max(ratios.values()) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
