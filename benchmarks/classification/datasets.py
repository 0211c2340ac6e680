"""The five datasets, as what recurra reads: rows to learn from and rows to be tested on, which no choice ever saw."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from record import data_file

Parts = tuple[Any, Any]
"""To learn from, and for the test."""


def sentence_polarity() -> Parts:
    """10,662 sentences of film reviews (Pang & Lee 2005); 10 % test by a fixed seed."""
    rows: list[tuple[str, str]] = []
    with zipfile.ZipFile(data_file("sentence_polarity/sentence_polarity.zip")) as archive:
        for name in sorted(archive.namelist()):
            if "rt-polarity." in name:
                lines = archive.read(name).decode("latin-1").splitlines()
                rows += [(line.strip(), name.rsplit(".", 1)[1]) for line in lines if line.strip()]
    return _cut(pl.DataFrame(rows, ["text", "label"], orient="row"), 0.1)


def sms_spam() -> Parts:
    """5,574 text messages; 20 % test by a fixed seed."""
    lines = data_file("sms_spam/SMSSpamCollection").read_text(encoding="utf-8").split("\n")
    rows = [tuple(reversed(line.split("\t", 1))) for line in lines if line.strip()]
    return _cut(pl.DataFrame(rows, ["text", "label"], orient="row"), 0.2)


def japanese_vowels() -> Parts:
    """270 utterances of nine speakers to learn from, 370 for the test, as the archive divides them."""
    return tuple(data_file(f"uea_small/JapaneseVowels_{part}.ts") for part in ("TRAIN", "TEST"))  # type: ignore[return-value]


def fashion_mnist() -> Parts:
    """60,000 and 10,000 images of 28 rows, as published."""
    return tuple(data_file(f"fashion_mnist/{part}-images-idx3-ubyte.gz") for part in ("train", "t10k"))  # type: ignore[return-value]


def grufba3d() -> Parts:
    """1,099 gestures of both hands; the last seventh of each class in the file's order is the test.

    Seven people made them, and who made which is not told. Each made his or her 15 to 30 of a class in one go, so the
    end of a class is mostly one person who is not among those before.
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


def _cut(frame: pl.DataFrame, share: float) -> Parts:
    order = np.random.default_rng(0).permutation(frame.height)
    count = int(frame.height * share)
    return frame[order[count:]], frame[order[:count]]


def _take(x: Any, y: Any, lengths: Any, chosen: Any) -> dict[str, Any]:
    return {"x": x[chosen], "y": y[chosen], "lengths": lengths[chosen]}
