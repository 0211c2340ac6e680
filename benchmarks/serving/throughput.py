"""Requests per second and the time to answer, JSON and binary, 32 clients on the same machine.

    python benchmarks/serving/throughput.py

Rounds of JSON and binary follow one another; the median of the rounds is reported. The server's own time on the
processors is measured beside, as it depends less on what else runs there.
"""

from __future__ import annotations

import argparse
import os
import statistics

from load import run
from record import keep
from served import Served, forecaster, scratch, windows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=32)
    options = parser.parse_args()
    bodies = {"json": windows(256, binary=False), "binary": windows(256, binary=True)}
    server = Served(f"sales={forecaster(scratch() / 'sales')}")
    found: dict[str, list[dict[str, object]]] = {kind: [] for kind in bodies}
    for some in bodies.values():
        run(server.port, options.clients, some, 2)
    for _ in range(options.rounds):
        for kind, some in bodies.items():
            used, load = server.seconds(), os.getloadavg()[0]
            outcome = run(server.port, options.clients, some, options.seconds).outcome
            share = (server.seconds() - used) / outcome.statuses[200]
            found[kind].append(outcome.describe() | {"server's ms per answer": round(1000 * share, 3), "load": load})
    server.stop()
    keep("throughput", {kind: _middle(rounds) for kind, rounds in found.items()} | {"rounds": found})


def _middle(rounds: list[dict[str, object]]) -> dict[str, float]:
    names = ("good answers per second", "p50 ms", "p99 ms", "server's ms per answer")
    return {name: statistics.median(float(one[name]) for one in rounds) for name in names}


if __name__ == "__main__":
    main()
