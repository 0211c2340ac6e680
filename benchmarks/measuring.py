"""What the measurements of tasks share: where the data are, and how a result is kept."""

from __future__ import annotations

import gzip
import json
import os
import platform
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
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


def film_sentences() -> pl.DataFrame:
    """10,662 sentences of film reviews (Pang & Lee 2005) with ``text`` and ``label``, mixed by a fixed seed."""
    rows: list[tuple[str, str]] = []
    with zipfile.ZipFile(data_file("sentence_polarity/sentence_polarity.zip")) as archive:
        for name in sorted(archive.namelist()):
            if "rt-polarity." in name:
                lines = archive.read(name).decode("latin-1").splitlines()
                rows += [(line.strip(), name.rsplit(".", 1)[1]) for line in lines if line.strip()]
    frame = pl.DataFrame(rows, ["text", "label"], orient="row")
    return frame[np.random.default_rng(0).permutation(len(frame))]


def processor() -> str:
    """The processor's name, as Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def keep(name: str, result: dict[str, Any], first: str = "") -> None:
    """Print a result and write it to ``results/name.json`` beside the script, with command, versions and machine.

    ``first`` is the command in the file that this result adds to.
    """
    earlier = first.split("; ")[:1] if first else []
    kept = {
        "command": "; ".join([*earlier, " ".join(["python", *sys.argv])]),
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
