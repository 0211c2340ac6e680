"""The five datasets, as what recurra reads: rows to learn from and rows to be tested on, which no choice ever saw."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from record import data_file, film_sentences

Parts = tuple[Any, Any]
"""To learn from, and for the test."""


def sentence_polarity() -> Parts:
    """10,662 sentences of film reviews (Pang & Lee 2005); 10 % test by a fixed seed."""
    return _cut(film_sentences(), 0.1)


def sms_spam() -> Parts:
    """5,574 text messages; 20 % test by a fixed seed."""
    lines = data_file("sms_spam/SMSSpamCollection").read_text(encoding="utf-8").split("\n")
    rows = [tuple(reversed(line.split("\t", 1))) for line in lines if line.strip()]
    frame = pl.DataFrame(rows, ["text", "label"], orient="row")
    return _cut(frame[np.random.default_rng(0).permutation(len(frame))], 0.2)


def japanese_vowels() -> Parts:
    """270 utterances of nine speakers to learn from, 370 for the test, as the archive divides them."""
    return tuple(data_file(f"uea_small/JapaneseVowels_{part}.ts") for part in ("TRAIN", "TEST"))  # type: ignore[return-value]


def fashion_mnist() -> Parts:
    """60,000 and 10,000 images of 28 rows, as published."""
    return tuple(data_file(f"fashion_mnist/{part}-images-idx3-ubyte.gz") for part in ("train", "t10k"))  # type: ignore[return-value]


def grufba3d() -> Parts:
    """1,099 gestures of both hands; the last seventh of each class in the file's order is the test.

    Seven people made them, and who made which is not told. If they were recorded one after the other, as it seems, the
    last seventh of a class is one person who is hardly among those before: the nearest to a split by person.
    """
    sequences: list[list[list[float]]] = []
    labels: list[str] = []
    with gzip.open(data_file("grufba3d/grufba_origin.txt.gz"), "rt") as file:
        for parts in map(str.split, file):
            if parts[:1] == ["gesture"]:
                labels.append(parts[1])
                sequences.append([])
            elif parts and parts != ["end"]:
                sequences[-1].append([float(value) for value in parts])
    lengths = np.array([len(one) for one in sequences])
    x = np.zeros((len(sequences), lengths.max(), 6), np.float32)
    for row, one in zip(x, sequences, strict=True):
        row[: len(one)] = one
    y = np.array(labels)
    places = [np.flatnonzero(y == kind) for kind in sorted(set(labels))]
    first = np.concatenate([place[: round(6 / 7 * len(place))] for place in places])
    return _take(x, y, lengths, first), _take(x, y, lengths, np.setdiff1d(np.arange(len(y)), first))


DATASETS: dict[str, Callable[[], Parts]] = {
    "sentence_polarity": sentence_polarity,
    "sms_spam": sms_spam,
    "japanese_vowels": japanese_vowels,
    "fashion_mnist": fashion_mnist,
    "grufba3d": grufba3d,
}


def _cut(mixed: pl.DataFrame, share: float) -> Parts:
    count = int(mixed.height * share)
    return mixed[count:], mixed[:count]


def _take(x: Any, y: Any, lengths: Any, chosen: Any) -> dict[str, Any]:
    return {"x": x[chosen], "y": y[chosen], "lengths": lengths[chosen]}
