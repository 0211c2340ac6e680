"""A training that is killed at the command line goes on with ``recurra resume`` as if nothing had happened."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from processes import kill_at, recurra, start, stop_at

ROLES = ["--time", "day", "--target", "sold", "--series", "shop", "--horizon", "3"]
OPTIONS = [
    "--steps",
    "60",
    "--checkpoint-steps",
    "4",
    "--hidden-size",
    "8",
    "--dropout",
    "0.2",
    "--threads",
    "1",
    "--refit",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "sales.csv"
    rng = np.random.default_rng(0)
    days = np.datetime64("2024-01-01") + np.arange(60)
    frames = [
        pl.DataFrame({"day": days, "shop": [shop] * 60, "sold": 20.0 + np.arange(60) % 7 + rng.normal(0, 1, 60)})
        for shop in ("a", "b", "c")
    ]
    pl.concat(frames).write_csv(path)
    return path


def test_killed_thrice_and_no_bit_differs(data, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert recurra("train", "forecasting", data, *ROLES, *OPTIONS, "--out", whole).returncode == 0
    first = killed / "run" / "select-1"
    kill_at(start("train", "forecasting", data, *ROLES, *OPTIONS, "--out", killed), first / "checkpoint-8.safetensors")
    assert "unfinished" in recurra("train", "forecasting", data, *ROLES, *OPTIONS, "--out", killed).stderr
    kill_at(start("resume", killed), first / "checkpoint-40.safetensors")
    kill_at(start("resume", killed), killed / "run" / "final-1" / "checkpoint-12.safetensors")
    assert not (killed / "bundle.json").exists()
    resumed = recurra("resume", killed)
    assert resumed.returncode == 0, resumed.stderr
    assert (killed / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    scores = [json.loads((folder / "bundle.json").read_text())["scores"] for folder in (whole, killed)]
    assert scores[0] == scores[1]
    assert not (killed / "run").exists()


def test_ctrl_c_saves_and_says_how_to_go_on(data, tmp_path):
    out = tmp_path / "model"
    process = start("train", "forecasting", data, *ROLES, *OPTIONS, "--steps", 5000, "--out", out)
    errors = stop_at(process, out / "run" / "select-1" / "checkpoint-4.safetensors")
    assert f"recurra resume {out}" in errors
    assert "Traceback" not in errors


def test_changed_data_are_refused(data, tmp_path):
    copy, out = tmp_path / "sales.csv", tmp_path / "model"
    copy.write_bytes(data.read_bytes())
    there = out / "run" / "select-1" / "checkpoint-4.safetensors"
    kill_at(start("train", "forecasting", copy, *ROLES, *OPTIONS, "--out", out), there)
    whole = copy.read_text()
    copy.write_text(whole.replace("2024-01-02,a,2", "2024-01-02,a,3", 1))
    refused = recurra("resume", out)
    assert refused.returncode == 2
    assert "they have changed" in refused.stderr
    copy.unlink()
    assert "nothing is there" in recurra("resume", out).stderr
    copy.write_text(whole)
    assert recurra("resume", out).returncode == 0
