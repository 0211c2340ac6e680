"""What a classifier gains by starting from a language model of unlabelled sentences of the same kind.

    python benchmarks/transfer/run.py --validate --pooling concat     # for choosing: on validation sentences
    python benchmarks/transfer/run.py --pooling max                   # the test, once

The data are ``sentence_polarity`` (Pang & Lee 2005): 10 % for the test and 10 % for validation by a fixed seed. As in
ULMFiT, a language model first reads other text of the kind, 2,000 film reviews (``movie_reviews``, Pang & Lee 2004),
and goes on with the other 80 % of the sentences, both without labels. Classifiers learn 200, 1,000 or all of the labels
of those sentences, from scratch with the task's own defaults, and with ``--from``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from record import data_file, film_sentences, keep

import recurra
from recurra.training.progress import progress_on

SIZES = (200, 1000, 0)  # labelled sentences; 0: all of them
SIZE = recurra.Encoder(hidden_size=128, dropout=0.2)
REVIEWS = recurra.Generation(
    test=0.0,
    tokens=recurra.Tokens(unit="word", vocabulary_size=16_000),
    encoder=SIZE,
    embedding_size=128,
    adaptive=True,
    chunk=32,
)
STEPS = 5000, 800  # of the language model on the reviews, and on the sentences


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    learn, validation, test = _parts()
    folder = Path(arguments.language_model or tempfile.mkdtemp()) / "model"
    language = _language_model(learn, folder)
    rows = validation if arguments.validate else test
    runs = [
        _classify(learn, rows, size, seed, start, arguments)
        for size in map(int, arguments.sizes)
        for start in ([folder] if arguments.alone else [None] if arguments.scratch else [None, folder])
        for seed in range(arguments.seeds)
    ]
    result = {"rows": len(rows), "language model": language, "runs": runs, "summary": _summary(runs)}
    keep(arguments.name, result)


def _parts() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """To learn from, for validation, for the test."""
    mixed = film_sentences()
    tenth = len(mixed) // 10
    return mixed[2 * tenth :], mixed[:tenth], mixed[tenth : 2 * tenth]


def _reviews() -> str:
    """All film reviews, one after the other."""
    with zipfile.ZipFile(data_file("movie_reviews/movie_reviews.zip")) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".txt"))
        return "\n".join(archive.read(name).decode("latin-1") for name in names)


def _language_model(learn: pl.DataFrame, folder: Path) -> dict[str, Any]:
    """Train it in two stages, unless it is there, and say what that took."""
    begin = time.perf_counter()
    reviews, sentences = folder.parent / "reviews.txt", folder.parent / "sentences.txt"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        reviews.write_text(_reviews(), encoding="utf-8")
        sentences.write_text("\n".join(learn["text"]), encoding="utf-8")
        first, second = (recurra.TrainingOptions(steps=steps, batch_size=16, threads=1) for steps in STEPS)
        progress = progress_on()
        recurra.train(REVIEWS, reviews, out=folder.parent / "reviews", options=first, progress=progress)
        goes_on = recurra.Generation(from_=str(folder.parent / "reviews"), encoder=SIZE, test=0.0, chunk=32)
        recurra.train(goes_on, sentences, out=folder, options=second, progress=progress)
        (folder.parent / "seconds").write_text(str(time.perf_counter() - begin))
    return {"steps": STEPS, "seconds": float((folder.parent / "seconds").read_text())}


def _classify(
    learn: pl.DataFrame, rows: pl.DataFrame, size: int, seed: int, start: Path | None, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Train one classifier on some of the labels, and score it."""
    some = learn[np.random.default_rng(seed).permutation(len(learn))[: size or len(learn)]]
    chosen: dict[str, Any] = {"from_": start} if start else {}
    if start and arguments.pooling:
        chosen["pooling"] = arguments.pooling
    settings = recurra.Classification(text="text", label="label", test=0.0, validation=0.1, refit=False, **chosen)
    given = {name: getattr(arguments, name) for name in ("learning_rate", "rate_divisor", "unfreeze")} if start else {}
    options = recurra.TrainingOptions(seed=seed, threads=1, **given)
    begin = time.perf_counter()
    bundle = recurra.train(settings, some, options=options)
    seconds = time.perf_counter() - begin
    scores = bundle.evaluate(rows).model
    run = {"labels": len(some), "from": bool(start), "seed": seed, "accuracy": scores["accuracy"], "seconds": seconds}
    print(run, flush=True)
    return run


def _summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kinds = list(dict.fromkeys((run["labels"], run["from"]) for run in runs))
    return [_mean([run for run in runs if (run["labels"], run["from"]) == kind]) for kind in kinds]


def _mean(runs: list[dict[str, Any]]) -> dict[str, Any]:
    accuracies = [run["accuracy"] for run in runs]
    return {
        "labels": runs[0]["labels"],
        "from": runs[0]["from"],
        "accuracy": statistics.mean(accuracies),
        "lowest": min(accuracies),
        "highest": max(accuracies),
        "seconds": statistics.mean(run["seconds"] for run in runs),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validate", action="store_true", help="score on the validation sentences, for choosing")
    parser.add_argument("--alone", action="store_true", help="only with --from")
    parser.add_argument("--scratch", action="store_true", help="only without --from")
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="labelled sentences; 0: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--language-model", metavar="DIR", help="keep it there, and use it again")
    parser.add_argument("--name", default="sentence_polarity", help="of the file in results/")
    parser.add_argument("--pooling")
    for name in ("learning-rate", "rate-divisor", "unfreeze"):
        parser.add_argument(f"--{name}", type=float)
    return parser.parse_args()


if __name__ == "__main__":
    main()
