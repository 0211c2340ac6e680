"""Who may ask."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from recurra.errors import SettingsError
from recurra.server.access import Guarded, Tokens
from recurra.server.settings import Serving
from server.running import serving

TOKEN = "one-of-the-tokens"


@pytest.fixture(scope="module")
def closed(folders, tmp_path_factory):
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(f"another-known-token\n\n{TOKEN}\n")
    with serving({"mail": folders["mail"]}, tokens=file) as running:
        yield running


def test_without_a_token_only_the_pages_and_the_state_of_health_are_shown(closed):
    for path in ("/", "/docs", "/static/page.js", "/healthz", "/readyz"):
        assert closed.client.get(path).status_code == 200
    for path in ("/v1/models", "/metrics", "/openapi.json", "/nothing"):
        assert closed.client.get(path).status_code == 401
    answer = closed.post("mail/predict", json={"input": "win"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


NONE = ["", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", TOKEN]


@pytest.mark.parametrize("header", NONE)
def test_what_is_no_known_token(closed, header):
    answer = closed.post("mail/predict", json={"input": "win"}, headers={"Authorization": header})
    assert answer.status_code == 401


def test_with_a_token(closed):
    headers = {"Authorization": f"bearer {TOKEN}"}
    assert closed.post("mail/predict", json={"input": "win"}, headers=headers).status_code == 200


def test_a_stream_needs_one_too(closed):
    address = f"ws://127.0.0.1:{closed.port}/v1/models/mail/stream"
    with pytest.raises(InvalidStatus) as refusal:
        connect(address)
    assert refusal.value.response.status_code == 401
    with connect(address, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as socket:
        socket.send('{"start": {}}')
        assert "started" in json.loads(socket.recv())


def test_every_token_is_compared_whole(monkeypatch):
    compared = []
    monkeypatch.setattr("recurra.server.access.hmac.compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    assert Tokens(["first", "second", "third"]).accept("Bearer first")
    assert len(compared) == 3
    assert {len(a) for a, _ in compared} == {32}


def test_files_of_tokens_that_are_none(tmp_path):
    (tmp_path / "short").write_text("abc")
    (tmp_path / "empty").write_text("\n")
    for name in ("short", "empty", "absent"):
        with pytest.raises(SettingsError, match="--tokens"):
            Tokens.read(tmp_path / name)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8000"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost:8000", "Origin": "http://localhost:8000"}, 200),
        ({"Host": "localhost:8000", "Origin": "http://localhost:9000"}, 403),
    ],
)
def test_pages_of_other_sites_cannot_ask(server, headers, status):
    assert server.post("mail/predict", json={"input": "win"}, headers=headers).status_code == status


def test_a_stream_of_another_site_is_refused(server):
    with pytest.raises(InvalidStatus) as refusal:
        connect(f"ws://127.0.0.1:{server.port}/v1/models/mail/stream", origin="http://evil.example")
    assert refusal.value.response.status_code == 403


def test_names_can_be_allowed():
    assert "models.example" in Guarded(None, Serving(allowed_host="models.example")).hosts
    assert Guarded(None, Serving(host="0.0.0.0")).hosts is None
    assert Guarded(None, Serving(host="0.0.0.0", allowed_host="models.example")).hosts >= {"models.example"}


def test_it_listens_on_this_machine_only_unless_told_otherwise():
    assert Serving().host == "127.0.0.1"
