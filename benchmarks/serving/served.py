"""The models that are served, trained for a moment, and ``recurra serve`` as a process to measure and to kill."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from load import request

import recurra

CONTEXT, HORIZON, HIDDEN = 10, 10, 128
FEW = recurra.TrainingOptions(steps=20, threads=1)
WORDS = ["win", "money", "prize", "now", "call", "see", "you", "soon", "lunch", "home", "work", "late"]


def forecaster(folder: Path) -> Path:
    """A forecaster with H = 128 that reads 10 steps and says 10."""
    days = np.arange("2020-01-01", "2021-06-01", dtype="datetime64[D]").astype(str).tolist()
    values = 50 + 10 * np.sin(np.arange(len(days)) / 7 * 2 * np.pi) + np.random.default_rng(0).normal(0, 1, len(days))
    encoder = recurra.Encoder(hidden_size=HIDDEN)
    task = recurra.Forecasting(time="day", target="sold", horizon=HORIZON, context=CONTEXT, encoder=encoder)
    recurra.train(task, {"day": days, "sold": values.round(2).tolist()}, options=FEW).save(folder)
    return folder


def classifier(folder: Path) -> Path:
    """A classifier of texts that reads forwards, so that it can be streamed."""
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, 6)) for _ in range(200)]
    labels = ["spam" if "win" in text or "prize" in text else "ham" for text in texts]
    task = recurra.Classification(text="text", label="kind", encoder=recurra.Encoder(hidden_size=HIDDEN), validation=0)
    recurra.train(task, {"text": texts, "kind": labels}, options=FEW).save(folder)
    return folder


def scratch() -> Path:
    """A folder for models, which goes with the process."""
    holder = tempfile.TemporaryDirectory(prefix="recurra-serving-")
    _kept.append(holder)
    return Path(holder.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


PREDICT = "/v1/models/sales/predict"


def windows(count: int, binary: bool, path: str = PREDICT) -> list[bytes]:
    """Requests for forecasts, each of another window."""
    random = np.random.default_rng(1)
    values = (50 + random.normal(0, 5, (count, CONTEXT))).round(2)
    if not binary:
        bodies = [json.dumps({"input": {"day": "2021-06-01", "sold": one}}).encode() for one in values.tolist()]
        return [request(path, body) for body in bodies]
    return [request(f"{path}?day=2021-06-01", _npy(one), "application/x-npy") for one in values]


def _npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values.astype(np.float32))
    return file.getvalue()


class Process:
    """A server in a process of its own, on a free port, and the processes that it starts."""

    ready: str
    """The page that answers with 200 once the server takes requests."""

    def __init__(self) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.start()

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self.process = subprocess.Popen(self.command(), stderr=self.log, start_new_session=True)
        end = time.monotonic() + 120
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"the server did not start:\n{self.said()}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.ready}", timeout=5).status == 200
        except (urllib.error.URLError, OSError):
            return False

    def said(self) -> str:
        """What is in the log."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def memory(self) -> float:
        """MiB that the process has in memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def seconds(self) -> float:
        """Of the processors that the process and those it started have used."""
        used = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                continue
            used += (int(fields[11]) + int(fields[12])) * (int(fields[3]) == self.process.pid)
        return used / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """As an out-of-memory killer would, with all that it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


class Served(Process):
    """``recurra serve``."""

    ready = "/readyz"

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        super().__init__()

    def command(self) -> list[str]:
        return [sys.executable, "-m", "recurra", "serve", *map(str, self.arguments), "--port", str(self.port)]


class LitServed(Process):
    """LitServe with one model of ours, by the Python of an environment that has it."""

    ready = "/health"

    def __init__(self, python: str, model: Path) -> None:
        self.python, self.model = python, model
        super().__init__()

    def command(self) -> list[str]:
        return [self.python, str(Path(__file__).with_name("litserve_side.py")), str(self.model), str(self.port)]
