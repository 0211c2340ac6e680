"""How a result of these benchmarks is kept: with the command, the versions and the machine."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from recurra.ops import native

HERE = Path(__file__).parent


def keep(out: str, suites: dict[str, Any], packages: tuple[str, ...] = ()) -> None:
    """Write the suites' results to ``out``, a path from this folder."""
    path = HERE / out
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "command": " ".join(["python", *sys.argv]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("torch", "recurra", *packages)},
        },
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "instructions": {"recurra": native.isa(), "torch": torch.backends.cpu.get_cpu_capability()},
        },
        "suites": suites,
    }
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(kept, indent=2) + "\n")
    part.replace(path)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # run from the source tree
        return None


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
