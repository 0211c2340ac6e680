"""Tagging at the command line: its words, its files and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from command_line import recurra

STEPS = ["--steps", "6", "--hidden-size", "8", "--embedding-size", "8", "--character-size", "4", "--threads", "1"]
SENTENCES = [
    ["Ann B-PER", "Lee I-PER", "sleeps O"],
    ["in O", "Rome B-LOC"],
    ["Bob B-PER", "sees O", "Paris B-LOC"],
]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Sixty sentences in columns."""
    path = tmp_path_factory.mktemp("data") / "names.conll"
    path.write_text("".join("\n".join(SENTENCES[n % 3]) + "\n\n" for n in range(60)))
    return path


@pytest.fixture(scope="module")
def bundle(data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "model"
    result = recurra("train", "tagging", data, "--out", out, *STEPS)
    assert result.returncode == 0, result.stderr
    assert "60 sentences, 160 tokens: 48 to learn from" in result.stderr
    assert "4 tags (spans in BIO; a CRF)" in result.stderr
    assert "commonest tag of each word" in result.stdout
    return out


def test_training_leaves_a_bundle_and_a_report_and_nothing_else(bundle):
    assert sorted(file.name for file in bundle.iterdir()) == ["bundle.json", "report.html", "weights.safetensors"]
    assert "tagging, " in recurra("info", bundle).stdout


def test_predictions_are_written_and_shown(bundle, data, tmp_path):
    out = tmp_path / "said.csv"
    assert recurra("predict", bundle, data, "--out", out).stdout == f"160 rows written to {out}\n"
    assert pl.read_csv(out).columns == ["sentence", "token", "tag", "probability"]
    (tmp_path / "bare.txt").write_text("Ann\nsleeps\n")
    shown = recurra("predict", bundle, tmp_path / "bare.txt").stdout
    assert "sleeps" in shown


def test_a_file_is_evaluated(bundle, data):
    assert "span F1" in recurra("evaluate", bundle, data).stdout


def test_roles_are_learned_from_json_lines(tmp_path):
    row = {"words": ["I", "see", "it"], "preds": [{"i": 1, "tags": ["B-ARG0", "B-V", "B-ARG1"]}]}
    path = tmp_path / "roles.jsonl"
    path.write_text((json.dumps(row) + "\n") * 40)
    columns = ["--token-column", "words", "--marker-column", "preds"]
    result = recurra("train", "tagging", path, *columns, "--out", tmp_path / "m", *STEPS)
    assert result.returncode == 0, result.stderr
    path.write_text('{"words": ["I", "see"], "preds": [{"i": 1}]}\n')
    assert recurra("predict", tmp_path / "m", path).returncode == 0


BROKEN = {
    "a token without a tag": (b"a X\nb\n\n", "line 2] every line must have 2 columns"),
    "unequal columns": (b"a X\nb Y Z\n\n", "line 2] every line must have 2 columns"),
    "mixed encodings": ("naïve X\n".encode() + "café Y\n".encode("latin-1"), "line 2"),
    "one tag": (b"a X\nb X\n\n" * 20, "there must be two tags or more, only 'X' came"),
    "an empty file": (b"", "it is empty"),
    "no tags at all": (b"a\nb\n", "--token-column, --tag-column"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_refused_in_a_sentence_and_nothing_is_written(tmp_path, kind):
    content, sentence = BROKEN[kind]
    (tmp_path / "names.conll").write_bytes(content)
    result = recurra("train", "tagging", tmp_path / "names.conll", "--out", tmp_path / "m", *STEPS)
    assert result.returncode == 2, result.stderr
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tag-column", "3"], "column 3 must be one of 1 to 2"),
        (["--tag-column", "pos"], "its columns have no names"),
        (["--head", "cfr"], "'cfr' is not one of"),
        (["--vectors", "nowhere.txt"], "none is. Check the path."),
        (["--reset", "before"], "Encoder.reset"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(data, tmp_path, arguments, sentence):
    result = recurra("train", "tagging", data, *arguments, "--out", tmp_path / "m", *STEPS)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert not (tmp_path / "m").exists()


def test_a_tag_only_in_the_evaluation_file_is_said(bundle, tmp_path):
    (tmp_path / "new.conll").write_text("Ann B-PER\nsleeps B-VERB\n")
    result = recurra("evaluate", bundle, tmp_path / "new.conll")
    assert result.returncode == 0, result.stderr
    assert "1 token with a tag that was never learned" in result.stdout
