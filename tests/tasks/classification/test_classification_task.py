"""From data to a bundle and back, for each kind of input and of answer; what is wrong with data is said."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import recurra
from recurra.errors import BundleError, DataError, SettingsError
from recurra.tasks.classification.task import ClassificationTask
from recurra.training.loop import Interrupted
from recurra.training.progress import Silent

FEW = recurra.TrainingOptions(steps=60, batch_size=16, learning_rate=0.01, threads=1)
SMALL = recurra.Encoder(hidden_size=8, bidirectional=True)


def classification(**settings) -> recurra.Classification:
    return recurra.Classification(**{"encoder": SMALL, "embedding_size": 8, "refit": False, **settings})


def texts(count: int = 80) -> pl.DataFrame:
    """Reviews whose first or last word tells the class."""
    random = np.random.default_rng(0)
    words = np.array(["the", "film", "was", "a", "story", "of", "some", "people"])
    rows = []
    for number in range(count):
        kind = ("good", "bad")[number % 2]
        rest = " ".join(random.choice(words, random.integers(1, 9)))
        rows.append({"text": f"{kind} {rest}" if random.random() < 0.5 else f"{rest} {kind}", "kind": kind})
    return pl.DataFrame(rows)


def signals(count: int = 60) -> dict[str, np.ndarray]:
    """Rising and falling lines of unequal length, in two features."""
    random = np.random.default_rng(0)
    lengths = random.integers(5, 12, count)
    y = np.arange(count) % 2
    x = random.normal(0, 0.3, (count, 12, 2))
    x[..., 0] += np.where(y[:, None] == 1, 1, -1) * np.arange(12) / 3
    return {"x": x, "y": y, "lengths": lengths}


@pytest.mark.parametrize("unit", ["word", "character", "byte", "subword"])
def test_texts_are_classified_by_symbols_of_every_unit(unit):
    tokens = recurra.Tokens(unit=unit, vocabulary_size=300)
    task = classification(text="text", label="kind", tokens=tokens, embedding_dropout=0.0, symbol_dropout=0.0)
    bundle = recurra.train(task, texts(320), options=replace(FEW, steps=120))
    assert bundle.task.vocabulary.tokens.unit == unit
    assert bundle.scores["model"]["accuracy"] > 0.9
    frame = bundle.predict(texts(6))
    assert frame.columns == ["text", "kind", "probability", "p(bad)", "p(good)"]
    np.testing.assert_allclose(frame["p(bad)"] + frame["p(good)"], 1)


def test_unspaced_text_is_read_by_characters():
    rows = {"text": ["我很高兴", "我不高兴", "天气很好", "天气不好"] * 10, "label": ["+", "-", "+", "-"] * 10}
    bundle = recurra.train(classification(text="text", label="label"), rows, options=FEW)
    assert bundle.task.vocabulary.tokens.unit == "character"
    assert bundle.predict(["天气很好", "我不高兴"])["label"].to_list() == ["+", "-"]


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("front", ["direct", "linear", "convolution"])
def test_signals_are_classified_with_every_front_and_pooling(pooling, front):
    settings = classification(pooling=pooling, front=front)
    bundle = recurra.train(settings, signals(), options=FEW)
    assert bundle.scores["model"]["accuracy"] == 1.0
    assert bundle.predict(signals(4))["label"].to_list() == ["0", "1", "0", "1"]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_every_cell_in_one_direction_or_two(cell):
    encoder = recurra.Encoder(cell=cell, hidden_size=8, bidirectional=False, layers=2, dropout=0.1)
    bundle = recurra.train(classification(encoder=encoder), signals(), options=FEW)
    assert bundle.scores["model"]["accuracy"] > 0.8


def test_long_form_with_a_label_per_sequence(tmp_path):
    data = signals(40)
    rows = [
        {"id": f"s{n}", "t": t, "u": x[0], "v": x[1], "move": ("down", "up")[data["y"][n]]}
        for n in range(40)
        for t, x in enumerate(data["x"][n, : data["lengths"][n]])
    ]
    frame = pl.DataFrame(rows).sample(fraction=1.0, shuffle=True, seed=0)
    frame.write_csv(tmp_path / "moves.csv")
    settings = classification(sequence="id", time="t", label="move")
    bundle = recurra.train(settings, tmp_path / "moves.csv", options=FEW)
    assert bundle.task.features == ("u", "v")
    predicted = bundle.predict(frame.select("v", "t", "id", "u", pl.lit(3.0).alias("weight")))  # other columns, too
    assert predicted.columns[:3] == ["id", "move", "probability"]
    told = dict(zip(predicted["id"], predicted["move"], strict=True))
    assert np.mean([told[row["id"]] == row["move"] for row in rows]) > 0.9


def test_several_labels_of_a_row(tmp_path):
    frame = texts(120).with_columns(
        kinds=pl.when(pl.col("text").str.contains("story")).then(pl.col("kind") + ";tale").otherwise("kind")
    )
    settings = classification(text="text", label="kinds", multi_label=True)
    bundle = recurra.train(settings, frame, out=tmp_path / "m", options=FEW)
    assert "<h2>Labels</h2>" in (tmp_path / "m" / "report.html").read_text()
    assert bundle.scores["kind"] == "labels"
    assert bundle.scores["model"]["micro_f1"] > bundle.scores["naive"]["micro_f1"]
    predicted = bundle.predict(["good story", "bad film"])
    assert predicted.columns == ["text", "kinds", "p(bad)", "p(good)", "p(tale)"]
    assert "micro F1" in bundle.evaluate(frame).summary()


def test_a_number_of_each_sequence(tmp_path):
    data = signals(100)
    data["y"] = data["x"][:, :5, 0].mean(axis=1) * 10 + 50
    bundle = recurra.train(classification(target="y", pooling="mean"), data, out=tmp_path / "m", options=FEW)
    assert "<h2>Predictions</h2>" in (tmp_path / "m" / "report.html").read_text()
    assert bundle.scores["kind"] == "number"
    assert bundle.scores["model"]["mae"] < 0.5 * bundle.scores["naive"]["mae"]
    said = bundle.predict(data)
    assert said.columns == ["sequence", "y"]
    assert np.corrcoef(said["y"], data["y"])[0, 1] > 0.8


@pytest.mark.parametrize("kind", ["text", "signal"])
def test_a_loaded_bundle_says_the_same(tmp_path, kind):
    settings, data = (
        (classification(text="text", label="kind", members=2), texts())
        if kind == "text"
        else (classification(class_weights="balanced"), signals())
    )
    bundle = recurra.train(settings, data, out=tmp_path / "m", options=recurra.TrainingOptions(steps=5))
    loaded = recurra.load(tmp_path / "m")
    assert loaded.task.to_dict() == bundle.task.to_dict()
    assert loaded.predict(data).equals(bundle.predict(data))
    assert loaded.evaluate(data).to_dict() == bundle.evaluate(data).to_dict()
    assert loaded.task.restore_scores(loaded.scores) == bundle.task.restore_scores(bundle.scores)
    assert (tmp_path / "m" / "report.html").stat().st_size > 10_000


def test_what_is_predicted_of_a_text_does_not_depend_on_its_neighbours():
    bundle = recurra.train(classification(text="text", label="kind"), texts(), options=recurra.TrainingOptions(steps=5))
    several = ["good", "a very long text " * 20, "bad film"]
    together = bundle.predict(several)
    for number, text in enumerate(several):
        np.testing.assert_allclose(together["p(bad)"][number], bundle.predict([text])["p(bad)"][0], rtol=1e-5)


def test_balanced_weights_find_more_of_the_rare_class():
    random = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "text": [" ".join(random.choice(["u", "v", "w"], 3)) for _ in range(300)],
            "kind": ["rare" if number % 10 == 0 else "usual" for number in range(300)],
        }
    )
    said = {}
    for weights in ("none", "balanced"):
        settings = classification(text="text", label="kind", class_weights=weights)
        said[weights] = recurra.train(settings, frame, options=FEW).predict(frame)["p(rare)"].mean()
    assert said["balanced"] > 2 * said["none"]


def test_word_vectors_are_where_training_starts(tmp_path):
    (tmp_path / "v.txt").write_text("good 1 2 3\nBad 4 5 6\nunused 7 8 9\n")
    settings = classification(text="text", label="kind", vectors=str(tmp_path / "v.txt"), embedding_size=None)
    task, divided = ClassificationTask.learn(settings, settings.read(texts()))
    (member,) = task.build_model()
    table = member.embedding.table.weight
    assert table.shape[1] == 3
    assert table[int(task.vocabulary.encode("good")[0])].tolist() == [1, 2, 3]
    assert "1 of" in divided.samples.notices[-1]
    bundle = recurra.train(settings, texts(), out=tmp_path / "m", options=recurra.TrainingOptions(steps=2))
    (tmp_path / "v.txt").unlink()  # a bundle needs it no more
    assert recurra.load(tmp_path / "m").predict(["good"]).equals(bundle.predict(["good"]))
    (tmp_path / "v.txt").write_text("good 1 2 3\n")
    wrong = classification(text="text", label="kind", vectors=str(tmp_path / "v.txt"))
    with pytest.raises(SettingsError, match="must be 3, that of the vectors, got 8"):
        ClassificationTask.learn(wrong, wrong.read(texts()))


def test_pixels_share_one_scale_and_features_have_their_own():
    images = np.zeros((20, 4, 3), np.uint8)
    images[..., 1], images[10:, 2, 1] = 100, 255
    task, _ = ClassificationTask.learn(classification(), recurra_read({"x": images, "y": np.arange(20) % 2}))
    assert len(set(task.scale.spread)) == 1
    data = signals()
    data["x"][..., 1] = data["x"][..., 1] * 1000 + 5000
    task, divided = ClassificationTask.learn(classification(), recurra_read(data))
    batch = task.encode(divided.samples).batch(torch.arange(60))
    assert batch.values[batch.mask].std(dim=0).tolist() == pytest.approx([1, 1], abs=0.2)
    assert not batch.values[~batch.mask].any()


def recurra_read(data):
    return recurra.Classification().read(data)


def test_missing_numbers_are_the_mean_or_the_last_value(tmp_path):
    data = signals()
    data["x"][3, 2, 1] = np.nan
    with pytest.raises(DataError, match="sequence 4, step 3, 'feature 2'"):
        recurra.train(classification(), data, options=FEW)
    for missing in ("mean", "forward"):
        settings = classification(repairs=recurra.Repairs(missing=missing))
        bundle = recurra.train(settings, data, options=recurra.TrainingOptions(steps=2))
        assert bundle.predict(data)["probability"].is_finite().all()


def test_empty_rows_are_refused_or_said_nothing_of():
    frame = texts()
    few = recurra.TrainingOptions(steps=2)
    strict = recurra.train(classification(text="text", label="kind"), frame, options=few)
    with pytest.raises(DataError, match=r"row 2\] .* an empty text came"):
        strict.predict(["good", " "])
    repairs = recurra.Repairs(skip_empty=True)
    lenient = recurra.train(classification(text="text", label="kind", repairs=repairs), frame, options=few)
    assert lenient.predict(["good", " "])["kind"].is_null().to_list() == [False, True]
    with pytest.raises(DataError, match="all of it is empty"):
        lenient.predict([" "])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"text": ["a", "b"], "kind": ["x", ""]}, "every row must have a label"),
        ({"text": ["a", "b", "c"], "kind": ["x", "x", "x"]}, "only 'x' came"),
        ({"text": ["a", "b", "c"], "kind": ["x", "y", "x"]}, "'y' comes once"),
        ({"text": ["a", ""], "kind": ["x", "y"]}, "an empty text came"),
        ({"text": [1, 2], "kind": ["x", "y"]}, "a column of texts is needed"),
        ({"words": ["a", "b"], "kind": ["x", "y"]}, "there is no such column"),
    ],
)
def test_tables_that_cannot_be_learned_from(data, sentence):
    with pytest.raises(DataError, match=sentence):
        recurra.train(classification(text="text", label="kind"), data)


def test_evaluation_with_a_label_that_was_never_seen():
    bundle = recurra.train(classification(text="text", label="kind"), texts(), options=recurra.TrainingOptions(steps=2))
    with pytest.raises(DataError, match=r"row 2\] the label must be one that was learned, 'god' came.*'good'"):
        bundle.evaluate({"text": ["a", "b"], "kind": ["bad", "god"]})


def test_data_of_another_kind_than_the_model_learned():
    signal = recurra.train(classification(), signals(), options=recurra.TrainingOptions(steps=2))
    with pytest.raises(DataError, match="the model reads 2 features at each step, 1 features came"):
        signal.predict({"x": np.ones((3, 5))})
    with pytest.raises(SettingsError, match="a table needs --text COLUMN"):
        signal.predict(texts())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"text": "a", "sequence": "b"}, "goes not with text"),
        ({"label": "a", "target": "b"}, "goes not with label"),
        ({"target": "a", "multi_label": True}, "goes not with target"),
        ({"stride": 2, "text": "a"}, "needs front = 'convolution'"),
        ({"vectors": "v.txt"}, "needs text"),
        ({"test": 0.7}, "less than or equal to 0.5"),
    ],
)
def test_settings_that_contradict_each_other(settings, sentence):
    with pytest.raises(SettingsError, match=sentence):
        recurra.Classification(**settings)


def test_a_tampered_bundle_is_refused(tmp_path):
    import json

    from recurra.bundle import MANIFEST
    from recurra.sealed import seal

    recurra.train(classification(), signals(), out=tmp_path / "m", options=recurra.TrainingOptions(steps=2))
    path: Path = tmp_path / "m" / MANIFEST
    values = json.loads(path.read_text())
    del values["sha256"]
    values["settings"]["answers"]["names"] = ["0", "0"]
    path.write_bytes(seal(json.dumps(values, indent=2)))
    with pytest.raises(BundleError, match="every class must come once"):
        recurra.load(tmp_path / "m")


class StopSoon(Silent):
    """Asks the run to stop at its third step, as Ctrl-C would."""

    def update(self, step: int, loss: float) -> None:
        if step == 3:
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("kind", ["frame", "arrays"])
def test_a_run_on_data_in_memory_goes_on_from_a_relative_folder(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    settings = classification(text="text", label="kind") if kind == "frame" else classification()
    data = texts() if kind == "frame" else signals()
    options = recurra.TrainingOptions(steps=6, threads=1)
    whole = recurra.train(settings, data, options=options)
    with pytest.raises(Interrupted, match="recurra resume m"):
        recurra.train(settings, data, out="m", options=options, progress=StopSoon())
    resumed = recurra.resume("m")
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)
