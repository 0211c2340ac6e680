"""Ten minutes of requests of all kinds: memory must not grow by more than 5 % after the first minute.

    python benchmarks/serving/soak.py [--minutes 10]

Forecasts in JSON and binary, texts, bad requests and short streams, from a few clients, so that the machine is left to
others. Memory is the resident set, a median over ten seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time

import numpy as np
import uvloop
import websockets
from load import Outcome, Run, request
from record import keep
from served import WORDS, Served, classifier, forecaster, scratch, windows

CLIENTS, PAUSE = 4, 0.05
GROWTH = 0.05


async def streams(port: int, end: float) -> int:
    """One short stream after the other; how many there were."""
    count = 0
    while time.monotonic() < end:
        async with websockets.connect(f"ws://127.0.0.1:{port}/v1/models/mail/stream") as socket:
            await socket.send('{"start": {}}')
            await socket.recv()
            for number in range(1, 11):
                await socket.send(json.dumps({"sequence": number, "observations": WORDS[:3]}))
                await socket.recv()
        count += 1
        await asyncio.sleep(PAUSE)
    return count


async def watch(server: Served, end: float) -> list[float]:
    """The memory of each ten seconds, MiB."""
    found = []
    while time.monotonic() < end:
        some = []
        for _ in range(10):
            some.append(server.memory())
            await asyncio.sleep(1)
        found.append(statistics.median(some))
    return found


async def play(server: Served, seconds: float) -> tuple[list[float], int, Outcome]:
    random = np.random.default_rng(0)
    bodies = [*windows(200, binary=False), *windows(200, binary=True)]
    texts = [" ".join(random.choice(WORDS, 1 + n % 60)) for n in range(200)]
    bodies += [request("/v1/models/mail/predict", json.dumps({"input": text}).encode()) for text in texts]
    bodies += [request("/v1/models/mail/predict", body) for body in (b"{", b'{"input": ""}', b'{"input": 3}')]
    end = time.monotonic() + seconds
    work = Run(server.port, CLIENTS, lambda _: bodies[int(random.integers(len(bodies)))], seconds)
    memory, count, outcome = await asyncio.gather(watch(server, end), streams(server.port, end), work.go())
    return memory, count, outcome


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    seconds, folder = 60 * parser.parse_args().minutes, scratch()
    server = Served(f"sales={forecaster(folder / 'sales')}", f"mail={classifier(folder / 'mail')}")
    memory, count, outcome = uvloop.run(play(server, seconds))
    alive = server.process.poll() is None
    server.stop()
    first, last = memory[min(5, len(memory) // 2)], memory[-1]
    result = {
        "minutes": round(seconds / 60, 1),
        "MiB after the first minute": round(first, 1),
        "MiB at the end": round(last, 1),
        "growth": round(last / first - 1, 4),
        "streams": count,
        "the server lived": alive,
        "MiB every ten seconds": [round(one, 1) for one in memory],
        **outcome.describe(),
    }
    keep("soak", result)
    sys.exit(last / first - 1 > GROWTH or not alive)


if __name__ == "__main__":
    main()
