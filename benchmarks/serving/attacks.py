"""The corpus of hostile requests, as raw bytes: what no HTTP library would send is in it, too."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

from load import request
from served import CONTEXT

Attack = tuple[str, bytes]
SALES, MAIL = "/v1/models/sales/predict", "/v1/models/mail/predict"


def corpus() -> Iterator[Attack]:
    """Names and bytes."""
    for part in (_bodies, _numbers, _columns, _texts, _arrays, _heads, _addresses, _upgrades, _deformed):
        for number, attack in enumerate(part()):
            yield f"{part.__name__[1:]} {number}", attack


def _bodies() -> Iterator[bytes]:
    """No JSON, and JSON of another form."""
    for body in (
        b"",
        b"{",
        b"}",
        b"null",
        b"true",
        b"0",
        b'""',
        b"[]",
        b"{}",
        b'{"input"}',
        b'{"input":}',
        b"\x00" * 100,
        b"\xff\xfe",
        b'{"input": "\\ud800"}',
        b'{"input": "\xed\xa0\x80"}',
        b'{"input": NaN}',
        b'{"input": Infinity}',
        b'{"input": 1e999}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"input": ' + b"[" * 150 + b"]" * 150 + b"}",
        b"\xef\xbb\xbf{}",
        b"{'input': 'a'}",
        b'{"input": 1} trailing',
        b'{"input": "a", "inputs": ["a"]}',
        b'{"inputs": {}}',
        b'{"inputs": []}',
        b'{"inputs": [[]]}',
        b'{"Input": "a"}',
        b'{"input ": "a"}',
        b'{"__proto__": {}}',
        b'{"__class__": "x"}',
        b'{"input": {"$ref": "#"}}',
        b'{"input": "a", "extra": 1}',
        b"//comment\n{}",
        b'{"input": .5}',
        b'{"input": 0x10}',
        b'{"input": 01}',
        b"<xml/>",
        b"!!python/object:os.system",
        b"\x80\x04\x95\x00",
        b"(dp0\n.",
        b"PK\x03\x04",
        b"\x1f\x8b\x08\x00",
    ):
        yield request(SALES, body)


def _numbers() -> Iterator[bytes]:
    """Targets that are none."""
    good = [50.0] * CONTEXT
    odd = [
        "x",
        None,
        True,
        False,
        [],
        {},
        [1],
        "1",
        "",
        -1,
        0,
        -0.0,
        1e300,
        -1e300,
        10**400,
        1e-320,
        "NaN",
        "inf",
        " 1",
        "1;2",
    ]
    for one in odd:
        yield _ask({"day": "2021-06-01", "sold": [*good[:-1], one] if one is not None else [None] * CONTEXT})
    for sold in (
        [],
        None,
        5,
        "50,50",
        {"0": 50},
        [[50.0]] * CONTEXT,
        [good, good],
        good[:3],
        [None, *good[1:]],
        [good],
    ):
        yield _ask({"day": "2021-06-01", "sold": sold})
    yield _ask({"day": "2021-06-01", "sold": good * 5000})


def _columns() -> Iterator[bytes]:
    """Times that are none, and columns that are not there."""
    good = [50.0] * CONTEXT
    for day in (
        "",
        " ",
        "today",
        "2021-13-01",
        "2021-02-30",
        "0000-00-00",
        "99999-01-01",
        "2021-06-01T25:00",
        "2021/06/01 noon",
        0,
        -1,
        1e9,
        True,
        {},
        [],
        [[]],
        ["2021-06-01", "2021-06-03"],
        ["2021-06-02", "2021-06-01"],
        ["2021-06-01"] * 3,
        ["2021-06-01"] * 99,
        ["2021-06-01", None],
        "2021-06-01; DROP TABLE",
        "%s%s%n",
        "../../etc/passwd",
        "\u0000",
        "２０２１-06-01",
        "9" * 5000,
        "-9999-01-01",
        None,
    ):
        yield _ask({"day": day, "sold": good})
    for name in ("SOLD", "sold ", "", "__class__", "a" * 10_000, "\u202e", "holiday"):
        yield _ask({"day": "2021-06-01", "sold": good, name: good})
    yield _ask({"sold": good})
    yield _ask({})


def _texts() -> Iterator[bytes]:
    """Texts that are none, too long or strange; strange ones may be answered."""
    for text in ("", " ", "\n\t", "\u200b" * 0, None, 3, [], ["a"], {"text": "a"}, True, 1.5, "a " * 200_000):
        yield request(MAIL, json.dumps({"input": text}).encode())
    for inputs in ([""], ["a", ""], ["a"] * 257, ["a", None], "a", [["a"]], [{}] * 3, None):
        yield request(MAIL, json.dumps({"inputs": inputs}).encode())


def _arrays() -> Iterator[bytes]:
    """Files of NumPy that are none, lie about their shape, or hold what must not be opened."""
    magic = b"\x93NUMPY\x01\x00"

    def npy(head: str, content: bytes = b"") -> bytes:
        padded = head.ljust(117) + "\n"
        return magic + len(padded).to_bytes(2, "little") + padded.encode() + content

    heads = [
        f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}"
        for kind, order, shape in itertools.product(
            ("<f4", "|O", "<i8", ">f4", "<c8"),
            ("False", "True"),
            ("()", "(10,)", "(999999999, 999999999)", "(-1,)", "(0,)"),
        )
    ]
    for head in heads[1:]:
        yield request(f"{SALES}?day=2021-06-01", npy(head), "application/x-npy")
    for body in (
        b"",
        magic,
        magic + b"\xff\xff",
        magic[:4],
        b"\x93NUMPY\x03\x00" + b"\x00" * 50,
        npy("__import__('os')"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (10,), }", b"\x00" * 39),
        b"\x80\x04]\x94.",
    ):
        yield request(f"{SALES}?day=2021-06-01", body, "application/x-npy")
    nan = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (10,), }", b"\x00\x00\xc0\x7f" * 10)
    yield request(f"{SALES}?day=2021-06-01", nan, "application/x-npy")
    yield request(f"{SALES}?day=2021-06-01&day=x&sold=3", nan, "application/x-npy")
    yield request(MAIL, nan, "application/x-npy")


def _heads() -> Iterator[bytes]:
    """Headers that lie, repeat or are too many."""
    body = b'{"input": "win"}'
    for lines in (
        b"Content-Length: -1",
        b"Content-Length: x",
        b"Content-Length: 99999999999999999999",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 16\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Content-Length: 99999999",
        b"Content-Length: 16\r\nContent-Type: text/plain",
        b"Content-Length: 16\r\nContent-Type: application/x-www-form-urlencoded",
        b"Content-Length: 16\r\nContent-Type: multipart/form-data; boundary=x",
        b"Content-Length: 16\r\nContent-Type: application/xml",
        b"Content-Length: 16\r\nContent-Encoding: gzip\r\nContent-Type: text/json",
        b"Content-Length: 16\r\nX: " + b"a" * 100_000,
        b"Content-Length: 16\r\n" + b"X: y\r\n" * 20_000 + b"Z: z",
        b"Content-Length: 16\r\n: nameless",
        b"Content-Length: 16\r\nX\x00: y",
    ):
        yield (
            b"POST "
            + MAIL.encode()
            + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            + lines
            + b"\r\n\r\n"
            + body
        )
    for host in (b"evil.example", b"", b"127.0.0.1.evil.example", b"127.0.0.1@evil.example", b"[::1", b"\xff"):
        yield b"GET /v1/models HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
    for origin in (b"http://evil.example", b"null", b"http://127.0.0.1.evil.example", b"file://"):
        yield b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: " + origin + b"\r\nConnection: close\r\n\r\n"


def _addresses() -> Iterator[bytes]:
    """Places that are not there."""
    paths = (
        "/static/../settings.py",
        "/static/%2e%2e/settings.py",
        "/static/..%2fsettings.py",
        "/static//etc/passwd",
        "/static/....//x",
        "/%00",
        "/static/%00",
        "/v1/models/../../etc",
        "/v1/models/%2e%2e/predict",
        "/v1/models//predict",
        "/v1/models/sales",
        "/admin",
        "/.env",
        "/.git/config",
        "/openapi.json.bak",
        "//evil.example/",
        "/" + "a" * 30_000,
        "/v1/models/" + "%41" * 3000,
        "/v1/models/sales%00/predict",
        "/v1/models/sales/predict/",
        "/v1/models/sales/stream",
        "/\\..\\..\\",
        "/%c0%ae%c0%ae/",
    )
    for path in paths:
        yield f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get", "X" * 500):
        yield f"{method} {SALES} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()


def _upgrades() -> Iterator[bytes]:
    """Handshakes of WebSockets that are none."""
    start = b"GET /v1/models/mail/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    version = b"Sec-WebSocket-Version: 13\r\n"
    for lines in (b"", key, version, key + b"Sec-WebSocket-Version: 99\r\n", b"Sec-WebSocket-Key: x\r\n" + version):
        yield start + lines + b"\r\n"
    yield start + key + version + b"Origin: http://evil.example\r\n\r\n"
    yield start.replace(b"mail", b"none") + key + version + b"\r\n"


def _deformed() -> Iterator[bytes]:
    """No HTTP."""
    yield from (
        b"\r\n\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00" * 5000,
        b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"EHLO me\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"POST " + MAIL.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST "
        + MAIL.encode()
        + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    )


def _ask(window: object) -> bytes:
    return request(SALES, json.dumps({"input": window}).encode())
