"""Connections that must send their whole request in time; uvicorn alone waits for ever, and without bound.

Slow senders (Slowloris) hold a connection open by sending a byte now and then; the clock of this guard starts with the
connection, and with each further request on it, and only the last byte of the request stops it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD_LIMIT = 64 * 1024  # bytes of request line and headers
_LATE = (408, b"Request Timeout", b"[request] all of it must come in time, it did not. Send it faster.")
_LARGE = (431, b"Request Header Fields Too Large", b"[request] its headers are too large. Send fewer.")


class GuardedProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP, with a deadline for receiving a request and a limit for its headers."""

    def __init__(self, *arguments: Any, receive: float, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._receive = receive
        self._clock: asyncio.TimerHandle | None = None
        self._head: int | None = 0  # bytes that came of the headers; None once they are complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first request."""
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > _HEAD_LIMIT:
                self._refuse(*_LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head = 0
        if self._clock is None:
            self._start_clock()

    def on_headers_complete(self) -> None:
        """The headers have come; what follows is a body, whose size the application looks at."""
        self._head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The whole request has come."""
        self._stop_clock()
        super().on_message_complete()

    def _start_clock(self) -> None:
        self._clock = self.loop.call_later(self._receive, self._refuse, *_LATE)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _refuse(self, status: int, reason: bytes, sentence: bytes) -> None:
        """Say why, where nothing was said yet, and close."""
        self._stop_clock()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            head = b"HTTP/1.1 %d %b\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            self.transport.write(head % (status, reason, len(sentence)) + sentence)
        self.transport.close()
