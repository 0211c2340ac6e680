"""The demo: the whole way from a CSV to a forecast, on the weather of Seattle.

The measurements (NOAA, 2012 to 2015, one row a day) come inside the wheel of ``vega_datasets``: no network is needed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from recurra.bundle import load
from recurra.data.tables import write_table
from recurra.errors import MissingExtraError
from recurra.pipeline import train
from recurra.tasks.forecasting import Forecasting
from recurra.training.options import TrainingOptions
from recurra.training.progress import Progress

SETTINGS = Forecasting(
    time="date",
    target=("temp_max",),
    past=("precipitation", "temp_min", "wind", "weather"),
    horizon=7,
    context=28,
    members=3,
)
OPTIONS = TrainingOptions(steps=150, batch_size=64, average=0.98)
_COMMAND = (
    "recurra train forecasting {data} --time date --target temp_max --past precipitation --past temp_min --past wind "
    "--past weather --horizon 7 --context 28 --members 3 --steps 150 --batch-size 64 --average 0.98 --out {out}"
)


def run(out: Path, *, overwrite: bool = False, progress: Progress | None = None) -> None:
    """Train, score, report, save, load and predict; print what was done and the commands that do the same.

    Raises:
        MissingExtraError: the package with the data is not installed.
    """
    data = find_data()
    bundle = train(SETTINGS, data, out=out, overwrite=overwrite, options=OPTIONS, progress=progress)
    print(bundle.task.restore_scores(bundle.scores).summary())
    forecast = load(out).predict(data)
    write_table(forecast, out / "forecast.csv")
    print("\nhighest temperature of the next days, in °C (with 80 % it lies between low and high)")
    for day, _, low, middle, high in forecast.iter_rows():
        print(f"  {day}   {middle:5.1f}   {low:5.1f} to {high:4.1f}")
    print(f"\nreport:   {out / 'report.html'}\nbundle:   {out}\nforecast: {out / 'forecast.csv'}")
    print("\nthe same by hand, and so for a file of your own:")
    print(f"  {_COMMAND.format(data=data, out=out)}\n  recurra predict {out} {data} --out forecast.csv")


def find_data() -> Path:
    """Find the CSV without importing the package, which would import pandas."""
    package = find_spec("vega_datasets")
    if package is None or package.origin is None:
        raise MissingExtraError("demo", "the demo's data come in vega_datasets. Install: pip install 'recurra[demo]'.")
    return Path(package.origin).parent / "_data" / "seattle-weather.csv"
