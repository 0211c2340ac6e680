"""A step of a session beside `torch.nn.LSTMCell` alone, which does the recurrent layer's part of the work and no more.

    OMP_NUM_THREADS=1 python benchmarks/streaming/run.py --keep

A session's step is everything: the observation is checked and scaled, the layers take a step, the output layer and the
softmax follow, and a dictionary of plain numbers comes back. The contestants take turns in one process, on one thread;
the figure is the median of many samples.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1]))

import measuring
import recurra
from recurra.bundle import Bundle

ROUNDS, CALLS = 400, 50
SIZES = ((3, 64), (12, 128), (128, 128), (12, 256))  # D features, H hidden units


def classifier(D: int, H: int, **options: Any) -> Bundle:
    """A model of D features and 9 classes; what it says does not matter here, so it is not trained."""
    chance = np.random.default_rng(0)
    data = {"x": chance.normal(size=(36, 5, D)).astype(np.float32), "y": np.array(list("abcdefghi") * 4)}
    encoder = recurra.Encoder(hidden_size=H, **options.pop("encoder", {}))
    settings = recurra.Classification(**{"front": "direct", "pooling": "last", **options}, encoder=encoder)
    task, _ = settings.learn(settings.read(data))
    return Bundle(task, task.build_model())


def contestants(D: int, H: int) -> dict[str, Callable[[], object]]:
    """What is compared, by name; each call is one step."""
    cell, x = torch.nn.LSTMCell(D, H).eval(), torch.randn(1, D)
    state = (torch.zeros(1, H), torch.zeros(1, H))
    layer, carried = recurra.nn.LSTM(D, H).eval(), (torch.zeros(1, 1, H), torch.zeros(1, 1, H))
    bundle = classifier(D, H)
    row = x[0].tolist()
    named = dict(zip(bundle.task.features, row, strict=True))
    plain, by_name = recurra.Session(bundle), recurra.Session(bundle)
    attention = recurra.Session(classifier(D, H, pooling="attention"))

    def of_torch() -> object:
        with torch.inference_mode():
            return cell(x, state)

    def of_layer() -> object:
        with torch.inference_mode():
            return layer.step(x, carried)

    return {
        "torch.nn.LSTMCell": of_torch,
        "recurra.nn.LSTM.step": of_layer,
        "Session.feed, a list": lambda: plain.feed(row),
        "Session.feed, by name": lambda: by_name.feed(named),
        "Session.feed, attention": lambda: attention.feed(row),
    }


def measure(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median microseconds of one call of each, in turns."""
    samples: dict[str, list[float]] = {name: [] for name in works}
    for number in range(ROUNDS):
        for name in list(works)[:: 1 if number % 2 else -1]:
            work = works[name]
            work()  # what the one before left in the cache is not this one's cost
            started = time.perf_counter()
            for _ in range(CALLS):
                work()
            samples[name].append((time.perf_counter() - started) / CALLS)
    return {name: round(1e6 * statistics.median(some), 2) for name, some in samples.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="write results/streaming.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    result = {}
    for D, H in SIZES:
        times = measure(contestants(D, H))
        ratio = round(times["torch.nn.LSTMCell"] / times["Session.feed, a list"], 2)
        result[f"D = {D}, H = {H}"] = {"microseconds": times, "LSTMCell / Session": ratio}
    if arguments.keep:
        measuring.keep("streaming", result)
    else:
        print(result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
