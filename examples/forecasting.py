"""Forecast two shops' sales, known promotions included.  Run: python examples/forecasting.py"""

import numpy as np
import polars as pl

import recurra


def make_sales(days: int = 300) -> pl.DataFrame:
    """Sales with a week's pattern, lifted by promotions that are planned ahead."""
    random = np.random.default_rng(0)
    shops = []
    for name, level in (("north", 20.0), ("south", 35.0)):
        day = np.arange(days)
        promotion = (random.random(days) < 0.15).astype(int)
        sold = level + 4 * np.sin(2 * np.pi * day / 7) + 6 * promotion + random.normal(0, 1, days)
        shops.append(
            pl.DataFrame({"day": np.datetime64("2025-01-01") + day, "shop": name, "sold": sold, "promotion": promotion})
        )
    return pl.concat(shops)


sales = make_sales()
task = recurra.Forecasting(time="day", target="sold", series="shop", future="promotion", horizon=7)
options = recurra.TrainingOptions(steps=300, seed=1)

last_week = sales["day"].max() - pl.duration(days=7)
known = sales.with_columns(sold=pl.when(pl.col("day") > last_week).then(None).otherwise("sold"))

bundle = recurra.train(task, sales.filter(pl.col("day") <= last_week), options=options)
forecast = bundle.predict(known)

print(bundle.backtest(sales, windows=1).summary())
print(forecast)
