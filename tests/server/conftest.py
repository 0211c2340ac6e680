"""Small models of each task, trained once for all tests of the server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the server needs: pip install 'recurra[serve]'")

import recurra
from server.running import Running, serving

FEW = recurra.TrainingOptions(steps=8, threads=1)
TINY = recurra.Encoder(hidden_size=8)


@pytest.fixture(scope="session")
def sales() -> dict[str, list[object]]:
    """Two shops over 120 days, with a holiday known ahead and the weather known afterwards."""
    days = np.arange("2021-01-01", "2021-05-01", dtype="datetime64[D]").astype(str).tolist()
    random = np.random.default_rng(0)
    rows: dict[str, list[object]] = {name: [] for name in ("day", "shop", "sold", "rain", "holiday", "city")}
    for shop, city in (("north", "Graz"), ("south", "Linz")):
        rows["day"] += days
        rows["shop"] += [shop] * 120
        rows["sold"] += (50 + 10 * np.sin(np.arange(120) * 0.9) + random.normal(0, 1, 120)).round(2).tolist()
        rows["rain"] += random.random(120).round(2).tolist()
        rows["holiday"] += random.choice(["work", "school", "state"], 120).tolist()
        rows["city"] += [city] * 120
    return rows


@pytest.fixture(scope="session")
def forecaster(sales, tmp_path_factory) -> Path:
    settings = recurra.Forecasting(
        time="day", target="sold", series="shop", past="rain", future="holiday", static="city", horizon=4, encoder=TINY
    )
    return _train(settings, sales, tmp_path_factory)


@pytest.fixture(scope="session")
def plain_forecaster(tmp_path_factory) -> Path:
    """Of numbers without dates."""
    data = {"step": list(range(80)), "x": [float(n % 5) - 2 for n in range(80)]}
    return _train(recurra.Forecasting(time="step", target="x", horizon=3, encoder=TINY), data, tmp_path_factory)


@pytest.fixture(scope="session")
def classifier(tmp_path_factory) -> Path:
    words = ["win", "money", "now"], ["see", "you", "soon"]
    random = np.random.default_rng(0)
    rows = {"text": [" ".join(random.choice(words[n % 2], 4)) for n in range(60)], "kind": ["spam", "ham"] * 30}
    settings = recurra.Classification(text="text", label="kind", encoder=TINY, embedding_size=8)
    return _train(settings, rows, tmp_path_factory)


@pytest.fixture(scope="session")
def signals(tmp_path_factory) -> Path:
    """A number for each sequence of two features."""
    random = np.random.default_rng(0)
    rows: dict[str, list[float]] = {name: [] for name in ("id", "a", "b", "y")}
    for number in range(40):
        values = random.normal(number % 2, 0.2, (5 + number % 3, 2)).round(3)
        rows["id"] += [number] * len(values)
        rows["a"] += values[:, 0].tolist()
        rows["b"] += values[:, 1].tolist()
        rows["y"] += [float(number % 2)] * len(values)
    settings = recurra.Classification(sequence="id", target="y", encoder=TINY, embedding_size=8)
    return _train(settings, rows, tmp_path_factory)


@pytest.fixture(scope="session")
def writer(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("text") / "text.txt"
    file.write_text("to be or not to be, that is the question. " * 60)
    return _train(recurra.Generation(encoder=TINY), file, tmp_path_factory)


@pytest.fixture(scope="session")
def tagger(tmp_path_factory) -> Path:
    return _train(_tagging(), _sentences(), tmp_path_factory)


@pytest.fixture(scope="session")
def streaming_tagger(tmp_path_factory) -> Path:
    """Of spans, but without a CRF."""
    return _train(_tagging(head="linear"), _sentences(), tmp_path_factory)


@pytest.fixture(scope="session")
def marked_tagger(tmp_path_factory) -> Path:
    """Told apart by a mark only."""
    rows = [{**row, "mark": [word == "Ann" for word in row["tokens"]]} for row in _sentences()]
    return _train(_tagging(marker_column="mark", scheme="none"), rows, tmp_path_factory)


def _tagging(**settings) -> recurra.Tagging:
    return recurra.Tagging(encoder=TINY, embedding_size=8, character_size=4, **settings)


def _sentences() -> list[dict[str, list[str]]]:
    rows = [{"tokens": ["Ann", "sees", "Rome", "."], "tags": ["B-PER", "O", "B-LOC", "O"]}] * 20
    return rows + [{"tokens": ["New", "York", "sees", "Ann"], "tags": ["B-LOC", "I-LOC", "O", "B-PER"]}] * 20


@pytest.fixture(scope="session")
def folders(
    forecaster, plain_forecaster, classifier, signals, writer, tagger, streaming_tagger, marked_tagger
) -> dict[str, Path]:
    return {
        "sales": forecaster,
        "steps": plain_forecaster,
        "mail": classifier,
        "moves": signals,
        "prose": writer,
        "names": tagger,
        "spans": streaming_tagger,
        "roles": marked_tagger,
    }


@pytest.fixture(scope="module")
def server(folders) -> Running:
    with serving(folders) as running:
        yield running


def _train(settings, data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "model"
    recurra.train(settings, data, options=FEW).save(folder)
    return folder
