"""Texts that are written while they are read: a thread writes, each piece is sent as it is made."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from recurra.errors import DataError, RecurraError
from recurra.server import wire
from recurra.server.asking import read_object
from recurra.server.models import Model
from recurra.server.service import Service
from recurra.server.settings import Serving
from recurra.settings import Sampling, default_of, from_dict

Event = tuple[str, dict[str, Any]]


class _NobodyReadsError(Exception):
    """Nobody reads any more."""


def read_order(kind: str, model: Model, body: bytes, settings: Serving) -> tuple[str, Sampling]:
    """The prompt, and how to go on with it: ``{"prompt": …, "length": …, "temperature": …}``."""
    model.require(model.writes, "write")
    order = read_object(kind, body)
    prompt = order.pop("prompt", "")
    if not isinstance(prompt, str) or len(prompt) > settings.length:
        raise DataError("body, 'prompt'", f"a text of {settings.length:,} characters at most must come.")
    sampling = from_dict(Sampling, {"length": min(settings.length, default_of(Sampling, "length"))} | order)
    if sampling.length > settings.length:
        raise DataError("body, 'length'", f"{settings.length:,} symbols may be written at most, got {sampling.length}.")
    return prompt, sampling


async def write(service: Service, model: Model, prompt: str, sampling: Sampling) -> AsyncIterator[bytes]:
    """Server-sent events: ``text`` with each piece, then ``end`` with what is to be said of the whole, or ``error``."""
    task, loop = model.require(model.writes, "write"), asyncio.get_running_loop()
    events: asyncio.Queue[Event | None] = asyncio.Queue()
    gone = threading.Event()

    def tell(event: Event | None) -> None:
        loop.call_soon_threadsafe(events.put_nowait, event)

    def show(text: str) -> None:
        if gone.is_set():
            raise _NobodyReadsError
        tell(("text", {"text": text}))

    def work() -> None:
        try:
            own = copy.deepcopy(model.bundle.model)  # what makes single steps fast serves one caller at a time
            written = task.generate(own, prompt, sampling, None, show)
            about = {"symbols": written.symbols, "stopped": written.stopped, "notices": list(written.notices)}
            tell(("end", about))
        except RecurraError as error:
            tell(("error", {"error": str(error)}))
        finally:
            tell(None)

    def work_while_read() -> None:
        with suppress(_NobodyReadsError):
            work()

    with service.desk.pass_through():
        done = loop.run_in_executor(service.writers, work_while_read)
        try:
            while (event := await events.get()) is not None:
                yield wire.text_of(*event)
            await done
        finally:
            gone.set()
