"""The commands as a user types them: what they print, write and answer when something is wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

STEPS = ["--steps", "5", "--hidden-size", "8", "--threads", "1"]


def recurra(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "recurra", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Forty days of two shops."""
    path = tmp_path_factory.mktemp("data") / "sales.csv"
    days = np.datetime64("2024-01-01") + np.arange(40)
    frames = [
        pl.DataFrame({"day": days, "shop": [shop] * 40, "sold": 10.0 + np.arange(40) % 7 + len(shop)})
        for shop in ("a", "bb")
    ]
    pl.concat(frames).write_csv(path)
    return path


def train(data: Path, out: Path, *more: object) -> subprocess.CompletedProcess[str]:
    roles = ["--time", "day", "--target", "sold", "--series", "shop", "--horizon", "3"]
    return recurra("train", "forecasting", data, *roles, "--out", out, *STEPS, *more)


@pytest.fixture(scope="module")
def bundle(data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "model"
    result = train(data, out)
    assert result.returncode == 0, result.stderr
    assert "seasonal naive (7)" in result.stdout
    assert "2 series, 80 steps of day" in result.stderr
    return out


def test_training_leaves_a_bundle_and_a_report_and_nothing_else(bundle):
    assert sorted(file.name for file in bundle.iterdir()) == ["bundle.json", "report.html", "weights.safetensors"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_prediction_is_written(bundle, data, tmp_path, suffix):
    out = tmp_path / f"next{suffix}"
    result = recurra("predict", bundle, data, "--out", out)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"6 rows written to {out}\n"
    frame = {".csv": pl.read_csv, ".parquet": pl.read_parquet, ".jsonl": pl.read_ndjson}[suffix](out)
    assert frame.columns == ["shop", "day", "point", "q0.1", "q0.5", "q0.9"]
    assert str(frame["day"][0]).startswith("2024-02-10")


def test_a_prediction_is_shown(bundle, data):
    shown = recurra("predict", bundle, data).stdout
    assert "2024-02-12" in shown
    assert "\x1b" not in shown


def test_scores_of_other_data(bundle, data):
    assert "10 windows" in recurra("backtest", bundle, data, "--windows", 5).stdout
    assert "seasonal naive (7)" in recurra("evaluate", bundle, data).stdout


def test_info_tells_what_a_bundle_is(bundle, data):
    told = recurra("info", bundle).stdout
    assert "forecasting" in told
    assert str(data) in told
    assert "MASE" in told
    assert "bytes on disk: weights.safetensors" in told
    encoder = next(line for line in told.splitlines() if line.startswith("encoder.layer"))
    inputs = int(encoder.split("LSTM(")[1].split(",")[0])
    assert f"{4 * 8 * (inputs + 8):,} multiply-adds" in encoder


def test_a_bundle_is_never_overwritten_unless_asked(bundle, data, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    refused = train(data, copy)
    assert refused.returncode == 2
    assert "a model is in it" in refused.stderr
    assert train(data, copy, "--overwrite", "--seed", 3).returncode == 0
    assert (copy / "weights.safetensors").read_bytes() != (bundle / "weights.safetensors").read_bytes()


def test_overwriting_with_bad_data_loses_nothing(bundle, data, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    before = {file.name: file.read_bytes() for file in copy.iterdir()}
    assert train(data, copy, "--overwrite", "--past", "nothing").returncode == 2
    assert {file.name: file.read_bytes() for file in copy.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--target", "sold", "--horizon", "3"], "[Forecasting.time] this setting is required, none came."),
        (["--time", "day", "--target", "sald", "--horizon", "3"], "Did you mean 'sold'?"),
        (["--time", "day", "--target", "sold", "--horizon", "0"], "greater than or equal to 1, got 0"),
        (
            ["--time", "day", "--target", "sold", "--horizon", "3"],
            "--series",
        ),  # two rows a day: which column tells them apart?
    ],
)
def test_mistakes_are_answered_in_a_sentence(data, tmp_path, arguments, sentence):
    result = recurra("train", "forecasting", data, *arguments, "--out", tmp_path / "out", *STEPS)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_debugging_user_sees_the_traceback(data, tmp_path):
    result = recurra("--debug", "evaluate", tmp_path, data)
    assert "Traceback" in result.stderr
    assert "there is none" in result.stderr


def test_nothing_to_resume(bundle, tmp_path):
    assert "this one is finished" in recurra("resume", bundle).stderr
    assert "there is none" in recurra("resume", tmp_path).stderr


def test_help_and_version_answer_without_torch():
    code = (
        "import atexit, sys; sys.argv = ['recurra', '--help']\n"
        "atexit.register(lambda: print({'torch', 'polars', 'numpy', 'matplotlib', 'pandas'} & set(sys.modules)))\n"
        "import recurra.cli; recurra.cli.main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "backtest" in result.stdout
    assert result.stdout.strip().endswith("set()")
    assert recurra("--version").stdout.startswith("recurra ")
