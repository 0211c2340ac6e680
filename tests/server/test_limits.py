"""What is too much is refused with its status and a sentence, and harms nobody."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from server.running import serving


@pytest.fixture(scope="module")
def strict(folders):
    settings = {"body": 2000, "length": 50, "sequences": 3, "sessions": 1}
    with serving({name: folders[name] for name in ("mail", "moves", "prose", "steps")}, **settings) as running:
        yield running


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def test_a_body_that_is_too_large(strict):
    status, said = refusal(strict.post("mail/predict", json={"input": "x" * 3000}))
    assert status == 413
    assert "2,000 bytes at most" in said


def test_a_body_that_does_not_say_how_large_it_is(strict):
    chunks = (b"x" * 500 for _ in range(50))
    answer = strict.post("mail/predict", content=chunks, headers={"Content-Type": "application/json"})
    status, said = refusal(answer)
    assert status == 413
    assert "2,000 bytes at most" in said


def test_a_sequence_that_is_too_long(strict):
    for model, long in (("moves", [[0, 0]] * 51), ("mail", "win " * 51), ("steps", {"x": [1.0] * 51})):
        status, said = refusal(strict.post(f"{model}/predict", json={"input": long}))
        assert status == 422
        assert "50 steps at most, 51 came" in said
    assert strict.ask("mail", "win " * 50)["label"]


def test_too_many_sequences(strict):
    status, said = refusal(strict.post("mail/predict", json={"inputs": ["win"] * 4}))
    assert status == 422
    assert "3 sequences at most, 4 came" in said


def test_a_text_that_is_too_long_to_write(strict):
    for order, why in (
        ({"length": 51}, "50 symbols may be written at most, got 51"),
        ({"prompt": "to be" * 11}, "50 characters at most"),
    ):
        status, said = refusal(strict.post("prose/generate", json=order))
        assert status == 422
        assert why in said


def test_too_many_streams(strict):
    address = f"ws://127.0.0.1:{strict.port}/v1/models/prose/stream"
    with connect(address), pytest.raises(InvalidStatus) as refusal:
        connect(address)
    assert refusal.value.response.status_code == 429
    assert refusal.value.response.headers["Retry-After"]


def test_a_full_queue_refuses_and_recovers(folders, monkeypatch):
    with serving({"mail": folders["mail"]}, queue=4, wait=0) as server:
        task = server.service.models.get("mail").bundle.task
        free = threading.Event()
        real = type(task).answer
        monkeypatch.setattr(type(task), "answer", lambda *given: free.wait(10) and real(*given))
        with ThreadPoolExecutor(10) as people:
            asked = [people.submit(server.post, "mail/predict", json={"input": "win"}) for _ in range(10)]
            while sum(one.done() for one in asked) < 6:
                time.sleep(0.01)
            free.set()
        statuses = sorted(one.result().status_code for one in asked)
        assert statuses == [200] * 4 + [503] * 6
        busy = next(one.result() for one in asked if one.result().status_code == 503)
        assert busy.headers["Retry-After"] == "1"
        assert server.ask("mail", "win")["label"]


def test_who_waits_too_long_is_told_so(folders, monkeypatch):
    with serving({"mail": folders["mail"]}, deadline=0.2) as server:
        task = server.service.models.get("mail").bundle.task
        real = type(task).answer
        monkeypatch.setattr(type(task), "answer", lambda *given: time.sleep(0.6) or real(*given))
        begun = time.monotonic()
        answer = server.post("mail/predict", json={"input": "win"})
        assert time.monotonic() - begun < 0.5
        status, said = refusal(answer)
        assert status == 503
        assert "no answer within 0.2 s" in said
        assert answer.headers["Retry-After"]


def test_a_bad_request_does_not_harm_its_batch_mates(folders):
    inputs = ["win money", "", "see you", 7, "now " * 5, None] * 5
    with serving({"mail": folders["mail"]}, wait=200, batch=30) as server, ThreadPoolExecutor(30) as people:
        statuses = people.map(lambda one: server.post("mail/predict", json={"input": one}).status_code, inputs)
        assert list(statuses) == [200, 422, 200, 422, 200, 422] * 5
