"""Recurra's layers beside torch's, on this machine's processor: all suites, or those named.

    python benchmarks/layers/run.py --threads 2 --out results/layers.json
    python benchmarks/layers/run.py training inference --isa avx2 --out results/avx2.json
    python benchmarks/layers/run.py training --hidden 32 64 --batch 1 --budget 0.01      # a quick look

``--out`` is a path from this folder; without it nothing is written.
"""

from __future__ import annotations

import argparse
import os

import torch

NAMES = (
    *("training", "inference", "last-step", "lengths", "gru", "rnn", "variants"),
    *("streaming", "compressed", "float64"),
)


def main() -> None:
    arguments = _arguments()
    if arguments.isa:
        os.environ["RECURRA_ISA"] = arguments.isa  # read when recurra is imported, so the suites come after
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    from record import keep
    from suites import SUITES, Choice

    choice = Choice(arguments.budget, tuple(arguments.hidden), tuple(arguments.batch))
    results = {}
    for name in arguments.suites or NAMES:
        results[name] = SUITES[name](choice)
        if arguments.out:
            keep(arguments.out, results)  # after each, so that a long run that is stopped leaves what it has


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(NAMES)}; all without any")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--isa", choices=("baseline", "avx2", "avx512"), help="recurra's instruction set; torch's stays"
    )
    parser.add_argument("--budget", type=float, default=0.3, help="seconds of each contestant in each case")
    parser.add_argument("--hidden", type=int, nargs="+", default=[], metavar="H", help="only these hidden sizes")
    parser.add_argument("--batch", type=int, nargs="+", default=[], metavar="B", help="only these batch sizes")
    parser.add_argument("--out", metavar="results/NAME.json")
    arguments = parser.parse_args()
    if unknown := set(arguments.suites) - set(NAMES):
        parser.error(f"no suite named {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return arguments


if __name__ == "__main__":
    main()
