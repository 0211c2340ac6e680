"""Requests that come at about the same time are answered by one call of the model, on the one thread that calls models.

While a call runs, what comes meanwhile waits for the next one: the busier the server, the larger the batches. Only when
nothing runs does a request wait for others, for a moment.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

Answer = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True, eq=False)
class _Waiting:
    """The sequences of one request, and where their answers go."""

    checked: Sequence[Any]
    answers: asyncio.Future[Sequence[Any]]


class Batcher:
    """Gathers the requests to one model.

    Args:
        answer: one call of the model, for many sequences; runs on the worker.
        worker: the thread that calls models.
        wait: seconds to wait for company when nothing runs.
        most: sequences of one call.
        seen: is told the size of each batch.
    """

    def __init__(self, answer: Answer, worker: Executor, wait: float, most: int, seen: Callable[[int], None]) -> None:
        self._answer, self._worker, self._wait, self._most, self._seen = answer, worker, wait, most, seen
        self._queue: deque[_Waiting] = deque()
        self._sequences = 0
        self._running = False
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, checked: Sequence[Any]) -> asyncio.Future[Sequence[Any]]:
        """Put the sequences of one request in line; who gives up cancels the future, and no call is made for it."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(checked, loop.create_future())
        self._queue.append(waiting)
        self._sequences += len(checked)
        if not self._running:
            if self._sequences >= self._most:
                self._start()
            elif self._timer is None:
                self._timer = loop.call_later(self._wait, self._start)
        return waiting.answers

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = self._take()
        if batch:
            self._running = True
            sequences = [one for waiting in batch for one in waiting.checked]
            self._seen(len(sequences))
            call = asyncio.get_running_loop().run_in_executor(self._worker, self._call, sequences)
            call.add_done_callback(lambda done: self._finish(batch, done))

    def _take(self) -> list[_Waiting]:
        """The first requests that are still waited for, at least one, and no more sequences than may be."""
        batch: list[_Waiting] = []
        size = 0
        while self._queue and (not batch or size + len(self._queue[0].checked) <= self._most):
            waiting = self._queue.popleft()
            self._sequences -= len(waiting.checked)
            if not waiting.answers.done():
                batch.append(waiting)
                size += len(waiting.checked)
        return batch

    def _call(self, sequences: Sequence[Any]) -> list[Any]:
        """Answer on the worker; where a call fails, each sequence is tried alone, so that one harms itself only."""
        try:
            parts = [sequences[at : at + self._most] for at in range(0, len(sequences), self._most)]
            return [answer for part in parts for answer in self._answer(part)]
        except Exception as error:
            return [error] if len(sequences) == 1 else [self._call([one])[0] for one in sequences]

    def _finish(self, batch: list[_Waiting], done: asyncio.Future[list[Any]]) -> None:
        self._running = False
        answers = iter(done.result())
        for waiting in batch:
            mine = [next(answers) for _ in waiting.checked]
            if not waiting.answers.done():
                failed = next((one for one in mine if isinstance(one, Exception)), None)
                if failed is None:
                    waiting.answers.set_result(mine)
                else:
                    waiting.answers.set_exception(failed)
        if self._queue:
            self._start()
