"""Requests are gathered, never lost, and harm each other in no way."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from recurra.server.batching import Batcher


class Model:
    """Doubles numbers; remembers how many it was asked at once."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.sizes: list[int] = []
        self.seconds = seconds

    def answer(self, numbers):
        self.sizes.append(len(numbers))
        time.sleep(self.seconds)
        if any(number < 0 for number in numbers):
            raise ZeroDivisionError
        return [2 * number for number in numbers]


def run(model: Model, work, wait: float = 0.01, most: int = 8):
    with ThreadPoolExecutor(1) as worker:

        async def go():
            return await work(Batcher(model.answer, worker, wait, most, lambda size: None))

        return asyncio.run(go())


def test_those_who_come_together_are_answered_together():
    async def work(batcher):
        return await asyncio.gather(*(batcher.ask([n]) for n in range(5)))

    model = Model()
    assert run(model, work) == [[0], [2], [4], [6], [8]]
    assert model.sizes == [5]


def test_a_full_batch_does_not_wait():
    async def work(batcher):
        begun = time.monotonic()
        await asyncio.gather(*(batcher.ask([n]) for n in range(8)))
        return time.monotonic() - begun

    assert run(Model(), work, wait=30) < 1


def test_one_alone_waits_no_longer_than_it_must():
    async def work(batcher):
        begun = time.monotonic()
        await batcher.ask([1])
        return time.monotonic() - begun

    assert 0.04 < run(Model(), work, wait=0.05) < 1


def test_what_comes_during_a_call_is_gathered_for_the_next():
    async def work(batcher):
        first = asyncio.ensure_future(batcher.ask([1]))
        await asyncio.sleep(0.05)
        rest = [batcher.ask([n, n]) for n in range(6)]
        return await asyncio.gather(first, *rest)

    model = Model(seconds=0.1)
    answers = run(model, work, wait=0)
    assert answers == [[2], *([2 * n, 2 * n] for n in range(6))]
    assert model.sizes == [1, 8, 4]  # never more than eight, never a request in two calls


def test_a_request_larger_than_a_batch_is_answered_in_parts():
    async def work(batcher):
        return await batcher.ask(list(range(20)))

    model = Model()
    assert run(model, work) == list(range(0, 40, 2))
    assert model.sizes == [8, 8, 4]


def test_one_that_makes_the_model_fail_harms_itself_only():
    async def work(batcher):
        return await asyncio.gather(*(batcher.ask([n]) for n in (1, -1, 3)), return_exceptions=True)

    good, bad, other = run(Model(), work)
    assert (good, other) == ([2], [6])
    assert isinstance(bad, ZeroDivisionError)


def test_no_call_is_made_for_who_gave_up():
    async def work(batcher):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await batcher.ask([1])
        return await batcher.ask([2])

    model = Model()
    assert run(model, work, wait=0.05) == [4]
    assert model.sizes == [1]
