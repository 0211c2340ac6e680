"""1,000 streams at the same time, for a minute: no error, no mixed-up state, and the time to answer.

    python benchmarks/serving/sessions.py [--sessions 1000] [--seconds 60]

Each client feeds a word, waits for the answer and half a second to one and a half; afterwards every answer is compared
with a session of its own that saw the same words. The clients run in this process, on the same cores as the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from typing import Any

import numpy as np
import uvloop
import websockets
from record import keep
from served import WORDS, Served, classifier, scratch

import recurra

CLOSE = 1e-6


class Client:
    def __init__(self, number: int, port: int) -> None:
        self.choose = random.Random(number)
        self.address = f"ws://127.0.0.1:{port}/v1/models/mail/stream"
        self.words: list[str] = []
        self.said: list[dict[str, float]] = []
        self.latencies: list[float] = []
        self.error = ""

    async def go(self, begin: asyncio.Event, seconds: float, opened: asyncio.Semaphore) -> None:
        try:
            async with opened:  # so many handshakes at a time
                socket = await websockets.connect(self.address, open_timeout=60, ping_interval=None)
                await self._ask(socket, {"start": {}})
            await begin.wait()
            end = time.monotonic() + seconds
            await asyncio.sleep(self.choose.uniform(0, 1))
            while time.monotonic() < end:
                await self._feed(socket)
                await asyncio.sleep(self.choose.uniform(0.5, 1.5))
            await socket.close()
        except (OSError, websockets.WebSocketException, TimeoutError, KeyError) as error:
            self.error = repr(error)

    async def _feed(self, socket: websockets.ClientConnection) -> None:
        word = self.choose.choice(WORDS)
        self.words.append(word)
        begun = time.perf_counter()
        said = await self._ask(socket, {"sequence": len(self.words), "observations": [word]})
        self.latencies.append(time.perf_counter() - begun)
        self.said.append(said["outputs"][0]["probabilities"])

    async def _ask(self, socket: websockets.ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
        await socket.send(json.dumps(message))
        said: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 60))
        return said

    def largest_difference(self, bundle: recurra.Bundle) -> float:
        session = recurra.Session(bundle)
        expected = [session.feed(word)["probabilities"] for word in self.words[: len(self.said)]]
        both = zip(expected, self.said, strict=True)
        return max((abs(one[name] - other[name]) for one, other in both for name in one), default=float("inf"))


async def play(port: int, sessions: int, seconds: float) -> list[Client]:
    begin, opened = asyncio.Event(), asyncio.Semaphore(50)
    clients = [Client(number, port) for number in range(sessions)]
    talks = [asyncio.create_task(client.go(begin, seconds, opened)) for client in clients]
    await asyncio.sleep(1)
    async with asyncio.timeout(seconds + 240):
        while opened.locked():
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        begin.set()
        await asyncio.gather(*talks)
    return clients


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    model = classifier(scratch() / "mail")
    server = Served(f"mail={model}")
    load = os.getloadavg()[0]
    clients = uvloop.run(play(server.port, options.sessions, options.seconds))
    used, memory = server.seconds(), server.memory()
    server.stop()
    bundle = recurra.load(model)
    differences = [client.largest_difference(bundle) for client in clients]
    latencies = [1000 * one for client in clients for one in client.latencies]
    errors = [client.error for client in clients if client.error]
    result = {
        "sessions": options.sessions,
        "seconds": options.seconds,
        "answers": len(latencies),
        "errors": len(errors),
        "first errors": errors[:3],
        "sessions whose state was mixed up": sum(one > CLOSE for one in differences),
        "largest difference": max(differences),
        "p50 ms": round(float(np.quantile(latencies, 0.5)), 2),
        "p99 ms": round(float(np.quantile(latencies, 0.99)), 2),
        "server's seconds of processor": round(used, 1),
        "server's MiB": round(memory),
        "load when they began": load,
    }
    keep("sessions", result)
    sys.exit(bool(errors or result["sessions whose state was mixed up"]))


if __name__ == "__main__":
    main()
