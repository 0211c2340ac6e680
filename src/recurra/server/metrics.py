"""What is counted and timed, in Prometheus' text format; and the layer around the application that does it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("recurra.requests")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "recurra_requests", "requests by route and status", ("route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "recurra_request_seconds", "time to answer", ("route",), registry=self.registry, buckets=_SECONDS
        )
        self.batches = Histogram(
            "recurra_batch_size", "sequences answered by one call of a model", registry=self.registry, buckets=_SIZES
        )

    def watch(self, name: str, about: str, count: Callable[[], float]) -> None:
        """Add a figure that is asked for when it is wanted."""
        Gauge(name, about, registry=self.registry).set_function(count)

    def render(self) -> bytes:
        """All figures as text."""
        return generate_latest(self.registry)


class Measured:
    """Counts and times the requests of an application, and logs them if wanted: never a body, never a query."""

    def __init__(self, app: ASGIApp, metrics: Metrics, log: bool) -> None:
        self.app, self.metrics, self.log = app, metrics, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note how it went."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note)
        finally:
            self._note(scope, status, time.perf_counter() - begun)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("endpoint"), "__name__", "other")
        self.metrics.requests.labels(route, status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if self.log:
            _log.info("%s %s %d %.1f ms", scope["method"], route, status, 1000 * seconds)
