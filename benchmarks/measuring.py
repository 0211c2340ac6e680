"""What the measurements of tasks share: where the data are, and how a result is kept."""

from __future__ import annotations

import gzip
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import recurra

LOAD = os.getloadavg()[0]  # before anything is measured


def data_file(name: str) -> Path:
    """A public dataset's file; the measurement ends with a sentence where it is absent."""
    root = Path(os.environ.get("RECURRA_DATA", Path(__file__).parents[2] / "shared" / "data"))
    path = root / name
    if not path.is_file():
        sys.exit(f"skipped: {path} is absent; set RECURRA_DATA to the folder of the datasets")
    return path


def data_text(name: str) -> str:
    """The text of a public dataset, which may be gzipped."""
    path = data_file(name)
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def processor() -> str:
    """The processor's name, as Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def keep(name: str, result: dict[str, Any]) -> None:
    """Print a result and write it to ``results/name.json`` beside the script, with command, versions and machine."""
    kept = {
        "command": " ".join(["python", *sys.argv]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"recurra": recurra.__version__, "torch": torch.__version__, "python": platform.python_version()},
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "load before": LOAD,
        },
        **result,
    }
    print(json.dumps(result, indent=2))
    results = Path(sys.argv[0]).resolve().parent / "results"
    results.mkdir(exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps(kept, indent=2) + "\n")
