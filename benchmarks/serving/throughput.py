"""Requests per second and the time to answer, JSON and binary, 32 clients on the same machine.

    python benchmarks/serving/throughput.py
    python benchmarks/serving/throughput.py --litserve /path/to/python    # LitServe with the same model beside it

Rounds of JSON, of binary and of LitServe's JSON follow one another; the median of the rounds is reported. The server's
own time on the processors is measured beside, as it depends less on what else runs there.
"""

from __future__ import annotations

import argparse
import os
import statistics

from load import run
from record import keep
from served import LitServed, Process, Served, forecaster, scratch, windows


def main() -> None:
    options = _arguments()
    model = forecaster(scratch() / "sales")
    server: Process = Served(f"sales={model}")
    turns = {"json": (server, windows(256, binary=False)), "binary": (server, windows(256, binary=True))}
    if options.litserve:
        turns["litserve, json"] = (LitServed(options.litserve, model), windows(256, binary=False, path="/predict"))
    for process, bodies in turns.values():
        run(process.port, options.clients, bodies, 2)
    found: dict[str, list[dict[str, object]]] = {kind: [] for kind in turns}
    for _ in range(options.rounds):
        for kind, (process, bodies) in turns.items():
            found[kind].append(_round(process, bodies, options))
    for process in {process for process, _ in turns.values()}:
        process.kill()
    keep(options.name, {kind: _middle(rounds) for kind, rounds in found.items()} | {"rounds": found})


def _round(process: Process, bodies: list[bytes], options: argparse.Namespace) -> dict[str, object]:
    used, load = process.seconds(), os.getloadavg()[0]
    outcome = run(process.port, options.clients, bodies, options.seconds).outcome
    share = (process.seconds() - used) / outcome.statuses[200]
    return outcome.describe() | {"server's ms per answer": round(1000 * share, 3), "load": load}


def _middle(rounds: list[dict[str, object]]) -> dict[str, float]:
    names = ("good answers per second", "p50 ms", "p99 ms", "server's ms per answer")
    return {name: statistics.median(float(one[name]) for one in rounds) for name in names}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--litserve", metavar="PYTHON", help="of an environment with litserve, recurra and torch")
    parser.add_argument("--name", default="throughput", help="of the file in results/")
    return parser.parse_args()


if __name__ == "__main__":
    main()
