"""Who may ask: tokens, and the names under which browsers may reach the server.

A server on this machine's own address can still be reached by any web page that is open in a browser here. Such a page
is told apart by what browsers always send: a ``Host`` that is not the server's (DNS rebinding) or an ``Origin`` that is
not the ``Host`` (a form or a WebSocket of another site).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from recurra.errors import SettingsError
from recurra.server.settings import Serving

_OPEN = ("/", "/docs", "/healthz", "/readyz")  # and what /static/ holds: pages without a model's words
_SHORTEST = 16  # characters of a token


class Tokens:
    """Bearer tokens; they are compared in a time that does not tell how much of one was right.

    >>> Tokens(["correct horse battery"]).accept("Bearer correct horse battery")
    True
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self._digests = [_digest(token) for token in tokens]

    @classmethod
    def read(cls, path: Path) -> Tokens:
        """From a file, one a line."""
        try:
            lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"--tokens {path}", f"a file of tokens must be there: {error}.") from None
        if not lines or any(len(line) < _SHORTEST for line in lines):
            raise SettingsError(
                f"--tokens {path}", f"it must hold tokens of {_SHORTEST} characters or more, one a line."
            )
        return cls(lines)

    def accept(self, authorization: str) -> bool:
        """Whether an ``Authorization`` header holds one of them; all are looked at in any case."""
        scheme, _, token = authorization.partition(" ")
        given = _digest(token.strip())
        right = [hmac.compare_digest(given, known) for known in self._digests]
        return scheme.lower() == "bearer" and any(right)


class Guarded:
    """Refuses requests before the application sees them."""

    def __init__(self, app: ASGIApp, settings: Serving) -> None:
        self.app = app
        self.tokens = None if settings.tokens is None else Tokens.read(settings.tokens)
        self.hosts = _allowed_hosts(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed; a WebSocket is refused with the same answer, before it is opened."""
        if scope["type"] in ("http", "websocket"):
            refusal = self._refusal(scope, Headers(scope=scope))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.hosts is not None and _name(host) not in self.hosts:
            return _refuse(421, f"[host] this server is not known as {host!r:.80}. Use --allowed-host.")
        if origin is not None and urlsplit(origin).netloc != host:
            return _refuse(403, "[origin] pages of other sites may not ask this server.")
        if self.tokens is None or scope["path"] in _OPEN or scope["path"].startswith("/static/"):
            return None
        if self.tokens.accept(headers.get("authorization", "")):
            return None
        return _refuse(401, "[authorization] a known token must come: Authorization: Bearer TOKEN.")


def _refuse(status: int, sentence: str) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse({"error": sentence}, status, headers)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, False)
    """
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _allowed_hosts(settings: Serving) -> set[str] | None:
    """The names that ``Host`` may have; None for any, where the server is open to a network on purpose."""
    if not is_loopback(settings.host) and not settings.allowed_host:
        return None
    return {"localhost", "127.0.0.1", "[::1]", _bracketed(settings.host), *settings.allowed_host}


def _name(host: str) -> str:
    """A host without its port."""
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
