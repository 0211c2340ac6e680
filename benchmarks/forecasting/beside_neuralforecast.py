"""Side by side with neuralforecast's LSTM: error, time to train, time to forecast one window; the same run.

    python benchmarks/forecasting/beside_neuralforecast.py --python ../neuralforecast/bin/python

``--python`` is the interpreter of an environment with ``neuralforecast==3.3.0 torch==2.13.0``. Both sides get the same
rows, threads, context, hidden size, layers and steps of the same number of windows; the rest are each one's defaults.
``--rival-defaults`` leaves the rival its own sizes (two layers of 128, context of three horizons, 1,000 steps).
``--share 0.25`` trains recurra with a quarter of the steps. ``--quiet`` spares the rival its logger, checkpoint and
progress bar, which it has by default.

Two data sets: the electricity of Victoria (60 days ahead, one after the other; temperature and holiday are known) and
the 1,428 monthly series of M3. The two sides forecast each window in turns, three times each, and the last time counts:
otherwise each would find the caches full of the other's data.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from m3 import monthly_rows
from record import data_file, keep

import recurra
from recurra.data.tables import read_table
from recurra.metrics import mae, mase

HORIZON = {"victoria": 48, "m3-monthly": 18}
DAYS, HISTORY = 60, 8 * 336  # windows of the test; rows that each forecast is given: eight weeks
WARM_UP, WARM = 3, 3  # windows that are not counted; forecasts of each window, of which the last is timed
_QUIET = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "logger": False,
    "accelerator": "cpu",
    "devices": 1,
}


@dataclass(frozen=True)
class Contest:
    """One data set for both sides."""

    settings: recurra.Forecasting
    frequency: str
    train: pl.DataFrame
    windows: list[tuple[pl.DataFrame, pl.DataFrame | None]]
    """History and what is known ahead, for each forecast."""
    actual: np.ndarray
    """[W, H], or [S, H] where one forecast is of all S series."""
    scale: np.ndarray
    """What an error is divided by in MASE, [W] or [S]."""


class Rival:
    """The other side, in a process of its own."""

    def __init__(self, python: str, folder: Path) -> None:
        script = Path(__file__).with_name("neuralforecast_side.py")
        errors = (folder / "errors.txt").open("w")
        self.folder = folder
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
        self.process = subprocess.Popen([python, str(script)], cwd=folder, text=True, **pipes)
        self._answer()

    def ask(self, order: str) -> float:
        """Send an order; the answer is a time."""
        assert self.process.stdin is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return float(self._answer())

    def forecasts(self) -> np.ndarray:
        """End the process; its forecasts [W, S, H]."""
        self.process.communicate("end\n")
        return np.array(json.loads((self.folder / "forecasts.json").read_text()))

    def _answer(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("recurra-benchmark "):
                return line.split(maxsplit=1)[1].strip()
        raise SystemExit((self.folder / "errors.txt").read_text()[-2000:])


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    contests = {"victoria": victoria, "m3-monthly": m3_monthly}
    results = {name: compare(contests[name](), arguments) for name in arguments.data}
    flags = ["-defaults"] * arguments.rival_defaults + ["-quiet"] * arguments.quiet
    flags += [f"-share-{arguments.share:g}"] if arguments.share != 1 else []
    keep(f"beside-neuralforecast{''.join(flags)}", results)


def compare(contest: Contest, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train both, one after the other, then forecast in turns."""
    settings = contest.settings
    task, series = settings.learn(read_table(contest.train))
    steps = arguments.steps or task.choose_steps(len(task.split(series).training), 128)
    same = {
        "input_size": task.choices.context,
        "encoder_n_layers": settings.encoder.layers,
        "encoder_hidden_size": settings.encoder.hidden_size,
        "max_steps": steps,
        "windows_batch_size": 128,
    }
    padded = {"start_padding_enabled": True} if settings.series else {}
    model = {"futr_exog_list": list(settings.future), **padded, **({} if arguments.rival_defaults else same)}
    model.update(_QUIET if arguments.quiet else {})
    steps = round(arguments.share * steps)
    options = recurra.TrainingOptions(threads=arguments.threads, steps=steps)
    with tempfile.TemporaryDirectory() as folder:
        rival = Rival(arguments.python, _write(contest, model, arguments.threads, Path(folder)))
        seconds: dict[str, float] = {}
        for side in ("neuralforecast", "recurra"):
            begin = time.perf_counter()
            if side == "recurra":
                bundle = recurra.train(settings, contest.train, options=options)
            else:
                rival.ask("fit")
            seconds[side] = time.perf_counter() - begin
        milliseconds: dict[str, list[float]] = {"recurra": [], "neuralforecast": []}
        ours = []
        for number, (history, ahead) in enumerate(contest.windows):
            frame = history if ahead is None else pl.concat([history, ahead], how="diagonal")
            for _ in range(WARM):
                begin = time.perf_counter()
                forecast = bundle.predict(frame)
                seconds_once = time.perf_counter() - begin
            milliseconds["recurra"].append(1000 * seconds_once)
            milliseconds["neuralforecast"].append([rival.ask(f"predict {number}") for _ in range(WARM)][-1])
            ours.append(forecast["point"].to_numpy().reshape(-1, settings.horizon))
        theirs = rival.forecasts()
    return _result(contest, seconds, milliseconds, {"recurra": np.array(ours), "neuralforecast": theirs}, model, steps)


