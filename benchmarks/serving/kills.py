"""200 streams while the server is killed ten times: none lost, no step doubled, every output the undisturbed one.

    python benchmarks/serving/kills.py [--store sqlite]

A client knows nothing but its last state (or its id) and the chunk that it has no answer to; it sends that again when
the server is there again. Afterwards every answer is compared with a session that nobody disturbed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import websockets
from record import keep
from served import WORDS, Served, classifier, scratch

import recurra

STREAMS, KILLS, CHUNKS = 200, 10, 60
CLOSE = 1e-6


class Client:
    """One stream, from its first chunk to its last."""

    def __init__(self, number: int, port: int, by_id: bool) -> None:
        choose = random.Random(number)
        self.chunks = [[choose.choice(WORDS) for _ in range(choose.randint(1, 3))] for _ in range(CHUNKS)]
        self.address = f"ws://127.0.0.1:{port}/v1/models/mail/stream"
        self.start: dict[str, str] = {"id": f"stream-{number}"} if by_id else {}
        self.answers: list[list[dict[str, Any]]] = []
        self.reconnected = 0
        self.steps = 0

    async def go(self) -> None:
        while len(self.answers) < CHUNKS:
            try:
                async with websockets.connect(self.address, open_timeout=60) as socket:
                    await self._go_on(socket)
            except (OSError, websockets.WebSocketException, TimeoutError):
                self.reconnected += 1
                await asyncio.sleep(random.uniform(0.05, 0.3))

    async def _go_on(self, socket: websockets.ClientConnection) -> None:
        started = await _ask(socket, {"start": self.start})
        self.steps = started["started"]["steps"]
        while len(self.answers) < CHUNKS:
            number = len(self.answers) + 1
            said = await _ask(socket, {"sequence": number, "observations": self.chunks[number - 1]})
            assert said["sequence"] == number
            self.answers.append(said["outputs"])
            if "state" in said:
                self.start = {"state": said["state"]}
            await asyncio.sleep(random.uniform(0, 0.4))

    def largest_difference(self, bundle: recurra.Bundle) -> float:
        """Between what was said and what an undisturbed session says; infinite if a step was lost or doubled."""
        session = recurra.Session(bundle)
        largest = 0.0
        for chunk, outputs in zip(self.chunks, self.answers, strict=True):
            if len(chunk) != len(outputs):
                return float("inf")
            for word, output in zip(chunk, outputs, strict=True):
                expected = session.feed(word)["probabilities"]
                largest = max(largest, *(abs(expected[name] - p) for name, p in output["probabilities"].items()))
        return largest


async def _ask(socket: websockets.ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    await socket.send(json.dumps(message))
    said: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 60))
    if "error" in said:
        sys.exit(f"refused: {said}")
    return said


async def disturb(server: Served, clients: list[Client]) -> int:
    """Kill and start again, until it was done often enough."""
    for number in range(KILLS):
        wanted = (number + 1) * CHUNKS * STREAMS // (KILLS + 2)
        while sum(len(client.answers) for client in clients) < wanted:
            await asyncio.sleep(0.05)
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
    return KILLS


async def play(server: Served, by_id: bool) -> tuple[list[Client], int]:
    clients = [Client(number, server.port, by_id) for number in range(STREAMS)]
    killing = asyncio.create_task(disturb(server, clients))
    async with asyncio.timeout(900):
        await asyncio.gather(*(client.go() for client in clients))
        return clients, await killing


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", choices=["none", "sqlite"], default="none")
    store, folder = parser.parse_args().store, scratch()
    model = classifier(folder / "mail")
    Path(folder / "key").write_text("a key of this measurement only, 32 bytes and more")
    where = ["--store", f"sqlite:{folder / 'streams.db'}"] if store == "sqlite" else ["--key", folder / "key"]
    server = Served(f"mail={model}", *where)
    begun = time.monotonic()
    clients, kills = asyncio.run(play(server, store == "sqlite"))
    seconds = time.monotonic() - begun
    server.stop()
    bundle = recurra.load(model)
    differences = [client.largest_difference(bundle) for client in clients]
    result = {
        "streams": STREAMS,
        "chunks of each": CHUNKS,
        "kills": kills,
        "failed attempts to connect, and connections lost": sum(client.reconnected for client in clients),
        "streams lost": sum(len(client.answers) != CHUNKS for client in clients),
        "streams with a step lost or doubled": sum(one > CLOSE for one in differences),
        "largest difference": max(differences),
        "seconds": round(seconds, 1),
    }
    keep(f"kills-{'ids' if store == 'sqlite' else 'states'}", result)
    sys.exit(bool(result["streams lost"] or result["streams with a step lost or doubled"]))


if __name__ == "__main__":
    main()
