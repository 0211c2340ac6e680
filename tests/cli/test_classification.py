"""Classification at the command line: its words, its files, its errors, and a kill in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import recurra

STEPS = ["--steps", "6", "--hidden-size", "8", "--embedding-size", "8", "--threads", "1"]
TEXT = ["--text", "message", "--label", "kind"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Sixty messages, one of them over two lines."""
    folder = tmp_path_factory.mktemp("data")
    words = ["win", "money", "now"], ["see", "you", "soon"]
    random = np.random.default_rng(0)
    rows = [{"message": " ".join(random.choice(words[n % 2], 4)), "kind": ("spam", "ham")[n % 2]} for n in range(60)]
    rows[5]["message"] = "see you\nsoon, then"
    pl.DataFrame(rows).write_csv(folder / "mail.csv")
    return folder / "mail.csv"


@pytest.fixture(scope="module")
def bundle(data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "model"
    result = recurra("train", "classification", data, *TEXT, "--out", out, *STEPS)
    assert result.returncode == 0, result.stderr
    assert "60 texts of 2 classes: 48 to learn from" in result.stderr
    assert "always 'ham'" in result.stdout or "always 'spam'" in result.stdout
    return out


def test_training_leaves_a_bundle_and_a_report_and_nothing_else(bundle):
    assert sorted(file.name for file in bundle.iterdir()) == ["bundle.json", "report.html", "weights.safetensors"]
    report = (bundle / "report.html").read_text()
    for title in ("Scores", "Classes", "Calibration", "Hardest rows", "Training", "Data"):
        assert f"<h2>{title}</h2>" in report


def test_predictions_are_written_and_shown(bundle, data, tmp_path):
    out = tmp_path / "said.csv"
    assert recurra("predict", bundle, data, "--out", out).stdout == f"60 rows written to {out}\n"
    frame = pl.read_csv(out)
    assert frame.columns == ["message", "kind", "probability", "p(ham)", "p(spam)"]
    assert frame["message"][5] == "see you\nsoon, then"
    assert "probability" in recurra("predict", bundle, data).stdout


def test_evaluate_and_info(bundle, data):
    assert "macro F1" in recurra("evaluate", bundle, data).stdout
    told = recurra("info", bundle).stdout
    assert "classification" in told
    assert "60 rows" in told


def test_a_classifier_has_no_backtest(bundle, data):
    refused = recurra("backtest", bundle, data, "--windows", 2)
    assert refused.returncode == 2
    assert "this one is for classification" in refused.stderr


@pytest.mark.parametrize("kind", ["json lines", "tsv", "parquet", "npz", "long form"])
def test_every_kind_of_file(tmp_path, data, kind):
    frame, arguments = pl.read_csv(data), list(TEXT)
    signals = np.random.default_rng(0).normal(size=(60, 5, 2))
    if kind == "json lines":
        frame.write_ndjson(path := tmp_path / "mail.jsonl")
    elif kind == "tsv":
        frame.write_csv(path := tmp_path / "mail.tsv", separator="\t")
    elif kind == "parquet":
        frame.write_parquet(path := tmp_path / "mail.parquet")
    elif kind == "npz":
        np.savez(path := tmp_path / "signals.npz", x=signals, kind=np.arange(60) % 3)
        arguments = ["--label", "kind"]
    else:
        rows = [(f"s{n}", t, *signals[n, t], n % 3) for n in range(60) for t in range(5)]
        pl.DataFrame(rows, ["id", "t", "u", "v", "kind"], orient="row").write_csv(path := tmp_path / "long.csv")
        arguments = ["--sequence", "id", "--time", "t", "--label", "kind", "--features", "u", "--features", "v"]
    result = recurra("train", "classification", path, *arguments, "--out", tmp_path / "m", *STEPS)
    assert result.returncode == 0, result.stderr
    assert recurra("evaluate", tmp_path / "m", path).returncode == 0


BROKEN = {
    "unequal columns": (b"message,kind\na b,x\nc,d,y\n", "line 3"),
    "mixed encodings": ("message,kind\nnaïve,x\n".encode() + "café,y\n".encode("latin-1"), "line 3, column 1, byte 4"),
    "an empty text": (b"message,kind\na,x\n,y\nb,x\nc,y\n", "line 3] there must be something to read"),
    "no label": (b"message,kind\na,x\nb,\n", "line 3, column 'kind'] every row must have a label"),
    "a label seen once": (b"message,kind\na,ham\nb,hma\nc,ham\nd,spam\ne,spam\n", "line 3] a label must come 2 times"),
    "one class": (b"message,kind\na,x\nb,x\n", "there must be two classes or more, only 'x' came"),
    "an empty file": (b"", "the file is empty"),
    "a wrong column": (b"mesage,kind\na,x\n", "Did you mean 'mesage'?"),
    "an open quote": (b'message,kind\n"a,x\nb,y\n', "line 2"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_refused_in_a_sentence_and_nothing_is_written(tmp_path, kind):
    content, sentence = BROKEN[kind]
    (tmp_path / "mail.csv").write_bytes(content)
    result = recurra("train", "classification", tmp_path / "mail.csv", *TEXT, "--out", tmp_path / "m", *STEPS)
    assert result.returncode == 2, result.stderr
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--label", "kind"], "a table needs --text COLUMN"),
        (["--text", "message"], "[Classification.label] this setting is required for a table"),
        ([*TEXT, "--pooling", "first"], "'first' is not one of"),
        ([*TEXT, "--vectors", "nowhere.txt"], "none is. Check the path."),
    ],
)
def test_mistakes_are_answered_in_a_sentence(data, tmp_path, arguments, sentence):
    result = recurra("train", "classification", data, *arguments, "--out", tmp_path / "m", *STEPS)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert not (tmp_path / "m").exists()


def test_a_label_only_in_the_evaluation_file(bundle, tmp_path):
    (tmp_path / "new.csv").write_text("message,kind\nsee you,ham\nwin,sapm\n")
    result = recurra("evaluate", bundle, tmp_path / "new.csv")
    assert result.returncode == 2
    assert "line 3] the label must be one that was learned, 'sapm' came. Did you mean 'spam'?" in result.stderr


def test_killed_and_no_bit_differs(data, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = [*TEXT, "--steps", 40, "--checkpoint-steps", 4, "--hidden-size", 8, "--threads", 1, "--members", 2]
    assert recurra("train", "classification", data, *options, "--out", whole).returncode == 0
    command = [sys.executable, "-m", "recurra", "train", "classification", data, *options, "--out", killed]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (killed / "run" / "select-2" / "checkpoint-8.safetensors").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "bundle.json").exists()
    resumed = recurra("resume", killed)
    assert resumed.returncode == 0, resumed.stderr
    assert (killed / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    scores = [json.loads((folder / "bundle.json").read_text())["scores"] for folder in (whole, killed)]
    assert scores[0] == scores[1]
