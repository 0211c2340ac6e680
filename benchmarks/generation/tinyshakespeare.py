"""Tiny Shakespeare by characters, the first 90 % to learn from, the last 10 % to score on; nats per character.

    python benchmarks/generation/tinyshakespeare.py --minutes 3
    python benchmarks/generation/tinyshakespeare.py --minutes 30 --rival none

``--validate`` scores on the end of the first 90 % instead: that is what the settings were chosen on.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from contest import measure
from record import data_text, keep

import recurra

SETTINGS = {
    3: {"validation": 0.03, "test": 0.0},
    30: {
        "validation": 0.0,  # the play that most of the test is from begins at 97 % of the training part
        "test": 0.0,
        "embedding_size": 128,
        "embedding_dropout": 0.1,
        "encoder": recurra.Encoder(hidden_size=512, layers=2, dropout=0.4),
    },
}
OPTIONS: dict[int, dict[str, Any]] = {3: {}, 30: {"batch_size": 32, "learning_rate": 2e-3}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, choices=SETTINGS, default=3, help="of training, on this machine")
    parser.add_argument("--validate", action="store_true", help="score on the end of the training part")
    parser.add_argument(
        "--rival", choices=["time", "steps", "none"], default="time", help="what the rival has as much of"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, help="as many, whatever the time")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    text = data_text("tinyshakespeare/input.txt")
    border = len(text) * 9 // 10
    training, test = text[:border], text[border:]
    if arguments.validate:
        cut = training.index("\n", int(len(training) * 0.95)) + 1
        training, test = training[:cut], training[cut:]
    rival = None if arguments.rival == "none" else arguments.rival
    settings = recurra.Generation(**SETTINGS[arguments.minutes])
    options = {**OPTIONS[arguments.minutes], **({"steps": arguments.steps} if arguments.steps else {})}
    result = measure(settings, training, test, arguments.minutes, rival, **options)
    keep(f"tinyshakespeare-{arguments.minutes}-minutes{'-validate' if arguments.validate else ''}", result)


if __name__ == "__main__":
    main()
