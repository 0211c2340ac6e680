"""A run that was stopped anywhere goes on bit for bit, and a damaged checkpoint is passed over."""

import json

import pytest

from recurra.errors import CheckpointError
from recurra.nn import LSTM
from recurra.training.loop import seeded

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("one-cycle", "cosine", "plateau", "constant")


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_goes_on_exactly(
    small, die_at, killed, log_of, same_weights, same_history, tmp_path, optimizer, schedule, dropout, average
):
    small.dropout = dropout
    options = {"optimizer": optimizer, "schedule": schedule, "average": average, "checkpoint_steps": 3, "log_steps": 1}
    options["epoch_steps"] = 2 if schedule == "plateau" else 4
    model, trained = small.fit(tmp_path / "whole", **options)
    for calls in (2, 5, 6):
        with pytest.raises(killed):
            small.fit(tmp_path / "killed", loss=die_at(calls), **options)
    again, resumed = small.fit(tmp_path / "killed", **options)
    assert same_weights(model, again)
    assert same_history(trained, resumed)
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "killed")
    assert resumed.best.step == trained.best.step


@pytest.mark.parametrize(
    "kind",
    [{"dropout": 0.3}, {"zoneout": (0.2, 0.1)}, {"recurrent_dropout": 0.3}, {"weight_drop": 0.3}],
    ids=lambda kind: next(iter(kind)),
)
def test_dropout_of_all_kinds_goes_on_exactly(small, die_at, killed, same_weights, tmp_path, kind):
    def build():
        model = small.build()
        with seeded(3):
            model.lstm = LSTM(1, 4, 2, batch_first=True, **kind)
        return model

    small.dropout = 0.0
    model, _ = small.fit(model=build())
    with pytest.raises(killed):
        small.fit(tmp_path, model=build(), loss=die_at(6), checkpoint_steps=3)
    again, _ = small.fit(tmp_path, model=build())
    assert same_weights(model, again)
    other, _ = small.fit(model=build(), seed=1)
    assert not same_weights(model, other)


def test_a_folder_changes_nothing(small, same_weights, same_history, tmp_path):
    (model, trained), (saved, also) = small.fit(), small.fit(tmp_path / "run", checkpoint_steps=1)
    assert same_weights(model, saved)
    assert same_history(trained, also)


def test_a_finished_run_is_loaded_at_once(small, die_at, same_weights, tmp_path):
    model, trained = small.fit(tmp_path)
    again, loaded = small.fit(tmp_path, loss=die_at(1))
    assert same_weights(model, again)
    assert loaded == trained
    assert not again.training


@pytest.mark.parametrize("changes", [{"learning_rate": 0.02}, {"seed": 1}, {"steps": 20}, {"validated": False}])
def test_another_run_is_refused(small, tmp_path, changes):
    small.fit(tmp_path)
    name = next(iter(changes)) if "validated" not in changes else "validation"
    with pytest.raises(CheckpointError, match=rf"holds a run with (option )?{name} = .*another folder"):
        small.fit(tmp_path, **changes)


def test_two_runs_in_one_folder_are_refused(small, tmp_path):
    def loss(model, batch):
        small.fit(tmp_path)

    with pytest.raises(CheckpointError, match=r"must have one run at a time, another one is at work in .*Wait for it"):
        small.fit(tmp_path, loss=loss)
    small.fit(tmp_path)


def test_another_model_is_refused(small, tmp_path):
    small.fit(tmp_path)
    with pytest.raises(CheckpointError, match=r"shape of model/lstm.weight_ih_l0 = \[16, 1\], this one has \[20, 1\]"):
        small.fit(tmp_path, model=small.build(hidden=5))


def test_other_data_is_refused(small, tmp_path):
    small.fit(tmp_path)
    small.windows.values = small.windows.values[:30]
    with pytest.raises(CheckpointError, match="examples = 40, this one has 30"):
        small.fit(tmp_path)


