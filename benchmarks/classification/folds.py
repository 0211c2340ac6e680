"""Both sides on folds of a dataset's training rows: what one test of so many rows cannot tell.

    python benchmarks/classification/folds.py sms_spam --steps 1200 --threads 1   # five random folds
    python benchmarks/classification/folds.py grufba3d --threads 1                # six, each a sixth of every class

No row of the test is read. Each fold is answered once, by models that learned from the others.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from datasets import DATASETS
from numpy.typing import NDArray
from record import keep
from run import SETTINGS, rows_of
from torch_side import train_and_predict

import recurra
from recurra import metrics
from recurra.training.progress import progress_on

Rows = NDArray[np.integer[Any]]


def random_folds(rows: Any, count: int) -> list[Rows]:
    return np.array_split(np.random.default_rng(0).permutation(len(rows)), count)


def parts_of_each_class(rows: Any, count: int) -> list[Rows]:
    """People follow each other within a class of the file, so a fold is one of them, as near as the data tell."""
    places = [np.array_split(np.flatnonzero(rows["y"] == kind), count) for kind in np.unique(rows["y"])]
    return [np.concatenate(fold) for fold in zip(*places, strict=True)]


FOLDS = {"sentence_polarity": (random_folds, 5), "sms_spam": (random_folds, 5), "grufba3d": (parts_of_each_class, 6)}
MEMBERS = {"sentence_polarity": 5, "sms_spam": 3, "grufba3d": 1}  # as on the test


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=FOLDS)
    parser.add_argument("--steps", type=int, help="of the optimiser; default: what the task chooses")
    parser.add_argument("--members", type=int, help="default: as on the test")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows, _ = DATASETS[arguments.data]()
    divide, count = FOLDS[arguments.data]
    members = arguments.members or MEMBERS[arguments.data]
    folds = divide(rows, count)
    counts: dict[str, list[NDArray[Any]]] = {"recurra": [], "torch": []}
    for seed, fold in enumerate(folds):
        rest = np.concatenate([other for other in folds if other is not fold])
        learn, scored = rows_of(rows, rest), rows_of(rows, fold)
        options = recurra.TrainingOptions(threads=arguments.threads, seed=seed, steps=arguments.steps)
        for side, confusion in _fold(arguments.data, members, learn, scored, options).items():
            counts[side].append(confusion)
    figures = {side: _figures(sum(some)) for side, some in counts.items()}
    keep(f"{arguments.data}-folds", {"rows": sum(map(len, folds)), **figures})


def _fold(data: str, members: int, learn: Any, rest: Any, options: recurra.TrainingOptions) -> dict[str, NDArray[Any]]:
    """How often each class was taken for each, ``[C, C]``, by either side."""
    settings = recurra.Classification(validation=0.0, test=0.0, members=members, **SETTINGS[data])
    bundle = recurra.train(settings, learn, options=options, progress=progress_on())
    task, training = bundle.task, bundle.provenance["training"]
    train, scored = (task.encode(task.read(part, answered=True)) for part in (learn, rest))
    theirs, _ = train_and_predict(task, train, scored, training["steps"], training["batch_size"], options.seed)
    ours = task.say(bundle.model, scored)
    actual = scored.target.numpy()
    said = {"recurra": ours.argmax(axis=1), "torch": theirs.argmax(axis=1)}
    return {side: metrics.confusion(actual, one, task.answers.size) for side, one in said.items()}


def _figures(counts: NDArray[Any]) -> dict[str, float]:
    return {"mistakes": int(counts.sum() - np.trace(counts)), "macro_f1": float(metrics.f1_of_classes(counts).mean())}


if __name__ == "__main__":
    main()
