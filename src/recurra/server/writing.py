"""Texts that are written while they are read: a thread writes, each piece is sent as it is made."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any

from recurra.bundle import Bundle
from recurra.errors import DataError, RecurraError
from recurra.server import wire
from recurra.server.models import Model
from recurra.server.refusals import Refused
from recurra.server.settings import Serving
from recurra.settings import Sampling, default_of, from_dict
from recurra.task import Generates

Event = tuple[str, dict[str, Any]]


class _Gone(Exception):
    """Nobody reads any more."""


def read_order(model: Model, body: bytes, settings: Serving) -> tuple[str, Sampling]:
    """The prompt, and how to go on with it: ``{"prompt": …, "length": …, "temperature": …}``."""
    if not isinstance(model.bundle.task, Generates):
        what = model.bundle.task.name
        raise Refused(409, model.name, f"a model for {what} does not write. Ask it for what it can do.")
    order = wire.read_json(body)
    if not isinstance(order, dict):
        raise DataError("body", "an object must come, such as {\"prompt\": \"Once upon\"}.")
    prompt = order.pop("prompt", "")
    if not isinstance(prompt, str) or len(prompt) > settings.length:
        raise DataError("body, 'prompt'", f"a text of {settings.length:,} characters at most must come.")
    sampling = from_dict(Sampling, {"length": min(settings.length, default_of(Sampling, "length"))} | order)
    if sampling.length > settings.length:
        raise DataError("body, 'length'", f"{settings.length:,} symbols may be written at most, got {sampling.length}.")
    return prompt, sampling


async def write(bundle: Bundle, prompt: str, sampling: Sampling, writers: Executor) -> AsyncIterator[bytes]:
    """Server-sent events: ``text`` with each piece, then ``end`` with what is to be said of the whole, or ``error``."""
    task, loop = bundle.task, asyncio.get_running_loop()
    assert isinstance(task, Generates)
    events: asyncio.Queue[Event | None] = asyncio.Queue()
    gone = threading.Event()

    def tell(event: Event | None) -> None:
        loop.call_soon_threadsafe(events.put_nowait, event)

    def show(text: str) -> None:
        if gone.is_set():
            raise _Gone
        tell(("text", {"text": text}))

    def work() -> None:
        try:
            written = task.generate(bundle.model, prompt, sampling, None, show)
            about = {"symbols": written.symbols, "stopped": written.stopped, "notices": list(written.notices)}
            tell(("end", about))
        except RecurraError as error:
            tell(("error", {"error": str(error)}))
        finally:
            tell(None)

    def work_while_read() -> None:
        with suppress(_Gone):
            work()

    done = loop.run_in_executor(writers, work_while_read)
    try:
        while (event := await events.get()) is not None:
            yield wire.text_of(*event)
        await done
    finally:
        gone.set()
