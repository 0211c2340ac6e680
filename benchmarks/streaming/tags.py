"""Taggers fed token by token, beside the prediction of the whole sentence.

    OMP_NUM_THREADS=1 python benchmarks/streaming/tags.py --keep

Two small taggers that read forwards are trained: parts of speech, and names in BIO. The development files go through a
session, token by token; what it said of each is compared with what ``predict`` says of the complete sentence.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1]))

import measuring
import recurra
from recurra.data.sentences import Sentences
from recurra.tasks.tagging.schemes import breaks

FILES = {
    "parts of speech": ("ud_english_ewt/en_ewt-ud-train.conllu.gz", "ud_english_ewt/en_ewt-ud-dev.conllu.gz"),
    "names": ("uner_danish_ddt/da_ddt-ud-train.iob2.gz", "uner_danish_ddt/da_ddt-ud-dev.iob2.gz"),
}
SETTINGS: dict[str, dict[str, Any]] = {"parts of speech": {}, "names": {"token_column": "2", "tag_column": "3"}}
ENCODER = recurra.Encoder(hidden_size=128, dropout=0.5)
OPTIONS = recurra.TrainingOptions(steps=600, threads=1)


def train(name: str) -> recurra.Bundle:
    """A tagger that can be fed."""
    settings = recurra.Tagging(head="linear", test=0.0, refit=False, encoder=ENCODER, **SETTINGS[name])
    return recurra.train(settings, measuring.data_file(FILES[name][0]), options=OPTIONS)


def feed(bundle: recurra.Bundle, sentences: Sentences) -> tuple[list[list[dict[str, Any]]], list[float]]:
    """What a session says of each token of each sentence, and the microseconds of each."""
    session, answers, times = recurra.Session(bundle), [], []
    for tokens in sentences.tokens:
        session.feed(None)
        said = []
        for token in tokens:
            started = time.perf_counter()
            said.append(session.feed(token))
            times.append(1e6 * (time.perf_counter() - started))
        answers.append(said)
    return answers, times


def compare(name: str) -> dict[str, Any]:
    """The session beside the prediction of whole sentences."""
    bundle = train(name)
    task: Any = bundle.task
    sentences = task.settings.read(measuring.data_file(FILES[name][1]))
    whole = task.predict_sentences(bundle.model, sentences)
    answers, times = feed(bundle, sentences)
    tags = [[one["tag"] for one in said] for said in answers]
    pairs = [(one, other) for row in zip(tags, whole.tags, strict=True) for one, other in zip(*row, strict=True)]
    probability = np.array([one["probability"] for said in answers for one in said])
    result = {
        "scheme": task.scheme,
        "tokens": len(pairs),
        "otherwise in the whole sentence": sum(one != other for one, other in pairs),
        "microseconds per token, median": round(statistics.median(times), 1),
    }
    if task.scheme is None:
        return result | {"largest difference of probabilities": float(np.abs(probability - whole.probability).max())}
    return result | {"tags that break the scheme": sum(breaks(row, task.scheme) for row in tags)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="write results/tags.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = {name: compare(name) for name in FILES}
    if arguments.keep:
        measuring.keep("tags", result)
    else:
        print(result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
