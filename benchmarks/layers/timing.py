"""Time several ways of doing the same work beside each other in one process.

The contestants take turns, so that whatever else the machine does falls on all of them. Used by ``run.py``; by itself
it prints the rate of a large product, the yardstick of the tables:

    python benchmarks/layers/timing.py --threads 2
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Mapping

import torch

Work = Callable[[], object]

SHORTEST_SAMPLE = 0.002  # seconds; work that is shorter is repeated within one sample
FEWEST_ROUNDS, MOST_ROUNDS = 5, 200


def measure(contestants: Mapping[str, Work], budget: float = 0.3) -> dict[str, float]:
    """The median seconds of one call of each contestant.

    They warm up, then run in rounds, each once a round and in another order each time. ``budget`` is about how many
    seconds each contestant gets; there are at least 5 rounds and at most 200.
    """
    gc.collect()
    names = list(contestants)
    repeats = {name: _repeats(work) for name, work in contestants.items()}
    once = sum(_sample(contestants[name], repeats[name]) * repeats[name] for name in names)
    rounds = min(max(round(budget * len(names) / once), FEWEST_ROUNDS), MOST_ROUNDS)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            times[name].append(_sample(contestants[name], repeats[name]))
    return {name: statistics.median(samples) for name, samples in times.items()}


def _sample(work: Work, repeats: int) -> float:
    """Seconds of one call, from one sample of several."""
    if repeats > 1:
        work()  # short work would otherwise also pay for the threads and the cache that the one before it left behind
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - started) / repeats


def _repeats(work: Work) -> int:
    """How many calls make a sample that is long enough; finding out is the warm-up."""
    work()
    repeats = 1
    while (seconds := _sample(work, repeats) * repeats) < SHORTEST_SAMPLE:
        repeats = max(repeats + 1, round(1.2 * repeats * min(SHORTEST_SAMPLE / seconds, 10.0)))
    return repeats


def product_rate(budget: float = 0.3, size: int = 2048) -> float:
    """Operations per second, in 10^9, of a large square product in float32: what this machine can do now."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    out = torch.empty(size, size)
    seconds = measure({"product": lambda: torch.mm(a, b, out=out)}, budget)["product"]
    return 2 * size**3 / seconds / 1e9


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    print(f"product of 2048 x 2048, float32: {product_rate():.1f} GFLOP/s")
