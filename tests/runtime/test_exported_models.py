"""Models used without torch: what they answer is what the bundle answers, and nothing if the input is no number."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import recurra
from recurra import runtime
from recurra.errors import DataError, ShapeError

FEW = recurra.TrainingOptions(steps=5)
SMALL = recurra.Encoder(hidden_size=8)


def assert_same_table(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert found.columns == expected.columns
    for name in found.columns:
        if found[name].dtype.is_float():
            np.testing.assert_allclose(found[name].to_numpy(), expected[name].to_numpy(), rtol=1e-5, atol=1e-5)
        else:
            assert found[name].to_list() == expected[name].to_list()


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory):
    """A bundle with covariates of all kinds, its export, and data with a known future."""
    random, steps = np.random.default_rng(0), 90
    frames = [
        pl.DataFrame(
            {
                "shop": [shop] * steps,
                "day": np.datetime64("2024-01-01") + np.arange(steps),
                "sold": 10 + np.arange(steps) % 7 + random.normal(size=steps) * 0.1,
                "weather": random.choice(["sun", "rain"], steps),
                "promotion": random.integers(0, 2, steps).astype(float),
            }
        ).with_columns(sold=pl.when(pl.int_range(pl.len()) < steps - 5).then("sold"))
        for shop in ("a", "b")
    ]
    data = pl.concat(frames)
    settings = recurra.Forecasting(
        time="day",
        target="sold",
        series="shop",
        past="weather",
        future="promotion",
        horizon=4,
        members=2,
        encoder=SMALL,
    )
    bundle = recurra.train(settings, data, options=FEW)
    path = tmp_path_factory.mktemp("forecaster") / "model.onnx"
    recurra.export(bundle, path)
    return bundle, path, data


def test_a_forecast_is_the_bundle_s(forecaster):
    bundle, path, data = forecaster
    assert_same_table(runtime.load(path).predict(data), bundle.predict(data))


@pytest.mark.parametrize("answer", [{"label": "label"}, {"label": "label", "multi_label": True}, {"target": "number"}])
def test_classes_labels_and_numbers_of_texts_are_the_bundle_s(answer, tmp_path):
    texts = [f"good film {n}" if n % 2 else f"bad day {n}" for n in range(40)]
    data = {"text": texts, "label": ["+", "-"] * 20, "number": [float(n % 5) for n in range(40)]}
    settings = recurra.Classification(text="text", encoder=SMALL, **answer)
    bundle = recurra.train(settings, data, options=FEW)
    recurra.export(bundle, tmp_path / "model.onnx")
    assert_same_table(runtime.load(tmp_path / "model.onnx").predict(data), bundle.predict(data))


@pytest.fixture(scope="module")
def signals(tmp_path_factory):
    step = np.arange(400)
    data = {"id": (step // 10).tolist(), "t": (step % 10).tolist(), "x": (100 * np.sin(step)).tolist()}
    data["move"] = [("up", "down")[n // 10 % 2] for n in step]
    settings = recurra.Classification(sequence="id", time="t", label="move", encoder=SMALL)
    bundle = recurra.train(settings, data, options=FEW)
    path = tmp_path_factory.mktemp("signals") / "model.onnx"
    recurra.export(bundle, path)
    return bundle, runtime.load(path), data


def test_classes_of_signals_are_the_bundle_s(signals):
    bundle, model, data = signals
    assert_same_table(model.predict(data), bundle.predict(data))


@pytest.mark.parametrize(
    "settings",
    [{"members": 2}, {"head": "linear"}, {"scheme": "none", "characters": "cnn"}, {"marker_column": "mark"}],
    ids=str,
)
def test_tags_are_the_bundle_s(settings, tmp_path):
    random = np.random.default_rng(0)
    data = []
    for _ in range(40):
        kinds = random.integers(0, 3, 3)
        tokens = [word for kind in kinds for word in (["Mr", "Tanaka"], ["in", "Graz", "Nord"], ["he", "said"])[kind]]
        tags = [tag for kind in kinds for tag in (["O", "B-PER"], ["O", "B-LOC", "I-LOC"], ["O", "O"])[kind]]
        data.append({"tokens": tokens, "tags": tags, "mark": [word == "Mr" for word in tokens]})
    bundle = recurra.train(recurra.Tagging(encoder=SMALL, character_size=6, **settings), data, options=FEW)
    recurra.export(bundle, tmp_path / "model.onnx")
    new = [{"tokens": ["Mr", "Unheard-of", "9"], "mark": [1, 0, 0]}, {"tokens": ["in"], "mark": [0]}, *data]
    assert_same_table(runtime.load(tmp_path / "model.onnx").predict(new), bundle.predict(new))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_a_signal_with_a_number_that_is_none_is_refused_with_its_place(signals, bad):
    _, model, data = signals
    with pytest.raises(DataError, match=r"sequence .*3.*, step 5, 'x'"):
        model.predict(data | {"x": [*data["x"][:34], bad, *data["x"][35:]]})


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_series_with_a_number_that_is_none_never_gives_a_plausible_forecast(forecaster, bad):
    _, path, data = forecaster
    model = runtime.load(path)
    sold = data["sold"].to_list()
    sold[80] = bad
    with pytest.raises(DataError):
        model.predict(data.with_columns(sold=pl.Series(sold)))
    with pytest.raises(DataError):
        model.predict(data.head(0))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_layer_refuses_what_is_no_number_and_what_is_not_there(bad, tmp_path):
    recurra.export(recurra.nn.LSTM(3, 4), tmp_path / "layer.onnx")
    model, x = runtime.load(tmp_path / "layer.onnx"), np.zeros((5, 2, 3))
    for spoilt in (x + bad, x[:0], x[:, :0]):
        with pytest.raises(DataError):
            model.run(spoilt)
    with pytest.raises(DataError, match=r"lengths.*every sequence must have a step, number 2 has none"):
        model.run(x, lengths=[5, 0])
    with pytest.raises(DataError):
        model.run(x, state=(np.full((1, 2, 4), bad), np.zeros((1, 2, 4))))


def test_a_layer_says_which_shape_it_takes(tmp_path):
    recurra.export(recurra.nn.LSTM(3, 4), tmp_path / "layer.onnx")
    model, x = runtime.load(tmp_path / "layer.onnx"), np.zeros((5, 2, 3))
    for wrong in (x[..., :2], x[0], np.zeros((5, 2, 3, 1))):
        with pytest.raises(ShapeError, match=r"\[x\] must be \[T, B, 3\]"):
            model.run(wrong)
    with pytest.raises(ShapeError, match=r"\[lengths\] must be \[2\], got \[3\]"):
        model.run(x, lengths=[5, 5, 5])
    with pytest.raises(ShapeError, match=r"\[lengths\] must be 5 at most, got 6"):
        model.run(x, lengths=[5, 6])
    with pytest.raises(ShapeError, match=r"\[h\] must be \[1, 2, 4\]"):
        model.run(x, state=[np.zeros((1, 3, 4))] * 2)


def test_torch_is_never_imported(forecaster):
    _, path, data = forecaster
    data.write_csv(path.with_name("data.csv"))
    assert_no_torch(path, "data.csv")


def test_torch_is_never_imported_to_tag(tmp_path):
    line = '{"tokens": ["Ann", "sees"], "tags": ["B-PER", "O"]}\n'
    (tmp_path / "data.jsonl").write_text(line * 20)
    bundle = recurra.train(recurra.Tagging(encoder=SMALL), tmp_path / "data.jsonl", options=FEW)
    recurra.export(bundle, tmp_path / "model.onnx")
    assert_no_torch(tmp_path / "model.onnx", "data.jsonl")


def test_torch_is_never_imported_to_draw_paths(tmp_path):
    (tmp_path / "data.csv").write_text("day,x\n" + "".join(f"{n},{n % 5}\n" for n in range(60)))
    settings = recurra.Forecasting(
        time="day", target="x", horizon=2, decoder="autoregressive", head="student-t", encoder=SMALL
    )
    bundle = recurra.train(settings, tmp_path / "data.csv", options=FEW)
    recurra.export(bundle, tmp_path / "model.onnx")
    assert_no_torch(tmp_path / "model.onnx", "data.csv")


def assert_no_torch(path, data):
    code = (
        "import sys; from recurra import runtime;"
        f"runtime.load({str(path)!r}).predict({str(path.with_name(data))!r});"
        "print({'torch', 'onnx', 'matplotlib', 'pandas'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"
