"""Ctrl-C and SIGTERM: the step is finished and the run saved. The second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from recurra.errors import RecurraError


class Interrupted(RecurraError):  # noqa: N818 - nothing went wrong
    """The user or the system stopped a training run; the message says how to go on with it."""

    def __init__(self, where: str, message: str, by: signal.Signals) -> None:
        super().__init__(where, message)
        self.signal = by


class StopRequest:
    """Whether a signal came, and which; ``signal`` is None until then."""

    signal: signal.Signals | None = None


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Note SIGINT and SIGTERM in a block instead of obeying them; only the main thread may, others get no request."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    previous: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def note(number: int, _frame: FrameType | None) -> None:
        request.signal = signal.Signals(number)
        restore()  # the next signal is obeyed at once

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, note)
        yield request
    finally:
        restore()
