"""ETTh1, 96 hours from 96 hours, seven channels, the standard split of 12, 4 and 4 months, segment-wise decoder.

    python benchmarks/forecasting/etth1.py              # the test: 2,785 windows of the last 4 months
    python benchmarks/forecasting/etth1.py --validate   # for choosing: the windows of the 4 months before

Values are z-scores with the mean and standard deviation of the training rows, as in all published figures: SegRNN 0.368
(Lin 2023), DLinear 0.386 (Zeng 2023), PatchTST 0.414 with this context. The settings were chosen on validation windows.
"""

from __future__ import annotations

import argparse
import time

import polars as pl
import torch
from record import data_file, keep

import recurra
from recurra.data.tables import read_table
from recurra.training.progress import progress_on

TRAIN, VALIDATION, TEST = 8640, 2880, 2880
LENGTH = 96
SETTINGS = {"decoder": "segments", "unit": "series", "season": 1, "encoder": {"dropout": 0.3}, "members": 3}
OPTIONS = {"learning_rate": 1e-3, "l2": 0.1, "average": 0.995}


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    frame = read_table(data_file("etth1/ETTh1.csv.gz")).frame
    channels = [name for name in frame.columns if name != "date"]
    frame = frame.with_columns(pl.col(channels).cast(pl.Float64)).head(TRAIN + VALIDATION + TEST)
    known = frame.head(TRAIN)
    frame = frame.with_columns([(pl.col(c) - known[c].mean()) / known[c].std(ddof=0) for c in channels])
    settings = recurra.Forecasting(
        time="date", target=channels, horizon=LENGTH, context=LENGTH, validation=VALIDATION, test=0, **SETTINGS
    )
    options = recurra.TrainingOptions(seed=arguments.seed, threads=arguments.threads, **OPTIONS)
    begin = time.perf_counter()
    bundle = recurra.train(settings, frame.head(TRAIN + VALIDATION), options=options, progress=progress_on())
    seconds = time.perf_counter() - begin
    scored = frame.head(TRAIN + VALIDATION) if arguments.validate else frame
    scores = bundle.backtest(scored, windows=TEST - LENGTH + 1, stride=1)
    result = {
        "mse": scores.table["model"]["rmse"] ** 2,
        "mae": scores.table["model"]["mae"],
        "windows": scores.windows,
        "published_mse": {"SegRNN": 0.368, "DLinear": 0.386, "PatchTST": 0.414},
        "seconds_to_train": seconds,
        "seed": arguments.seed,
        "settings": SETTINGS,
        "training": OPTIONS,
    }
    keep("etth1-validation" if arguments.validate else "etth1", result)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
