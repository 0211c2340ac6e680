"""Both sides on five folds of the training rows of a dataset of texts: what one test of a thousand rows cannot tell.

    python benchmarks/classification/folds.py sms_spam --threads 1

No row of the test is read. Each fold is answered once by a model that learned from the other four.
"""

from __future__ import annotations

import argparse

import numpy as np
import polars as pl
import torch
from datasets import DATASETS
from record import keep
from torch_side import train_and_predict

import recurra
from recurra import metrics
from recurra.training.progress import progress_on

FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=["sentence_polarity", "sms_spam"])
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows, _ = DATASETS[arguments.data]()
    folds = np.array_split(np.random.default_rng(0).permutation(len(rows)), FOLDS)
    counts: dict[str, list[np.ndarray]] = {"recurra": [], "torch": []}
    for seed, fold in enumerate(folds):
        rest = np.concatenate([other for other in folds if other is not fold])
        for side, count in _fold(rows[rest], rows[fold], arguments.threads, seed).items():
            counts[side].append(count)
    keep(f"{arguments.data}-folds", {"rows": len(rows), **{side: _figures(sum(some)) for side, some in counts.items()}})


def _fold(learn: pl.DataFrame, rest: pl.DataFrame, threads: int, seed: int) -> dict[str, np.ndarray]:
    """How often each class was taken for each, ``[C, C]``, by either side."""
    settings = recurra.Classification(text="text", label="label", validation=0.0, test=0.0)
    options = recurra.TrainingOptions(threads=threads, seed=seed)
    bundle = recurra.train(settings, learn, options=options, progress=progress_on())
    task, training = bundle.task, bundle.provenance["training"]
    train, scored = (task.encode(task.read(part, answered=True)) for part in (learn, rest))
    theirs, _ = train_and_predict(task, train, scored, training["steps"], training["batch_size"], seed)
    ours = task.say(bundle.model, scored)
    actual = scored.target.numpy()
    said = {"recurra": ours.argmax(axis=1), "torch": theirs.argmax(axis=1)}
    return {side: metrics.confusion(actual, one, task.answers.size) for side, one in said.items()}


def _figures(counts: np.ndarray) -> dict[str, float]:
    return {"mistakes": int(counts.sum() - np.trace(counts)), "macro_f1": float(metrics.f1_of_classes(counts).mean())}


if __name__ == "__main__":
    main()
