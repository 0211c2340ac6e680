"""Tagging of three public datasets, beside ``torch.nn.LSTM`` of the same size in a hand-written loop.

    python benchmarks/tagging/run.py ewt               # the test, once
    python benchmarks/tagging/run.py ewt --torch       # then the other side, with the steps of that run
    python benchmarks/tagging/run.py ewt --validate    # for choosing: the development file

The task's own defaults are used, but for what ``SETTINGS`` says. Both sides learn from the training file alone, for the
same number of steps, in batches of the same size of the same words and letters.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import data_file, keep
from torch_side import train_and_tag

import recurra
from recurra.metrics.spans import all_spans
from recurra.settings import to_dict
from recurra.tasks.tagging.examples import Examples
from recurra.tasks.tagging.predictions import Predictions
from recurra.tasks.tagging.scores import Scores, score
from recurra.training.progress import progress_on

FILES = {
    "ewt": ("ud_english_ewt/en_ewt-ud-train.conllu.gz", "en_ewt-ud-dev.conllu.gz", "en_ewt-ud-test.conllu.gz"),
    "propbank": ("propbank_ewt_srl/train.jsonl.gz", "dev.jsonl.gz", "test.jsonl.gz"),
    "wnut17": ("wnut17/wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"),
}
"""To learn from, to choose by, for the final score; the last two lie beside the first."""
SETTINGS: dict[str, dict[str, Any]] = {
    "ewt": {},
    "propbank": {
        "token_column": "words",
        "marker_column": "preds",
        "encoder": recurra.Encoder(hidden_size=128, layers=2, bidirectional=True, dropout=0.3),
        "embedding_dropout": 0.1,
        "word_dropout": 0.1,
    },
    "wnut17": {
        "encoder": recurra.Encoder(hidden_size=128, bidirectional=True, dropout=0.5),
        "word_dropout": 0.1,
    },
}
TRAINING: dict[str, dict[str, Any]] = {
    "ewt": {},
    "propbank": {"steps": 9000, "learning_rate": 4e-3},
    "wnut17": {"steps": 1300},
}
RESULTS = Path(__file__).parent / "results"
KEPT = ("file", "sentences", "tokens", "settings", "training", "commonest tag of each word", "recurra")
GIVEN = "V"
"""The label of the predicate itself, which is given with the question."""


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    name = f"{arguments.data}-validation" if arguments.validate else arguments.data
    learn, dev, test = FILES[arguments.data]
    scored = data_file(f"{learn.split('/')[0]}/{dev if arguments.validate else test}")
    settings = recurra.Tagging(validation=0.0, test=0.0, members=arguments.members, **SETTINGS[arguments.data])
    if arguments.torch:
        result = json.loads((RESULTS / f"{name}.json").read_text())
        theirs = _torch(settings, data_file(learn), scored, result["training"])
        keep(name, {key: result[key] for key in KEPT} | {"torch": theirs}, result["command"])
    else:
        steps = {} if arguments.steps is None else {"steps": arguments.steps}
        training = {**TRAINING[arguments.data], **steps, "threads": arguments.threads, "seed": arguments.seed}
        keep(name, _recurra(settings, data_file(learn), scored, recurra.TrainingOptions(**training)))


def _recurra(settings: recurra.Tagging, learn: Path, scored: Path, options: recurra.TrainingOptions) -> dict[str, Any]:
    begin = time.perf_counter()
    bundle = recurra.train(settings, learn, options=options, progress=progress_on())
    seconds = time.perf_counter() - begin
    scores = bundle.evaluate(scored)
    return {
        "file": scored.name,
        "sentences": scores.sentences,
        "tokens": scores.tokens,
        "settings": to_dict(settings),
        "training": bundle.provenance["training"],
        "commonest tag of each word": dict(scores.naive),
        "recurra": {**_figures(scores), "seconds_to_train": seconds},
    }


def _torch(settings: recurra.Tagging, learn: Path, scored: Path, training: dict[str, Any]) -> dict[str, float]:
    """The plain model's scores; it answers with the likeliest tag of each word."""
    task, divided = settings.learn(settings.read(learn))
    sentences = settings.read(scored)
    examples = Examples(sentences, task.inputs(sentences), None)
    codes, seconds = train_and_tag(
        task, task.encode(divided.sentences), examples, training["steps"], training["batch_size"], training["seed"]
    )
    tags = _by_sentence([task.classes.names[code] for code in codes], sentences.tokens)
    said = Predictions(sentences, tags, np.ones(len(codes), np.float32), tags, examples.inputs.unknown)
    return {**_figures(score(said, task.scheme, task.classes.names)), "seconds_to_train": seconds}


def _figures(scores: Scores) -> dict[str, float]:
    """The metrics, and the F1 of spans without those that are given with the question."""
    asked = [one for one in scores.classes if one.name != GIVEN]
    if scores.scheme is None or len(asked) == len(scores.classes):
        return dict(scores.model)
    return {**scores.model, "span_f1 without V": all_spans(asked).f1}


def _by_sentence(tags: Sequence[str], sentences: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    rest = iter(tags)
    return [tuple(next(rest) for _ in tokens) for tokens in sentences]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=FILES)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--torch", action="store_true", help="torch's side, beside a result that is there")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
