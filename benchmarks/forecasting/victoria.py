"""Half-hourly electricity demand of Victoria, a day ahead: 60 rolling forecasts over the last 60 days.

    python benchmarks/forecasting/victoria.py              # the test: the last 60 days, which training never sees
    python benchmarks/forecasting/victoria.py --validate   # for choosing: the 60 days before them

Temperature and holiday are future covariates. All settings are defaults.
"""

from __future__ import annotations

import argparse
import time

import torch
from record import data_file, keep

import recurra
from recurra.data.tables import read_table
from recurra.training.progress import progress_on

DAYS, HORIZON = 60, 48


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    frame = read_table(data_file("skforecast/vic_electricity.csv.gz")).frame
    if arguments.validate:
        frame = frame.head(frame.height - DAYS * HORIZON)
    settings = recurra.Forecasting(time="Time", target="Demand", horizon=HORIZON, future=("Temperature", "Holiday"))
    options = recurra.TrainingOptions(seed=arguments.seed, threads=arguments.threads)
    begin = time.perf_counter()
    bundle = recurra.train(settings, frame.head(frame.height - DAYS * HORIZON), options=options, progress=progress_on())
    seconds = time.perf_counter() - begin
    scores = bundle.backtest(frame, windows=DAYS)
    print(scores.summary())
    week = scores.table["seasonal naive (336)"]["mae"]
    result = {
        "mae": scores.table["model"]["mae"],
        "seasonal_naive_week_mae": week,
        "skill_against_week": 1 - scores.table["model"]["mae"] / week,
        "mase": scores.table["model"]["mase"],
        "coverage_of_80": scores.coverage[0].actual,
        "seconds_to_train": seconds,
        "seed": arguments.seed,
        "scores": scores.to_dict(),
    }
    keep("victoria-validation" if arguments.validate else "victoria", result)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
