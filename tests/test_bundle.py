"""Bundles: what was saved comes back, and a folder that is not exactly what was saved is refused."""

from __future__ import annotations

import json
import random
import resource
import shutil
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import safetensors.torch
import torch

import recurra
from hostile_bundles import ATTACKS
from recurra.errors import BundleError
from recurra.files import sha256
from recurra.manifest import MANIFEST, REPORT, WEIGHTS
from recurra.sealed import seal

DATA = {"day": list(range(60)), "x": [float(i % 7) for i in range(60)]}


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "model"
    settings = recurra.Forecasting(time="day", target="x", horizon=2, encoder=recurra.Encoder(hidden_size=4))
    recurra.train(settings, DATA, out=folder, options=recurra.TrainingOptions(steps=3, threads=1))
    return folder


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def manifest(folder: Path) -> dict:
    return json.loads((folder / MANIFEST).read_text())


def forge(folder: Path, change) -> None:
    """Change the manifest as somebody would who knows how to seal it."""
    fields = manifest(folder)
    del fields["sha256"]
    change(fields)
    (folder / MANIFEST).write_bytes(seal(json.dumps(fields, indent=2)))


def forge_weights(folder: Path, content: bytes) -> None:
    (folder / WEIGHTS).write_bytes(content)
    entry = {"sha256": sha256(folder / WEIGHTS), "bytes": len(content)}
    forge(folder, lambda fields: fields["files"].update({WEIGHTS: entry}))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load((folder / WEIGHTS).read_bytes())


def test_a_loaded_bundle_is_the_one_that_was_saved(saved, tmp_path):
    bundle = recurra.load(saved)
    bundle.save(tmp_path / "again")
    again = recurra.load(tmp_path / "again")
    assert bundle.predict(DATA).equals(again.predict(DATA))
    assert again.scores == bundle.scores
    assert again.provenance == bundle.provenance
    assert again.task.to_dict() == bundle.task.to_dict()


def test_a_prediction_is_a_frame_of_the_callers_kind(saved):
    bundle = recurra.load(saved)
    frame = pl.DataFrame(DATA)
    assert isinstance(bundle.predict(DATA), pl.DataFrame)
    assert isinstance(bundle.predict(frame), pl.DataFrame)
    assert isinstance(bundle.predict(frame.to_pandas()), pd.DataFrame)
    assert isinstance(bundle.predict(frame.to_arrow()), pa.Table)


def test_a_bundle_is_not_saved_over_another(saved):
    with pytest.raises(BundleError, match="place of its own"):
        recurra.load(saved).save(saved)


def test_a_bundle_without_its_report_predicts(copy):
    (copy / REPORT).unlink()
    assert recurra.load(copy).predict(DATA).height == 2


def test_no_flipped_bit_goes_unnoticed(copy):
    """The short form of ``benchmarks/faults/flip_bits.py``."""
    chance = random.Random(0)
    for path in (copy / MANIFEST, copy / WEIGHTS, copy / REPORT):
        whole = path.read_bytes()
        for place in (0, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(30))):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << chance.randrange(8)
            path.write_bytes(flipped)
            with pytest.raises(BundleError, match="it has changed"):
                recurra.load(copy)
        path.write_bytes(whole)
    recurra.load(copy)


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS])
def test_half_a_file_is_refused(copy, name):
    path = copy / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BundleError, match="it has changed"):
        recurra.load(copy)


def test_what_is_no_bundle_is_told(copy, tmp_path):
    with pytest.raises(BundleError, match="Check the path"):
        recurra.load(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="Check the path"):
        recurra.load(copy / MANIFEST)
    (copy / WEIGHTS).unlink()
    with pytest.raises(BundleError, match="plain file"):
        recurra.load(copy)


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS])
def test_a_link_is_refused(copy, name, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (copy / name).rename(elsewhere)
    (copy / name).symlink_to(elsewhere)
    with pytest.raises(BundleError, match="it is a link"):
        recurra.load(copy)


FORGERIES = {
    "a newer format": (lambda m: m.update(format=2), "format 1 can be read, got 2"),
    "an unknown task": (lambda m: m.update(task="os.system"), "unknown task"),
    "a missing field": (lambda m: m.pop("scores"), "exactly the fields"),
    "a further field": (lambda m: m.update(code="import os"), "exactly the fields"),
    "a field of another type": (lambda m: m.update(settings=[]), "must be of type dict"),
    "a file elsewhere": (lambda m: m["files"].update({"../../secret": {"bytes": 1, "sha256": ""}}), "may list"),
    "no weights": (lambda m: m["files"].pop(WEIGHTS), "must list weights"),
    "no size": (lambda m: m["files"][WEIGHTS].pop("bytes"), "must give bytes, sha256"),
    "an unknown setting": (lambda m: m["settings"]["settings"].update(horizn=3), "they do not"),
    "an impossible horizon": (lambda m: m["settings"]["settings"].update(horizon=-1), "they do not"),
    "no settings": (lambda m: m.update(settings={}), "they do not"),
    "a model of terabytes": (
        lambda m: m["settings"]["settings"]["encoder"].update(hidden_size=2**24),
        "the settings need",
    ),
    "another model": (lambda m: m["settings"]["settings"]["encoder"].update(layers=2), "(must hold exactly|need)"),
    "a list for a name": (lambda m: m["settings"].update(frequency=[[]]), "they do not"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_bundle_is_refused_with_a_clear_sentence(copy, name, monkeypatch):
    """The short form of ``benchmarks/faults/hostile_bundles.py``, which also measures time and memory."""
    monkeypatch.chdir(copy)
    ATTACKS[name](copy)
    with pytest.raises(BundleError) as refused:
        recurra.load(copy)
    assert len(str(refused.value)) < 1000
    assert not (copy / "touched").exists()


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_manifest_is_refused(copy, name):
    change, expected = FORGERIES[name]
    forge(copy, change)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BundleError, match=expected):
        recurra.load(copy)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024, "more than 64 MB were taken"


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "[" * 100_000, '{"format": NaN', '{"format": 1, "format": 1', '"\\ud800"', "\x00", "\xff"],
    ids=["empty", "object", "list", "deep", "nan", "repeated", "surrogate", "zero", "latin"],
)
def test_a_manifest_that_is_no_json_is_refused(copy, text):
    (copy / MANIFEST).write_bytes(seal(text))
    with pytest.raises(BundleError):
        recurra.load(copy)


def test_forged_weights_are_refused(copy):
    values = weights(copy)
    name = next(iter(values))
    cases = {
        "must be finite": {**values, name: torch.full_like(values[name], torch.nan)},
        "exactly the weights": {("x" if k == name else k): v for k, v in values.items()},
        "it is": {**values, name: values[name].unsqueeze(0)},
        "weights, it has": {name: values[name]},
    }
    for expected, forged in cases.items():
        forge_weights(copy, safetensors.torch.save(forged))
        with pytest.raises(BundleError, match=expected):
            recurra.load(copy)


def test_weights_that_are_no_safetensors_are_refused(copy):
    size = (copy / WEIGHTS).stat().st_size
    for content in (b"\x00" * size, b"\xff" * size, b"\x80\x04." + b"." * size):
        forge_weights(copy, content)
        with pytest.raises(BundleError, match="safetensors format"):
            recurra.load(copy)