def _result(contest: Contest, seconds: Any, milliseconds: Any, forecasts: Any, model: Any, steps: int) -> Any:
    errors = {side: values.reshape(contest.actual.shape) for side, values in forecasts.items()}
    one_call = {side: statistics.median(values[WARM_UP:] or values) for side, values in milliseconds.items()}
    return {
        "steps": steps,
        "rival": model,
        "mase": {side: mase(contest.actual, point, contest.scale) for side, point in errors.items()},
        "mae": {side: mae(contest.actual, point) for side, point in errors.items()},
        "seconds_to_train": seconds,
        "milliseconds_to_predict": one_call,
        "times_faster_to_train": seconds["neuralforecast"] / seconds["recurra"],
        "times_faster_to_predict": one_call["neuralforecast"] / one_call["recurra"],
    }


def victoria() -> Contest:
    """Half-hourly demand, a day ahead, on the last 60 days."""
    frame = pl.read_csv(data_file("skforecast/vic_electricity.csv.gz"))
    time = pl.col("Time").str.to_datetime(time_zone="UTC").dt.replace_time_zone(None)
    frame = frame.select(time, "Demand", "Temperature", (pl.col("Holiday") == "TRUE").cast(pl.Float64))
    horizon = HORIZON["victoria"]
    first = frame.height - DAYS * horizon
    windows = [
        (frame[origin - HISTORY : origin], frame[origin : origin + horizon].drop("Demand"))
        for origin in range(first, frame.height, horizon)
    ]
    demand = frame["Demand"].to_numpy().astype(np.float64)
    scale = np.abs(demand[336:first] - demand[: first - 336]).mean()
    settings = recurra.Forecasting(time="Time", target="Demand", horizon=horizon, future=("Temperature", "Holiday"))
    actual = demand[first:].reshape(DAYS, horizon)
    return Contest(settings, "30min", frame.head(first), windows, actual, np.full(DAYS, scale))


def m3_monthly() -> Contest:
    """All monthly series of M3, the 18 months that the competition held back; no more is held out by either side."""
    rows, frame = monthly_rows()
    horizon = HORIZON["m3-monthly"]
    rows = sorted(rows, key=lambda row: row["id"])
    frame = frame.sort("series", "time")
    histories = [np.array(row["train"], dtype=np.float64) for row in rows]
    scale = np.array([np.abs(history[12:] - history[:-12]).mean() for history in histories])
    settings = recurra.Forecasting(time="time", target="value", series="series", horizon=horizon, test=0)
    actual = np.array([row["test"] for row in rows], dtype=np.float64)
    return Contest(settings, "MS", frame, [(frame, None)], actual, scale)


def _write(contest: Contest, model: dict[str, Any], threads: int, folder: Path) -> Path:
    """Leave everything for the rival in a folder, in the form that it wants."""
    plan = {
        "horizon": contest.settings.horizon,
        "frequency": contest.frequency,
        "threads": threads,
        "windows": len(contest.windows),
        "model": model,
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    _rename(contest.train, contest.settings).write_parquet(folder / "train.parquet")
    for number, (history, ahead) in enumerate(contest.windows):
        _rename(history, contest.settings).write_parquet(folder / f"history-{number}.parquet")
        if ahead is not None:
            _rename(ahead, contest.settings).write_parquet(folder / f"ahead-{number}.parquet")
    return folder


def _rename(frame: pl.DataFrame, settings: recurra.Forecasting) -> pl.DataFrame:
    names = {settings.time: "ds", settings.target[0]: "y", settings.series or "": "unique_id"}
    if not settings.series:
        frame = frame.with_columns(unique_id=pl.lit("1"))
    return frame.rename({old: new for old, new in names.items() if old in frame.columns})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="the interpreter of the rival's environment")
    parser.add_argument("--data", nargs="+", choices=HORIZON, default=list(HORIZON))
    parser.add_argument("--rival-defaults", action="store_true", help="the rival's own sizes and steps")
    parser.add_argument("--quiet", action="store_true", help="the rival without logger, checkpoints and progress bar")
    parser.add_argument("--share", type=float, default=1.0, help="of the steps, that recurra takes")
    parser.add_argument("--steps", type=int, help="of both sides; default: what recurra chooses")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