def test_threads_and_intervals_may_change(small, die_at, killed, same_weights, tmp_path):
    model, _ = small.fit()
    with pytest.raises(killed):
        small.fit(tmp_path, loss=die_at(8), checkpoint_steps=3)
    again, _ = small.fit(tmp_path, checkpoint_steps=5, log_steps=2)
    assert same_weights(model, again)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, empty, remove, flip])
@pytest.mark.parametrize("name", ["checkpoint-9.safetensors", "checkpoint-9.json"])
def test_a_damaged_checkpoint_is_passed_over(small, die_at, killed, same_weights, tmp_path, damage, name):
    model, _ = small.fit()
    with pytest.raises(killed):
        small.fit(tmp_path, loss=die_at(11), checkpoint_steps=3)
    damage(tmp_path / name)
    with pytest.warns(RuntimeWarning, match="The checkpoint of step 9 .* is damaged and is passed over"):
        again, _ = small.fit(tmp_path, checkpoint_steps=3)
    assert same_weights(model, again)


@pytest.mark.parametrize("damage", [truncate, empty, remove, flip])
def test_without_the_pointer_the_newest_is_found(small, die_at, killed, same_weights, tmp_path, damage):
    model, _ = small.fit()
    with pytest.raises(killed):
        small.fit(tmp_path, loss=die_at(11), checkpoint_steps=3)
    damage(tmp_path / "latest.json")
    again, _ = small.fit(tmp_path, loss=die_at(4), checkpoint_steps=3)  # three steps are left
    assert same_weights(model, again)


def test_every_flipped_byte_is_seen(small, tmp_path):
    small.fit(tmp_path, steps=1)
    path = tmp_path / "checkpoint-1.json"
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.warns(RuntimeWarning, match="damaged"):
            small.fit(tmp_path, steps=1)


def test_a_change_that_leaves_the_values_as_they_were_is_seen(small, tmp_path):
    small.fit(tmp_path, steps=1)
    path = tmp_path / "checkpoint-1.json"
    path.write_bytes(path.read_bytes().replace(b'"format": 1', b'"format":  1'))
    with pytest.warns(RuntimeWarning, match="damaged"):
        small.fit(tmp_path, steps=1)


def test_a_newer_format_is_refused_not_overwritten(small, tmp_path, monkeypatch):
    monkeypatch.setattr("recurra.training.checkpoint.FORMAT", 2)
    small.fit(tmp_path)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="must be version 1, got 2"):
        small.fit(tmp_path)


def test_left_overs_are_swept_and_two_checkpoints_kept(small, tmp_path):
    (tmp_path / ".unfinished-1-ab-checkpoint-3.safetensors").write_bytes(b"half")
    (tmp_path / "checkpoint-99.safetensors").write_bytes(b"no JSON beside it")
    with pytest.warns(RuntimeWarning, match="step 99"):
        small.fit(tmp_path, checkpoint_steps=2)
    names = sorted(path.name for path in tmp_path.iterdir())
    steps = [f"checkpoint-{step}.{ending}" for step in (10, 12) for ending in ("json", "safetensors")]
    assert names == sorted([*steps, "latest.json", "log.jsonl"])


def test_a_torn_line_of_the_log_is_cut(small, die_at, killed, log_of, tmp_path):
    small.fit(tmp_path / "whole", log_steps=1)
    with pytest.raises(killed):
        small.fit(tmp_path / "torn", loss=die_at(8), checkpoint_steps=3, log_steps=1)
    with open(tmp_path / "torn" / "log.jsonl", "a") as log:
        log.write('{"step": 8, "lo')
    small.fit(tmp_path / "torn", log_steps=1)
    assert log_of(tmp_path / "torn") == log_of(tmp_path / "whole")


def test_nothing_is_pickled(small, tmp_path):
    small.fit(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".jsonl", ".safetensors"}
    assert json.loads((tmp_path / "latest.json").read_text())["body"] == {"checkpoint": "checkpoint-12"}
