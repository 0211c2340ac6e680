"""A connection that does not send its whole request in time is closed, whatever part of it is missing."""

from __future__ import annotations

import socket
import time

import pytest

from server.running import serving


@pytest.fixture(scope="module")
def hasty(folders):
    with serving({"mail": folders["mail"]}, receive=0.5) as running:
        yield running


HALF = {
    "nothing": b"",
    "half a line": b"POST /v1/mod",
    "half of the headers": b"POST /v1/models/mail/predict HTTP/1.1\r\nHost: localhost\r\n",
    "half of the body": b"POST /v1/models/mail/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    "half of an upgrade": b"GET /v1/models/mail/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n",
}


def drip(connection: socket.socket, content: bytes) -> None:
    for byte in content:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def until_closed(connection: socket.socket) -> bytes:
    connection.settimeout(5)
    said = b""
    while part := connection.recv(4096):
        said += part
    return said


@pytest.mark.parametrize("part", HALF.values(), ids=HALF)
def test_half_a_request(hasty, part):
    with socket.create_connection(("127.0.0.1", hasty.port)) as connection:
        begun = time.monotonic()
        connection.sendall(part)
        said = until_closed(connection)
    assert 0.4 < time.monotonic() - begun < 2
    assert said.startswith(b"HTTP/1.1 408 ")


def test_a_byte_now_and_then_does_not_help(hasty):
    with socket.create_connection(("127.0.0.1", hasty.port)) as connection:
        begun = time.monotonic()
        with pytest.raises(OSError, match=r"reset|pipe"):
            drip(connection, HALF["half of the headers"] * 10)
    assert time.monotonic() - begun < 2


def test_the_second_request_of_a_connection_is_watched_too(hasty):
    with socket.create_connection(("127.0.0.1", hasty.port)) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in connection.recv(4096)
        connection.sendall(HALF["half of the headers"])
        assert b"HTTP/1.1 408 " in until_closed(connection)


def test_headers_without_end(hasty):
    with socket.create_connection(("127.0.0.1", hasty.port)) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n" + b"X-Filler: 0123456789\r\n" * 4000)
        assert until_closed(connection).startswith(b"HTTP/1.1 431 ")


def test_a_slow_answer_and_an_idle_stream_are_not_cut(hasty, monkeypatch):
    from websockets.sync.client import connect

    task = hasty.service.models.get("mail").bundle.task
    real = type(task).answer
    monkeypatch.setattr(type(task), "answer", lambda *given: time.sleep(0.8) or real(*given))
    assert hasty.ask("mail", "win")["label"]
    with connect(f"ws://127.0.0.1:{hasty.port}/v1/models/mail/stream") as stream:
        time.sleep(0.8)
        stream.send('{"start": 3}')
        assert "error" in stream.recv()
