"""Classification of five public datasets, beside ``torch.nn.LSTM`` of the same size in a hand-written loop.

    python benchmarks/classification/run.py sentence_polarity               # the test, once
    python benchmarks/classification/run.py sentence_polarity --validate    # for choosing: a part of the training rows
    python benchmarks/classification/run.py fashion_mnist --alone           # without the other side, and afterwards
    python benchmarks/classification/run.py fashion_mnist --torch           # that side, with the steps of that run

The task's own defaults are used, but for what ``SETTINGS`` says; nothing is held out of the training rows but by
``--validate``, so that both sides learn from the same ones.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import DATASETS
from record import keep
from torch_side import train_and_predict

import recurra
from recurra import metrics
from recurra.tasks.classification.split import divide
from recurra.training.progress import progress_on

SETTINGS: dict[str, dict[str, Any]] = {
    "sentence_polarity": {"text": "text", "label": "label"},
    "sms_spam": {"text": "text", "label": "label", "tokens": {"min_count": 2, "lowercase": True, "zero_digits": True}},
    "japanese_vowels": {},
    "fashion_mnist": {"embedding_size": 64},
    "grufba3d": {"pooling": "concat"},
}
RESULTS = Path(__file__).parent / "results"
HELD_OUT = 0.15  # of the training rows, with --validate


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    learn, test = DATASETS[arguments.data]()
    chosen = {**SETTINGS[arguments.data], "members": arguments.members}
    settings = recurra.Classification(validation=0.0, test=0.0, **chosen)
    _, divided = settings.learn(settings.read(learn))
    if arguments.validate:
        parts = divide(divided.samples, 0.0, HELD_OUT, seed=1)
        learn, test = (rows_of(learn, part) for part in (parts.training, parts.test))
    name = f"{arguments.data}-validation" if arguments.validate else arguments.data
    name += f"-seed-{arguments.seed}" if arguments.seed else ""
    if arguments.torch:
        task, _ = settings.learn(settings.read(learn))
        known = json.loads((RESULTS / f"{name}.json").read_text())
        result = {key: known[key] for key in ("data", "rows", "recurra", "settings", "training")}
        result["torch"] = _beside(task, known["training"], learn, test, arguments.seed)
        keep(name, result, known["command"])
        return
    options = recurra.TrainingOptions(threads=arguments.threads, seed=arguments.seed, steps=arguments.steps)
    begin = time.perf_counter()
    bundle = recurra.train(settings, learn, options=options, progress=progress_on())
    seconds = time.perf_counter() - begin
    scores = bundle.evaluate(test)
    ours = {**scores.model, "seconds_to_train": seconds}
    result = {"data": arguments.data, "rows": scores.samples, "recurra": ours}
    result |= {"settings": chosen, "training": bundle.provenance["training"]}
    keep(name, result)  # also if the other side is not waited for
    if not arguments.alone:
        training = bundle.provenance["training"]
        keep(name, result | {"torch": _beside(bundle.task, training, learn, test, arguments.seed)})


def _beside(task: Any, training: Mapping[str, Any], learn: Any, test: Any, seed: int) -> dict[str, float]:
    train, scored = (task.encode(task.read(part, answered=True)) for part in (learn, test))
    said, seconds = train_and_predict(task, train, scored, training["steps"], training["batch_size"], seed)
    actual = scored.target.numpy()
    best = said.argmax(axis=1)
    f1 = metrics.f1_of_classes(metrics.confusion(actual, best, task.answers.size))
    return {
        "accuracy": metrics.accuracy(actual, best),
        "macro_f1": float(np.nanmean(f1)),
        "log_loss": metrics.log_loss(actual, said),
        "calibration_error": metrics.calibration_error(best == actual, said.max(axis=1)),
        "seconds_to_train": seconds,
    }


def rows_of(data: Any, chosen: np.ndarray) -> Any:
    """Some rows of a frame or of arrays, or of the sequences of a file, as the same kind."""
    if isinstance(data, dict):
        return {name: values[chosen] for name, values in data.items()}
    if not isinstance(data, str) and hasattr(data, "columns"):
        return data[chosen]
    whole = recurra.Classification().read(data)
    return replace(whole, samples=whole.samples.take(chosen))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=DATASETS)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help="without torch's side")
    parser.add_argument("--torch", action="store_true", help="torch's side, beside a result that is there")
    parser.add_argument("--steps", type=int, help="of the optimiser; default: what the task chooses")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
