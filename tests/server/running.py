"""Real servers for tests: one in a thread of this process, or one of its own that signals can be sent to."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from recurra.server.run import Server, listen
from recurra.server.service import Service
from recurra.server.settings import Serving


class Running:
    """A server that listens on a free port."""

    def __init__(self, service: Service, port: int) -> None:
        self.service, self.port = service, port
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)

    def ask(self, model: str, input: Any) -> Any:
        """The prediction for one input."""
        answer = self.client.post(f"/v1/models/{model}/predict", json={"input": input})
        assert answer.status_code == 200, answer.text
        return answer.json()["prediction"]

    def post(self, path: str, **content: Any) -> httpx.Response:
        return self.client.post(f"/v1/models/{path}", **content)


@contextmanager
def serving(folders: dict[str, Path], **settings: Any) -> Iterator[Running]:
    """A server in a thread, with these settings."""
    service = Service(folders, Serving(port=0, **settings))
    service.models.load()
    server, listening = Server(service), listen(service.settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    running = Running(service, listening.getsockname()[1])
    try:
        wait_until(lambda: server.started)
        yield running
    finally:
        running.client.close()
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


class Process:
    """``recurra serve`` in a process of its own."""

    def __init__(self, *arguments: object, port: int | None = None) -> None:
        self.port = port or free_port()
        command = [sys.executable, "-m", "recurra", "serve", *map(str, arguments), "--port", str(self.port)]
        self.log = ""
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.port}"
        try:
            wait_until(self._is_ready, 60)
        except AssertionError:
            self.process.kill()
            raise

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log += line

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def version(self, model: str) -> str:
        models = httpx.get(f"{self.url}/v1/models").json()["models"]
        return next(one["version"] for one in models if one["name"] == model)

    def end(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(20)


def wait_until(true: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def figure(metrics: str, name: str) -> float:
    """One figure of a page of metrics."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", metrics, re.MULTILINE)
    assert found, name
    return float(found[1])
