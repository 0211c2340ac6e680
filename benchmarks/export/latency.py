"""One forecast without torch: how long until the first, in a fresh process, and how long each takes after that.

A forecaster with H = 128 on daily data is trained briefly (its speed does not depend on its weights), exported, and
asked for one series through the graph alone, through `recurra.runtime`, and through the bundle in torch.

    python benchmarks/export/latency.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))
import recurra
from measuring import keep
from recurra import runtime
from recurra.runtime.forecaster import inputs_of
from recurra.tasks.forecasting.cutting import Cutter

COLD = """
import time; begin = time.perf_counter()
import sys
from recurra import runtime
runtime.load(sys.argv[1]).predict(sys.argv[2])
print(time.perf_counter() - begin, "torch" in sys.modules)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data, path = Path(folder) / "data.csv", Path(folder) / "model.onnx"
        days = np.datetime64("2023-01-01") + np.arange(730)
        sold = 20 + 5 * np.sin(np.arange(730) * 2 * np.pi / 7) + np.random.default_rng(0).normal(size=730)
        frame = pl.DataFrame({"day": days, "sold": sold})
        frame.write_csv(data)
        settings = recurra.Forecasting(time="day", target="sold", horizon=14)
        bundle = recurra.train(settings, frame, options=recurra.TrainingOptions(steps=20))
        exported = recurra.export(bundle, path)
        small, drawn = _also(bundle, settings, frame, Path(folder))
        model, graph_inputs = runtime.load(path), _window(bundle.task, frame)
        cold = [subprocess.run([sys.executable, "-c", COLD, path, data], capture_output=True, text=True, check=True)
                .stdout.split() for _ in range(9)]  # fmt: skip
        keep(
            "latency",
            {
                "hidden size, context, horizon": [128, bundle.task.context, 14],
                "graph, one window, ms": _times(lambda: model._pair.session.run(None, graph_inputs)),
                "graph with int8 weights, one window, ms": _times(lambda: small._pair.session.run(None, graph_inputs)),
                "runtime, one frame, ms": _times(lambda: model.predict(frame)),
                "bundle in torch, one frame, ms": _times(lambda: bundle.predict(frame)),
                "runtime, one frame by 200 paths, ms": _times(lambda: drawn[0].predict(frame), 50),
                "bundle in torch, one frame by 200 paths, ms": _times(lambda: drawn[1].predict(frame), 50),
                "fresh process, import and one prediction of a file, s": statistics.median(float(t) for t, _ in cold),
                "torch imported": any(imported != "False" for _, imported in cold),
                "difference of the export": exported.verification.largest_difference,
                "bytes of the graph": path.stat().st_size,
            },
        )


def _also(bundle: Any, settings: Any, frame: pl.DataFrame, folder: Path) -> tuple[Any, tuple[Any, Any]]:
    """The same with int8 weights; and an autoregressive one, exported and in torch."""
    recurra.export(bundle, folder / "small.onnx", int8=True)
    stepwise = replace(settings, decoder="autoregressive", head="student-t")
    other = recurra.train(stepwise, frame, options=recurra.TrainingOptions(steps=20))
    recurra.export(other, folder / "paths.onnx")
    return runtime.load(folder / "small.onnx"), (runtime.load(folder / "paths.onnx"), other)


def _window(task: Any, frame: pl.DataFrame) -> dict[str, Any]:
    series = task.read(frame)
    return inputs_of(Cutter(task, series, np.array([0]), series.observed).cut(np.array([0])))


def _times(call: Callable[[], Any], calls: int = 300) -> dict[str, float]:
    """Median and 99th percentile, in milliseconds."""
    call()
    taken = []
    for _ in range(calls):
        begin = time.perf_counter()
        call()
        taken.append(1e3 * (time.perf_counter() - begin))
    return {"p50": round(statistics.median(taken), 3), "p99": round(statistics.quantiles(taken, n=100)[-1], 3)}


if __name__ == "__main__":
    main()
