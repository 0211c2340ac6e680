"""The rival's half of ``beside_neuralforecast.py``; in an environment of its own, driven by lines on its input.

``fit`` trains on ``train.parquet`` and answers with the seconds; ``predict N`` forecasts window N and answers with the
milliseconds of the call. The forecasts of all windows are written to ``forecasts.json`` at ``end``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path

import pandas as pd
import torch

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
os.environ["NIXTLA_ID_AS_COL"] = "1"


def main() -> None:
    folder = Path.cwd()
    plan = json.loads((folder / "plan.json").read_text())
    torch.set_num_threads(plan["threads"])
    from neuralforecast import NeuralForecast
    from neuralforecast.models import LSTM

    model = LSTM(h=plan["horizon"], **plan["model"])
    forecaster = NeuralForecast(models=[model], freq=plan["frequency"])
    train = pd.read_parquet(folder / "train.parquet")
    windows = [
        (pd.read_parquet(folder / f"history-{number}.parquet"), _ahead(folder, number))
        for number in range(plan["windows"])
    ]
    forecasts: dict[int, list[list[float]]] = {}
    _answer("ready")
    for line in sys.stdin:
        order, *number = line.split()
        begin = time.perf_counter()
        if order == "fit":
            forecaster.fit(train)
            _answer(str(time.perf_counter() - begin))
        elif order == "predict":
            history, ahead = windows[int(number[0])]
            forecast = forecaster.predict(df=history, futr_df=ahead)
            _answer(str(1000 * (time.perf_counter() - begin)))
            forecasts[int(number[0])] = forecast["LSTM"].to_numpy().reshape(-1, plan["horizon"]).tolist()
        else:
            break
    (folder / "forecasts.json").write_text(json.dumps([forecasts[n] for n in range(plan["windows"])]))


def _ahead(folder: Path, number: int) -> pd.DataFrame | None:
    path = folder / f"ahead-{number}.parquet"
    return pd.read_parquet(path) if path.exists() else None


def _answer(text: str) -> None:
    print(f"recurra-benchmark {text}", flush=True)


if __name__ == "__main__":
    main()
