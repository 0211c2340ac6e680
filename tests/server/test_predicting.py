"""What the server predicts is what the bundle predicts."""

from __future__ import annotations

import io

import numpy as np
import pytest

import recurra
from recurra.server import wire

CLOSE = 1e-6


def columns(sales, shop: str, past: int, ahead: int = 0) -> dict[str, object]:
    """The first days of one shop as a request: targets for the past only."""
    first = sales["shop"].index(shop)
    part = {name: values[first : first + past + ahead] for name, values in sales.items()}
    return part | {"sold": part["sold"][:past], "shop": shop, "city": part["city"][0]}


def as_table(request: dict[str, object]) -> dict[str, list[object]]:
    """The same as a table with a row for each day."""
    rows = len(request["day"])
    filled = {name: values if isinstance(values, list) else [values] * rows for name, values in request.items()}
    return {name: [*values, *[None] * (rows - len(values))] for name, values in filled.items()}


@pytest.mark.parametrize(("shop", "past"), [("north", 60), ("south", 90), ("north", 17)])
def test_a_forecast_with_all_kinds_of_covariates(server, sales, forecaster, shop, past):
    request = columns(sales, shop, past, ahead=4)
    expected = recurra.load(forecaster).predict(as_table(request))
    said = server.ask("sales", request)
    assert said["day"] == [str(day) for day in expected["day"]]
    for name in ("point", "q0.1", "q0.5", "q0.9"):
        np.testing.assert_allclose(said[name], expected[name].to_numpy(), rtol=CLOSE)


def test_one_time_says_all_of_them(server, sales):
    request = columns(sales, "north", 40, ahead=4)
    assert server.ask("sales", request | {"day": request["day"][0]}) == server.ask("sales", request)


def test_many_sequences_of_unequal_length_are_answered_in_their_order(server, sales):
    inputs = [columns(sales, "north", past, ahead=4) for past in (60, 20, 33)]
    many = server.post("sales/predict", json={"inputs": inputs}).json()["predictions"]
    for one, alone in zip(many, (server.ask("sales", one) for one in inputs), strict=True):
        np.testing.assert_allclose(one["point"], alone["point"], rtol=CLOSE)


def test_a_text(server, classifier):
    texts = ["win money now", "see you soon", "see money"]
    expected = recurra.load(classifier).predict({"text": texts})
    answer = server.post("mail/predict", json={"inputs": texts}).json()
    assert [one["label"] for one in answer["predictions"]] == expected["kind"].to_list()
    shares = [one["probabilities"]["spam"] for one in answer["predictions"]]
    np.testing.assert_allclose(shares, expected["p(spam)"].to_numpy(), rtol=CLOSE)


@pytest.mark.parametrize("model", ["names", "roles"])
def test_sentences_of_unequal_length_are_tagged(server, tagger, marked_tagger, model):
    sentences = [["Ann", "sees", "Rome", "."], ["York"], ["New", "York", "sees", "Bob"]]
    rows = [{"tokens": tokens} for tokens in sentences]
    if model == "roles":
        rows = [row | {"marks": [n == 0 for n, _ in enumerate(row["tokens"])]} for row in rows]
    bundle = recurra.load(tagger if model == "names" else marked_tagger)
    expected = bundle.predict([{"mark": row.get("marks"), **row} for row in rows])
    said = server.post(f"{model}/predict", json={"inputs": rows}).json()["predictions"]
    assert [one["tokens"] for one in said] == sentences
    assert [tag for one in said for tag in one["tags"]] == expected["tag"].to_list()
    shares = [share for one in said for share in one["probabilities"]]
    np.testing.assert_allclose(shares, expected["probability"].to_numpy(), rtol=1e-5)


def test_numbers_in_json_and_as_an_array_are_answered_alike(server, signals):
    steps = [[0.1, 0.9], [0.4, -0.2], [1.0, 0.0]]
    table = {"id": [1] * 3, "a": [a for a, _ in steps], "b": [b for _, b in steps]}
    expected = float(recurra.load(signals).predict(table)["y"][0])
    assert server.ask("moves", steps)["value"] == pytest.approx(expected, rel=CLOSE)
    answer = server.post("moves/predict", content=npy(steps), headers={"Content-Type": wire.ARRAY})
    assert np.load(io.BytesIO(answer.content)).tolist() == pytest.approx([expected], rel=CLOSE)


def test_an_array_of_many_windows(server, plain_forecaster):
    windows = np.array([[float(n % 5) - 2 for n in range(start, start + 20)] for start in range(3)])
    answer = server.post("steps/predict", content=npy(windows[..., None]), headers={"Content-Type": wire.ARRAY})
    got = np.load(io.BytesIO(answer.content))
    assert got.shape == (3, 3, 4)  # windows, horizon, the point and three quantiles
    bundle = recurra.load(plain_forecaster)
    for window, one in zip(windows, got, strict=True):
        expected = bundle.predict({"step": list(range(20)), "x": window.tolist()})
        np.testing.assert_allclose(one, expected.drop("step").to_numpy(), rtol=CLOSE)


def test_a_model_that_does_not_look_at_the_calendar_needs_no_time(server):
    past = [float(n % 5) - 2 for n in range(20)]
    assert "step" not in server.ask("steps", {"x": past})
    assert server.ask("steps", {"x": past, "step": 7})["step"] == [27, 28, 29]


def test_who_asks_at_the_same_time_is_answered_by_one_call(folders):
    from concurrent.futures import ThreadPoolExecutor

    from server.running import figure, serving

    texts = [f"win {'money ' * (n % 7)}now" for n in range(48)]
    with serving({"mail": folders["mail"]}, wait=300, batch=48) as server:
        with ThreadPoolExecutor(48) as people:
            together = list(people.map(lambda text: server.ask("mail", text)["probability"], texts))
        metrics = server.client.get("/metrics").text
        assert figure(metrics, "recurra_batch_size_sum") == 48
        assert figure(metrics, "recurra_batch_size_count") <= 3
    expected = recurra.load(folders["mail"]).predict({"text": texts})["probability"]
    np.testing.assert_allclose(together, expected.to_numpy(), rtol=CLOSE)


def test_words_are_weighed(server):
    said = server.post("mail/explain", json={"input": "win money, see you"}).json()
    assert "".join(word["text"] for word in said["words"]) == "win money, see you"
    assert max(abs(word["weight"]) for word in said["words"]) == pytest.approx(1)


def test_a_text_is_sent_as_it_is_written(server, writer):
    order = {"prompt": "to be", "length": 40, "seed": 3}
    with server.client.stream("POST", "/v1/models/prose/generate", json=order) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [event.split("\n") for event in "".join(answer.iter_text()).strip().split("\n\n")]
    import json

    pieces = [json.loads(data.removeprefix("data: ")) for name, data in events if name == "event: text"]
    expected = recurra.load(writer).generate("to be", length=40, seed=3)
    assert "".join(piece["text"] for piece in pieces) == expected.text
    assert len(pieces) > 20
    assert events[-1][0] == "event: end"


def npy(values: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(values))
    return file.getvalue()
