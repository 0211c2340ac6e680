"""WikiText-2 by words: its validation text to learn from (the training text is not at hand), its test text to score on.

    python benchmarks/generation/wikitext2.py

``--validate`` scores on the end of the validation text instead: that is what the settings were chosen on. Words are as
the corpus has cut them, a line break is a word, every word of the text that is learned from is known.
"""

from __future__ import annotations

import argparse

import torch
from contest import measure
from record import data_text, keep

import recurra

SETTINGS = {
    "tokens": recurra.Tokens(unit="word", split="spaces"),
    "chunk": 35,
    "embedding_size": 256,
    "adaptive": True,
    "embedding_dropout": 0.2,
    "validation": 0.05,
    "test": 0.0,
    "encoder": recurra.Encoder(hidden_size=256, dropout=0.4, weight_drop=0.2),
}
OPTIONS = {"batch_size": 16, "learning_rate": 4e-3, "l2": 1e-3}
MINUTES = 0.4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--validate", action="store_true", help="score on the end of the validation text")
    parser.add_argument("--rival", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    training, test = (data_text(f"wikitext2_valid_test/{name}.txt.gz") for name in ("valid", "test"))
    if arguments.validate:
        cut = training.index("\n", int(len(training) * 0.9)) + 1
        training, test = training[:cut], training[cut:]
    settings = recurra.Generation(**SETTINGS)
    rival = "time" if arguments.rival else None
    result = measure(settings, training, test, arguments.minutes, rival, **OPTIONS)
    keep(f"wikitext2{'-validate' if arguments.validate else ''}", result)


if __name__ == "__main__":
    main()
