"""Saving, killed at every operation on files: the old bundle is there, or the new one, whole."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
import torch

import recurra
from recurra import files
from recurra.bundle import Bundle
from recurra.manifest import MANIFEST
from recurra.training.progress import Silent

WATCHED = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "ctypes.dlsym", "shutil.rmtree"}
DATA = {"day": list(range(40)), "x": [float(i % 5) for i in range(40)]}
NOTES = "what I think of this model"


@pytest.fixture(scope="module")
def bundles() -> tuple[Bundle, Bundle]:
    settings = recurra.Forecasting(time="day", target="x", horizon=2, encoder=recurra.Encoder(hidden_size=4))
    task, _ = settings.learn(settings.read(DATA))
    torch.manual_seed(0)
    return Bundle(task, task.build_model()), Bundle(task, task.build_model())


def report(path: Path) -> None:
    path.write_text("a report")


def save_and_die(bundle: Bundle, folder: Path, at: int) -> bool:
    """Save in a child that is killed at its operation number ``at``; whether it came that far."""
    child = os.fork()
    if child == 0:
        seen = 0

        def watch(event: str, arguments: tuple) -> None:
            nonlocal seen
            if event in WATCHED:
                seen += 1
                if seen == at:
                    os._exit(9)

        sys.addaudithook(watch)
        code = 1
        try:
            bundle.save(folder, overwrite=True, report=report)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9), "the child failed in another way"
    return code == 9


def kill_everywhere(bundle: Bundle, folder: Path, prepare, allowed: set) -> int:
    """Save again and again, each time killed later; after each kill the folder must hold what is allowed."""
    found = set()
    for at in range(1, 200):
        prepare(folder)
        if not save_and_die(bundle, folder, at):
            assert recurra.load(folder).fingerprint == bundle.fingerprint
            assert allowed <= found | {bundle.fingerprint}, (
                "no kill left the old state: were operations watched at all?"
            )
            return at
        found.add(recurra.load(folder).fingerprint if (folder / MANIFEST).exists() else None)
        assert found <= allowed, f"after operation {at}"
    raise AssertionError("saving does not end")


def test_a_kill_leaves_the_old_bundle_or_the_new_one(bundles, tmp_path):
    old, new = bundles

    def prepare(folder: Path) -> None:
        old.save(folder, overwrite=True, report=report)
        (folder / "notes.txt").write_text(NOTES)

    operations = kill_everywhere(new, tmp_path / "model", prepare, {old.fingerprint, new.fingerprint})
    assert operations > 10
    assert (tmp_path / "model" / "notes.txt").read_text() == NOTES


@pytest.mark.parametrize("exists", [False, True], ids=["a new folder", "a folder with notes"])
def test_a_kill_leaves_no_bundle_or_a_whole_one(bundles, tmp_path, exists):
    def prepare(folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        if exists:
            folder.mkdir()
            (folder / "notes.txt").write_text(NOTES)

    operations = kill_everywhere(bundles[0], tmp_path / "model", prepare, {None, bundles[0].fingerprint})
    assert operations > 5
    assert (tmp_path / "model" / "notes.txt").exists() == exists


def test_where_folders_cannot_change_places_files_are_replaced_one_by_one(bundles, tmp_path, monkeypatch):
    old, new = bundles
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    old.save(tmp_path / "model", report=report)
    new.save(tmp_path / "model", overwrite=True)
    assert recurra.load(tmp_path / "model").fingerprint == new.fingerprint
    assert sorted(file.name for file in (tmp_path / "model").iterdir()) == ["bundle.json", "weights.safetensors"]


def test_nothing_is_written_beside_a_folder_that_is_a_place_of_its_own(bundles, tmp_path, monkeypatch):
    old, new = bundles
    (tmp_path / "volume").mkdir()
    old.save(tmp_path / "volume")  # nothing is replaced
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)
    made = []
    monkeypatch.setattr(
        Path, "mkdir", lambda self, **kept: made.append(self.parent) or os.makedirs(self, exist_ok=True)
    )
    new.save(tmp_path / "volume", overwrite=True)
    assert made[-1] == tmp_path / "volume"
    assert recurra.load(tmp_path / "volume").fingerprint == new.fingerprint
    assert sorted(file.name for file in (tmp_path / "volume").iterdir()) == ["bundle.json", "weights.safetensors"]


def test_an_error_leaves_the_old_bundle_and_nothing_else(bundles, tmp_path):
    old, new = bundles

    def failing(path: Path) -> None:
        path.write_text("half of a")
        raise OSError("no space left on the device")

    old.save(tmp_path / "model")
    with pytest.raises(OSError, match="no space"):
        new.save(tmp_path / "model", overwrite=True, report=failing)
    assert recurra.load(tmp_path / "model").fingerprint == old.fingerprint
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_a_bundle_is_saved_through_a_link_and_into_the_folder_one_is_in(bundles, tmp_path, monkeypatch):
    old, new = bundles
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    old.save(tmp_path / "link")
    monkeypatch.chdir(tmp_path / "real")
    new.save(".", overwrite=True)
    assert recurra.load(".").fingerprint == new.fingerprint
    assert (tmp_path / "link").is_symlink()
    assert Path.cwd().samefile(tmp_path / "real")


class Stopping(Silent):
    """A progress that ends a training with an error, as a full disk would."""

    def stage(self, title: str) -> None:
        raise OSError("no space left on the device")


def test_training_anew_leaves_the_old_bundle_until_the_new_one_is_whole(tmp_path):
    settings = recurra.Forecasting(time="day", target="x", horizon=2, encoder=recurra.Encoder(hidden_size=4))
    options = recurra.TrainingOptions(steps=3, threads=1)
    folder = tmp_path / "model"
    old = recurra.train(settings, DATA, out=folder, options=options)
    again = {"out": folder, "overwrite": True, "options": recurra.TrainingOptions(steps=3, threads=1, seed=7)}
    with pytest.raises(OSError, match="no space"):
        recurra.train(settings, DATA, **again, progress=Stopping())
    assert recurra.load(folder).fingerprint == old.fingerprint
    new = recurra.resume(folder)
    assert new.fingerprint != old.fingerprint
    assert recurra.load(folder).fingerprint == new.fingerprint
    assert not (folder / "run").exists()
