"""Language models at the command line: training, writing, scoring, killing, and every way to get it wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from processes import kill_at, recurra, start, stop_at

SIZE = ["--hidden-size", "16", "--chunk", "16", "--batch-size", "4", "--threads", "1", "--learning-rate", "0.02"]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """Two files of nonsense."""
    folder, random = tmp_path_factory.mktemp("text"), np.random.default_rng(0)
    words = ("the", "cat", "dog", "sees", "likes", "milk")
    paths = [folder / "one.txt", folder / "two.txt"]
    for path in paths:
        path.write_text("".join(f"{' '.join(random.choice(words, 4))}.\n" for _ in range(120)))
    return paths


@pytest.fixture(scope="module")
def bundle(files, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "model"
    done = recurra("train", "generation", *files, "--out", out, "--steps", 150, *SIZE)
    assert done.returncode == 0, done.stderr
    assert "bits per character" in done.stdout
    assert f"recurra generate {out} --prompt TEXT" in done.stdout
    assert "for validation" in done.stderr
    return out


def test_training_leaves_a_bundle_and_a_report(bundle):
    assert sorted(file.name for file in bundle.iterdir()) == ["bundle.json", "report.html", "weights.safetensors"]


def test_the_prompt_and_what_follows_are_written(bundle):
    done = recurra("generate", bundle, "--prompt", "the cat", "--length", 40)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the cat")
    assert len(done.stdout) == len("the cat") + 40 + 1
    assert done.stdout == recurra("generate", bundle, "--prompt", "the cat", "--length", 40, "--seed", 0).stdout
    assert done.stdout != recurra("generate", bundle, "--prompt", "the cat", "--length", 40, "--seed", 1).stdout


def test_it_is_written_as_it_is_made(bundle):
    process = start("generate", bundle, "--length", 100_000_000)
    assert process.stdout is not None
    assert process.stdout.read(20)
    process.kill()
    process.communicate()


def test_a_saved_state_goes_on(bundle, tmp_path):
    way = ["--temperature", 1.1]
    whole = recurra("generate", bundle, "--prompt", "the", "--length", 30, *way).stdout
    first = recurra("generate", bundle, "--prompt", "the", "--length", 10, "--save-state", tmp_path / "s", *way).stdout
    second = recurra("generate", bundle, "--state", tmp_path / "s", "--length", 20, *way).stdout
    assert first.removesuffix("\n") + second == whole


def test_settings_of_a_file_are_read(bundle, tmp_path):
    (tmp_path / "way.toml").write_text('[sampling]\nlength = 7\nstop = ["zzz"]\n')
    done = recurra("generate", bundle, "--config", tmp_path / "way.toml")
    assert len(done.stdout) == 8


def test_unknown_symbols_of_the_prompt_are_said(bundle):
    done = recurra("generate", bundle, "--prompt", "the Ω", "--length", 5)
    assert done.returncode == 0
    assert "notice: 1 character of the prompt came in no training text, first 'Ω'; it is read as unknown" in done.stderr


def test_files_are_scored_together(bundle, files):
    done = recurra("evaluate", bundle, *files)
    assert done.returncode == 0, done.stderr
    size = sum(len(file.read_text()) for file in files)
    assert f"Scored on {size:,} characters, from" in done.stdout


def test_info_tells_of_the_model(bundle, files):
    shown = recurra("info", bundle).stdout
    assert "generation, " in shown
    assert str(files[0]) in shown
    assert "characters, SHA-256" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--temperature", "0"], "Sampling.temperature"),
        (["--top-p", "2"], "Sampling.top_p"),
        (["--beam", "2", "--top-k", "3"], "a beam draws nothing"),
        (["--state", "absent"], "a saved state must be there"),
        (["--save-state", "no/such/folder/s"], "its folder must exist"),
    ],
)
def test_bad_wishes_are_a_sentence(bundle, arguments, message):
    done = recurra("generate", bundle, "--prompt", "A", "--length", 3, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"fine\n" * 30 + b"caf\xe9\n", "line 31, byte 4"),
        (b"fine\n" * 30 + b"\0\1\2", "not a file of text"),
        ("wide " * 20, "this is UTF-16"),
        (b"short", "16 symbols to learn from"),
        (None, "none is. Check the path"),
    ],
    ids=["empty", "mixed encodings", "binary", "UTF-16", "short", "missing"],
)
def test_bad_files_are_a_sentence_and_nothing_is_written(tmp_path, files, content, message):
    path, out = tmp_path / "bad.txt", tmp_path / "model"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-16"))
    given = [path] if content == b"short" else [files[0], path]
    done = recurra("train", "generation", *given, "--out", out, "--steps", 3, *SIZE)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_settings_that_make_no_model_leave_nothing_behind(files, tmp_path):
    out = tmp_path / "model"
    done = recurra("train", "generation", *files, "--out", out, "--cell", "gru", "--peephole", "diagonal", *SIZE)
    assert done.returncode == 2
    assert "is an option of cell = 'lstm'" in done.stderr
    assert not out.exists()


def test_other_abilities_are_refused(bundle, files):
    done = recurra("predict", bundle, files[0])
    assert (done.returncode, "can predict is needed" in done.stderr) == (2, True)


def test_killed_twice_and_no_bit_differs(files, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    settings = ["--steps", 120, "--checkpoint-steps", 7, "--dropout", 0.2, "--weight-drop", 0.2, *SIZE]
    assert recurra("train", "generation", *files, *settings, "--out", whole).returncode == 0
    for checkpoint in (14, 63):
        begin = ["train", "generation", *files, *settings, "--out", killed] if checkpoint == 14 else ["resume", killed]
        kill_at(start(*begin), killed / "run" / "select-1" / f"checkpoint-{checkpoint}.safetensors")
        assert not (killed / "bundle.json").exists()
    done = recurra("resume", killed)
    assert done.returncode == 0, done.stderr
    assert (killed / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()


def test_a_run_whose_text_changed_is_not_resumed(files, tmp_path):
    copies = [tmp_path / file.name for file in files]
    for file, copy in zip(files, copies, strict=True):
        copy.write_bytes(file.read_bytes())
    out = tmp_path / "model"
    process = start("train", "generation", *copies, "--steps", 100_000, "--checkpoint-steps", 2, "--out", out, *SIZE)
    errors = stop_at(process, out / "run" / "select-1" / "checkpoint-4.safetensors")
    assert f"recurra resume {out}" in errors
    copies[1].write_text("another text\n" * 99)
    assert "they have changed" in recurra("resume", out).stderr
    copies[1].unlink()
    assert "nothing is there" in recurra("resume", out).stderr
