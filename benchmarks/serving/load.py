"""A load generator for one machine: so many clients, each of which asks again as soon as it was answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httptools
import numpy as np
import uvloop

Choose = Callable[[int], bytes]
"""From the number of a request to its bytes."""


@dataclass
class Outcome:
    """What came of a run."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Of the requests that were answered with 200, in seconds."""
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    """Connections that ended before an answer came."""

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return self.statuses[200] / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the good answers came."""
        return float(1000 * np.quantile(self.latencies, share)) if self.latencies else float("nan")

    def describe(self) -> dict[str, object]:
        """The figures to keep."""
        return {
            "good answers per second": round(self.rate, 1),
            "p50 ms": round(self.percentile(0.5), 2),
            "p99 ms": round(self.percentile(0.99), 2),
            "statuses": dict(sorted(self.statuses.items())),
            "broken connections": self.broken,
        }


class Client(asyncio.Protocol):
    """One connection; it keeps asking until the run is over."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        now, status = time.perf_counter(), self.parser.get_status_code()
        self.run.note(self.number, status, now - self.asked)
        if self.parser.should_keep_alive():
            self.parser = httptools.HttpResponseParser(self)
            self._ask()
        else:
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.run.lost(self)

    def _ask(self) -> None:
        self.number = self.run.next_number()
        self.asked = time.perf_counter()
        if self.number is None:
            self.transport.close()
        else:
            self.transport.write(self.run.choose(self.number))


class Run:
    """All clients of one run, which ends after ``seconds`` or ``requests``, whichever comes first."""

    def __init__(self, port: int, clients: int, choose: Choose, seconds: float, requests: int | None = None) -> None:
        self.port, self.clients, self.choose, self.limit, self.requests = port, clients, choose, seconds, requests
        self.outcome, self.by_number = Outcome(), dict[int, int]()
        self.asked = 0
        self.open = 0

    def run(self) -> Outcome:
        uvloop.run(self.go())
        return self.outcome

    async def go(self) -> Outcome:
        self.over = asyncio.Event()
        begun = time.perf_counter()
        self.end = begun + self.limit
        for _ in range(self.clients):
            await self._connect()
        async with asyncio.timeout(self.limit + 30):
            await self.over.wait()
        self.outcome.seconds = time.perf_counter() - begun
        return self.outcome

    async def _connect(self) -> None:
        self.open += 1
        await asyncio.get_running_loop().create_connection(lambda: Client(self), "127.0.0.1", self.port)

    def next_number(self) -> int | None:
        """The number of the next request; None when the run is over."""
        if time.perf_counter() > self.end or self.asked == self.requests:
            return None
        self.asked += 1
        return self.asked - 1

    def note(self, number: int, status: int, seconds: float) -> None:
        self.outcome.statuses[status] += 1
        self.by_number[number] = status
        if status == 200:
            self.outcome.latencies.append(seconds)

    def lost(self, client: Client) -> None:
        self.open -= 1
        if client.number is not None and client.number not in self.by_number:
            self.outcome.broken += 1
        if client.number is not None and time.perf_counter() < self.end:
            self.again = asyncio.ensure_future(self._connect())
        elif not self.open:
            self.over.set()


def request(path: str, body: bytes, kind: str = "application/json") -> bytes:
    """A POST request as bytes."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def run(port: int, clients: int, bodies: Sequence[bytes], seconds: float, requests: int | None = None) -> Run:
    """Ask the bodies in turn."""
    work = Run(port, clients, lambda number: bodies[number % len(bodies)], seconds, requests)
    work.run()
    return work
