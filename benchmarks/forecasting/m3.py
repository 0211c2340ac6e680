"""The M3 competition: 3,003 series, one model per frequency, default settings apart from the horizon.

    python benchmarks/forecasting/m3.py              # the test: the values that the competition held back
    python benchmarks/forecasting/m3.py --validate   # for choosing: the last horizon of the training part instead

The overall sMAPE is pooled over all forecast points, as in the published figures: Theta 13.01 (Makridakis 2000),
N-BEATS 12.37 (Oreshkin 2020; an ensemble).
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from typing import Any

import numpy as np
import polars as pl
import torch
from record import data_file, keep

import recurra
from recurra.metrics import smape
from recurra.tasks.forecasting.baselines import naive, seasonal_naive
from recurra.training.progress import progress_on

PERIODS = {"YEARLY": (12, 1), "QUARTERLY": (3, 4), "MONTHLY": (1, 12), "OTHER": (0, 1)}  # months a step, steps a season


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    rows = read_rows()
    if arguments.validate:
        rows = [{**row, "train": row["train"][: -row["h"]], "test": row["train"][-row["h"] :]} for row in rows]
    results = {period: measure(period, rows, arguments) for period in arguments.period}
    results["overall"] = pool(list(results.values()))
    keep("m3-validation" if arguments.validate else "m3", {"smape": results, "seed": arguments.seed})


def read_rows() -> list[dict[str, Any]]:
    """All series: ``id``, ``period``, ``start``, horizon ``h``, ``train`` and ``test``."""
    with gzip.open(data_file("m3_mcomp/M3.jsonl.gz"), "rt") as lines:
        return [json.loads(line) for line in lines]


def monthly_rows() -> tuple[list[dict[str, Any]], pl.DataFrame]:
    """The monthly series, as rows and as one frame of their training parts."""
    rows = [row for row in read_rows() if row["period"].strip() == "MONTHLY"]
    return rows, pl.concat([_frame(row, "MONTHLY") for row in rows])


def pool(results: list[dict[str, float]]) -> dict[str, float]:
    """The mean over all forecast points."""
    points = sum(one["points"] for one in results)
    methods = ("model", "naive", "seasonal naive")
    return {"points": points, **{m: sum(one[m] * one["points"] for one in results) / points for m in methods}}


def measure(period: str, rows: list[dict[str, Any]], arguments: argparse.Namespace) -> dict[str, float]:
    """Train on one frequency and score its forecasts, sMAPE in percent."""
    rows = [row for row in rows if row["period"].strip() == period]
    horizon = rows[0]["h"]
    reading = recurra.Reading(skip_short=arguments.validate)  # 8 years are left of some, too few to learn from
    settings = recurra.Forecasting(time="time", target="value", series="series", horizon=horizon, reading=reading)
    options = recurra.TrainingOptions(seed=arguments.seed, threads=arguments.threads)
    frame = pl.concat([_frame(row, period) for row in rows])
    begin = time.perf_counter()
    bundle = recurra.train(settings, frame, options=options, progress=progress_on())
    seconds = time.perf_counter() - begin
    forecast = bundle.predict(frame)
    by_series = {name: part["point"].to_numpy() for (name,), part in forecast.group_by("series")}
    actual = np.array([row["test"] for row in rows])
    histories = [np.array([row["train"]]) for row in rows]
    season = PERIODS[period][1]
    return {
        "series": len(rows),
        "points": actual.size,
        "model": smape(actual, np.stack([by_series[row["id"]] for row in rows])),
        "naive": smape(actual, np.concatenate([naive(history, horizon) for history in histories])),
        "seasonal naive": smape(actual, np.concatenate([seasonal_naive(h, horizon, season) for h in histories])),
        "seconds": seconds,
    }


def _frame(row: dict[str, Any], period: str) -> pl.DataFrame:
    months, _ = PERIODS[period]
    step = np.arange(len(row["train"]))
    if months:
        year = row["start"] if row["start"] and row["start"] > 1000 else 1900
        first = np.datetime64(f"{int(year):04d}-01", "M") + round((year - int(year)) * 12 / months) * months
        step = (first + months * step).astype("datetime64[us]")
    return pl.DataFrame({"series": row["id"], "time": step, "value": np.array(row["train"], dtype=np.float64)})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--period", nargs="+", choices=PERIODS, default=list(PERIODS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
