"""``--from`` at the command line: a killed run goes on when the language model is gone, and mistakes are said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from processes import kill_at, recurra, start

WORDS = ("the", "cat", "dog", "sees", "likes", "milk")
LEARN = ["--text", "text", "--label", "kind", "--steps", 60, "--checkpoint-steps", 4, "--batch-size", 8, "--threads", 1]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path, random = tmp_path_factory.mktemp("data") / "rows.csv", np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, 5)) for _ in range(60)]
    pl.DataFrame({"text": texts, "kind": ["cat" if "cat" in text else "none" for text in texts]}).write_csv(path)
    return path


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    path, random = tmp_path_factory.mktemp("text") / "text.txt", np.random.default_rng(1)
    path.write_text("".join(f"{' '.join(random.choice(WORDS, 4))}\n" for _ in range(150)))
    return path


@pytest.fixture(scope="module")
def language_model(text, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("model") / "language"
    size = ["--unit", "word", "--hidden-size", 8, "--layers", 2, "--chunk", 8, "--batch-size", 4, "--threads", 1]
    done = recurra("train", "generation", text, "--out", out, "--steps", 30, *size)
    assert done.returncode == 0, done.stderr
    return out


def test_killed_twice_without_the_language_model_and_no_bit_differs(language_model, data, tmp_path):
    whole, killed, old = tmp_path / "whole", tmp_path / "killed", shutil.copytree(language_model, tmp_path / "old")
    begin = ["train", "classification", data, "--from", old, *LEARN, "--unfreeze", 0.3, "--refit"]
    done = recurra(*begin, "--out", whole)
    assert done.returncode == 0, done.stderr
    kill_at(start(*begin, "--out", killed), killed / "run" / "select-1" / "checkpoint-8.safetensors")  # the head only
    shutil.rmtree(old)
    kill_at(start("resume", killed), killed / "run" / "final-1" / "checkpoint-28.safetensors")  # two layers learn
    resumed = recurra("resume", killed)
    assert resumed.returncode == 0, resumed.stderr
    assert (killed / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    manifests = [json.loads((folder / "bundle.json").read_text()) for folder in (whole, killed)]
    assert manifests[0]["scores"] == manifests[1]["scores"]
    assert manifests[0]["provenance"]["from"] == manifests[1]["provenance"]["from"]
    assert not (killed / "run").exists()


def test_a_run_whose_start_was_changed_is_not_resumed(language_model, data, tmp_path):
    out = tmp_path / "new"
    begin = ["train", "classification", data, "--from", language_model, *LEARN, "--steps", 100_000]
    kill_at(start(*begin, "--out", out), out / "run" / "select-1" / "checkpoint-8.safetensors")
    weights = out / "run" / "start" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    done = recurra("resume", out)
    assert (done.returncode, "it has changed" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


def test_a_language_model_goes_on_with_another_text(language_model, text, tmp_path):
    done = recurra("train", "generation", text, "--from", language_model, "--out", tmp_path / "more", "--steps", 20)
    assert done.returncode == 0, done.stderr
    shown = recurra("info", tmp_path / "more").stdout
    assert f"started from {language_model}, SHA-256 " in shown
    assert recurra("generate", tmp_path / "more", "--prompt", "the cat", "--length", 3).stdout.startswith("the cat")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "absent"], "there is none. Check the path"),
        (["--from", "LM", "--hidden-size", 9], "Encoder.hidden_size] must be 8, as in the language model"),
        (["--from", "LM", "--unit", "character"], "Tokens.unit] must be 'word'"),
        (["--from", "LM", "--rate-divisor", 0.5], "TrainingOptions.rate_divisor"),
        (["--unfreeze", 0.2], "this model starts afresh"),
    ],
)
def test_mistakes_are_a_sentence_and_nothing_is_written(language_model, data, tmp_path, arguments, message):
    arguments = [language_model if argument == "LM" else argument for argument in arguments]
    done = recurra("train", "classification", data, *LEARN, *arguments, "--out", tmp_path / "new")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_forecaster_has_no_such_flag(data, language_model, tmp_path):
    done = recurra("train", "forecasting", data, "--from", language_model, "--out", tmp_path / "new")
    assert (done.returncode, "--from" in done.stderr) == (2, True)
