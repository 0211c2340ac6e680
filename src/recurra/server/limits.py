"""How much is taken on: the bytes of a request, and requests in progress."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from recurra.server.refusals import RefusalError, busy

PAUSE = 0.5  # seconds before a refused client hears of it: who does not wait by himself then costs little


class Gate:
    """Lets so many requests in at a time.

    >>> gate = Gate(1, "Enough.")
    >>> with gate.pass_through():
    ...     gate.inside
    1
    """

    def __init__(self, most: int, why: str) -> None:
        self.most, self.why, self.inside = most, why, 0

    @property
    def full(self) -> bool:
        """Whether the next one would be refused."""
        return self.inside >= self.most

    @contextmanager
    def pass_through(self) -> Iterator[None]:
        """Count one request as long as it lasts."""
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    async def refuse_if_full(self) -> None:
        """Raise 503 after a pause."""
        if self.full:
            await asyncio.sleep(PAUSE)
            raise busy(self.why)


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body; 413 as soon as it is too large, also where its length was not said."""
    announced = request.headers.get("content-length", "0")
    if len(announced) > 15 or int(announced) > limit:
        raise _too_large(limit)
    message = await request.receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False) and len(body) <= limit:
        message = await request.receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise RefusalError(400, "body", "the client went away before all of it had come.")
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> RefusalError:
    return RefusalError(413, "body", f"a request may have {limit:,} bytes at most, more came. Send it in parts.")
