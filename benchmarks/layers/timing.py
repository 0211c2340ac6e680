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
from torch.utils.mkldnn import to_mkldnn

Work = Callable[[], object]

SHORTEST_SAMPLE = 0.002  # seconds; work that is shorter is repeated within one sample
LONG = 0.02  # seconds; work that is longer does not notice whose data the caches held when its turn came
FEWEST_ROUNDS, MOST_ROUNDS = 5, 200


def measure(contestants: Mapping[str, Work], budget: float = 0.3, settle: float = 0.0) -> dict[str, float]:
    """The median seconds of one call of each contestant.

    They warm up, then run in rounds, each once a round and in another order each time. ``budget`` is about how many
    seconds each contestant gets; there are at least 5 rounds and at most 200. All are measured with warm caches: the
    first call of a turn does not count, unless it is a long one. Nor does what a contestant does in the first
    ``settle`` seconds of its turn, where the threads of the one before go on spinning for a while.
    """
    gc.collect()
    shapes = {name: _shape(work) for name, work in contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    number, started = 0, time.perf_counter()
    while number < FEWEST_ROUNDS or (
        number < MOST_ROUNDS and time.perf_counter() - started < budget * len(contestants)
    ):
        for name in _order(list(contestants), number):
            times[name].append(_sample(contestants[name], *shapes[name], settle))
        number += 1
    return {name: statistics.median(samples) for name, samples in times.items()}


def _order(names: list[str], number: int) -> list[str]:
    """Each starts in turn; after all have, the same backwards, so that none always follows the same other one."""
    turns, first = divmod(number, len(names))
    order = names[first:] + names[:first]
    return order[::-1] if turns % 2 else order


def _sample(work: Work, repeats: int, warm: bool, settle: float = 0.0) -> float:
    """Seconds of one call, from one sample of several; ``warm``: after one that does not count."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < settle:
        work()
    if warm:
        work()
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - started) / repeats


def _shape(work: Work) -> tuple[int, bool]:
    """How many calls make a sample that is long enough, and whether one goes before; finding out is the warm-up."""
    work()
    repeats = 1
    while (seconds := _sample(work, repeats, warm=False) * repeats) < SHORTEST_SAMPLE:
        repeats = max(repeats + 1, round(1.2 * repeats * min(SHORTEST_SAMPLE / seconds, 10.0)))
    return repeats, seconds / repeats < LONG


@torch.no_grad()
def product_rate(budget: float = 0.3, size: int = 1536) -> float:
    """Operations per second, in 10^9, of a large square product in float32: what this machine can do now.

    It is the faster of torch's two libraries: MKL, behind ``torch.mm``, and oneDNN, behind torch's own LSTM. On AMD's
    processors MKL leaves AVX-512 alone and is half as fast.
    """
    a, b = torch.randn(size, size), torch.randn(size, size)
    out = torch.empty(size, size)
    products: dict[str, Work] = {"mm": lambda: torch.mm(a, b, out=out)}
    if torch.backends.mkldnn.is_available():
        linear, blocked = to_mkldnn(torch.nn.Linear(size, size, bias=False).eval()), a.to_mkldnn()
        products["oneDNN"] = lambda: linear(blocked)
    seconds = measure(products, budget)
    return 2 * size**3 / min(seconds.values()) / 1e9


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    print(f"product, float32: {product_rate():.1f} GFLOP/s")
