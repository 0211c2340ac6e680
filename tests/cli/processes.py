"""The command line in processes of their own, which can be killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path


def start(*arguments: object) -> subprocess.Popen[str]:
    """Begin a command."""
    command = [sys.executable, "-m", "recurra", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def recurra(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What a command prints, and its exit code."""
    process = start(*arguments)
    out, errors = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


def wait_for(there: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the process has written a file."""
    deadline = time.monotonic() + 60
    while not there.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def kill_at(process: subprocess.Popen[str], there: Path) -> None:
    """Kill the process when it has written a file."""
    wait_for(there, process)
    process.kill()
    process.communicate()


def stop_at(process: subprocess.Popen[str], there: Path) -> str:
    """Ask the process to stop when it has written a file; what it says on its way out."""
    wait_for(there, process)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    return errors
