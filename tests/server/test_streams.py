"""Streams over WebSockets: every chunk is applied once, and no stream is lost."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import recurra
from server.running import serving

FED = {
    "mail": ["win", "money", "now", "see", "you", "soon", "win", "win"],
    "spans": ["Ann", "sees", None, "New", "York", "sees", None, "Rome"],
    "roles": [{"marked": "Ann"}, ["New", False], ["Ann", True], ["sees", False], None, *[["Rome", False]] * 3],
}
"""Eight observations for each model."""


class Talk:
    """One connection."""

    def __init__(self, socket) -> None:
        self.socket = socket

    def ask(self, message: object) -> dict:
        self.socket.send(json.dumps(message))
        return json.loads(self.socket.recv(10))

    def feed(self, sequence: int, *observations: object) -> dict:
        return self.ask({"sequence": sequence, "observations": list(observations)})


@contextmanager
def talking(port: int, model: str = "mail", **start: str):
    with connect(f"ws://127.0.0.1:{port}/v1/models/{model}/stream") as socket:
        talk = Talk(socket)
        talk.started = talk.ask({"start": start}).get("started")
        yield talk


@pytest.fixture(scope="module", params=FED)
def model(request) -> str:
    """Each model in turn."""
    return request.param


@pytest.fixture
def fed(model) -> list[object]:
    """What the model is fed."""
    return FED[model]


@pytest.fixture(scope="module")
def expected(folders, model) -> list[dict]:
    """What a session that nobody disturbs says to that."""
    session = recurra.Session(recurra.load(folders[model]))
    return [session.feed(one) for one in FED[model]]


def same(said: list[dict], expected: list[dict]) -> bool:
    names = [[one.get("label", one.get("tag")) for one in some] for some in (said, expected)]
    return names[0] == names[1] and all(
        one.get("probability") == pytest.approx(other.get("probability"), abs=1e-6)
        for one, other in zip(said, expected, strict=True)
    )


def test_a_stream_says_what_a_session_says(server, model, fed, expected):
    with talking(server.port, model) as talk:
        assert talk.started["sequence"] == 0
        said = talk.feed(1, *fed[:3])["outputs"] + talk.feed(2, *fed[3:])["outputs"]
    assert same(said, expected)


def test_a_chunk_that_comes_again_is_answered_again_but_not_applied(server, model, fed, expected):
    with talking(server.port, model) as talk:
        first = talk.feed(1, fed[0])
        second = talk.feed(2, fed[1])
        assert talk.feed(1, fed[0]) == {"sequence": 1, "outputs": first["outputs"], "repeated": True}
        assert talk.feed(2, fed[1])["outputs"] == second["outputs"]
        assert same(talk.feed(3, fed[2])["outputs"], expected[2:3])


def test_a_gap_is_refused(server, model, fed, expected):
    with talking(server.port, model) as talk:
        talk.feed(1, fed[0])
        assert talk.feed(3, fed[2]) == {
            "error": "[sequence] 2 is the next chunk, 3 came. Send what is missing.",
            "expected": 2,
        }
        assert same(talk.feed(2, fed[1])["outputs"], expected[1:2])


def test_a_chunk_is_applied_as_a_whole_or_not_at_all(server, model, fed, expected):
    with talking(server.port, model) as talk:
        assert "error" in talk.feed(1, *fed[:4], 3)
        assert same(talk.feed(1, *fed[:4])["outputs"], expected[:4])


def test_an_answer_that_is_long_ago_is_forgotten_but_the_chunk_is_not_applied(server):
    with talking(server.port) as talk:
        for number in range(1, 15):
            talk.feed(number, "win")
        assert "its answer is kept no more" in talk.feed(1, "win")["error"]
        assert talk.feed(14, "win")["repeated"]


def test_another_server_goes_on_with_a_state(server, folders, model, fed, expected, tmp_path):
    key = tmp_path / "key"
    key.write_text("0123456789" * 4)
    with serving({model: folders[model]}, key=key) as first, talking(first.port, model) as talk:
        state = talk.feed(1, *fed[:4])["state"]
    with serving({"other": folders[model]}, key=key) as second, talking(second.port, "other", state=state) as talk:
        assert talk.started["sequence"] == 1
        assert talk.started["steps"] == 4
        assert same(talk.feed(1, *fed[:4])["outputs"], expected[:4])  # its answer may have been lost
        assert same(talk.feed(2, *fed[4:])["outputs"], expected[4:])
    with talking(server.port, model, state=state) as talk:  # of another key
        assert talk.started is None


@pytest.mark.parametrize("place", [0, 5, 40, -30, -2])
def test_a_state_that_was_changed_is_refused(server, place):
    with talking(server.port) as talk:
        state = talk.feed(1, "win")["state"]
    letter = "A" if state[place] != "A" else "B"
    changed = state[:place] + letter + state[place:][1:]
    for bad in (changed, state[: len(state) // 2], "", "ä", "AAAA"):
        with connect(f"ws://127.0.0.1:{server.port}/v1/models/mail/stream") as socket:
            assert "as a server with this key handed it out" in Talk(socket).ask({"start": {"state": bad}})["error"]


def test_a_state_of_another_model_is_refused(server):
    with talking(server.port) as talk:
        state = talk.feed(1, "win")["state"]
    with connect(f"ws://127.0.0.1:{server.port}/v1/models/prose/stream") as socket:
        assert "of this very model" in Talk(socket).ask({"start": {"state": state}})["error"]


@pytest.mark.parametrize("store", ["memory", "sqlite:{}/streams.db"])
def test_a_stream_with_an_id_is_kept(folders, model, fed, expected, store, tmp_path):
    with serving({model: folders[model]}, store=store.format(tmp_path)) as server:
        with talking(server.port, model, id="till-7") as talk:
            said = talk.feed(1, *fed[:2])["outputs"]
        with talking(server.port, model, id="till-7") as talk:
            assert talk.started["sequence"] == 1
            assert talk.feed(1, *fed[:2])["outputs"] == said
            assert same(talk.feed(2, *fed[2:])["outputs"], expected[2:])


def test_of_two_connections_with_one_id_only_one_goes_on(server, model, fed, expected):
    with talking(server.port, model, id="shared") as one, talking(server.port, model, id="shared") as other:
        assert same(one.feed(1, fed[0])["outputs"], expected[:1])
        with pytest.raises(ConnectionClosed, match="4409"):
            other.feed(1, fed[0])
        assert same(one.feed(2, fed[1])["outputs"], expected[1:2])


@pytest.mark.parametrize(
    "message",
    ["{", "[]", "3", '{"start": 3}', '{"start": {"id": "a b"}}', '{"start": {"id": 3}}', '{"start": {"x": ""}}', "{}",
     '{"sequence": 1, "observations": ["win"]}', '{"start": {"id": "../../etc/passwd"}}', '{"start": {}, "x": 1}'],
)  # fmt: skip
def test_messages_that_begin_no_stream(server, message):
    with connect(f"ws://127.0.0.1:{server.port}/v1/models/mail/stream") as socket:
        socket.send(message)
        assert "error" in json.loads(socket.recv(10))
        assert "started" in Talk(socket).ask({"start": {}})


@pytest.mark.parametrize(
    "message",
    [{}, {"sequence": 1}, {"sequence": "1", "observations": ["win"]}, {"sequence": 0, "observations": ["win"]},
     {"sequence": True, "observations": ["win"]}, {"sequence": 1, "observations": []},
     {"sequence": 1, "observations": "win"}, {"sequence": 1, "observations": ["win"] * 1000}, {"start": {}}],
)  # fmt: skip
def test_messages_that_are_no_chunk(server, message):
    with talking(server.port) as talk:
        assert talk.ask(message)["expected"] == 1
        assert talk.feed(1, "win")["sequence"] == 1


def test_a_stream_that_says_nothing_is_closed(folders):
    quick = serving({"mail": folders["mail"]}, idle=0.2)
    with quick as server, talking(server.port) as talk, pytest.raises(ConnectionClosed, match="4408"):
        talk.socket.recv(5)


def test_a_message_that_is_too_large_ends_the_connection_only(folders):
    with serving({"mail": folders["mail"]}, body=5000) as server:
        with talking(server.port) as talk, pytest.raises(ConnectionClosed, match="1009"):
            talk.feed(1, "win " * 5000)
        assert server.ask("mail", "win")["label"]


@pytest.mark.parametrize(("other", "why"), [("moves", "convolution"), ("names", "CRF.*--head linear")])
def test_a_model_that_cannot_be_streamed_says_why(server, other, why):
    with connect(f"ws://127.0.0.1:{server.port}/v1/models/{other}/stream") as socket:
        assert re.search(why, Talk(socket).ask({"start": {}})["error"])


@pytest.mark.parametrize(
    ("name", "wrong", "why"),
    [
        ("spans", "", "must not be empty"),
        ("spans", 3, "must be a text, 3 came"),
        ("spans", ["Ann", "sees"], "must be a text, ['Ann', 'sees'] came"),
        ("roles", "Ann", "a token and its mark must come, 'Ann' came"),
        ("roles", ["Ann", True], "'Ann' was not"),
    ],
)
def test_what_is_no_token_is_refused(server, name, wrong, why):
    with talking(server.port, name) as talk:
        answer = talk.feed(1, wrong)
        assert why in answer["error"]
        assert answer["expected"] == 1
        assert talk.feed(1, FED[name][0])["sequence"] == 1
