"""The score of a forecaster, always beside the same scores of the naive methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from recurra.errors import DataError
from recurra.metrics import coverage, has_scale, mae, mase, rmse, smape, weighted_quantile_loss
from recurra.tasks.forecasting.forecasts import Forecasts
from recurra.tasks.forecasting.summary import summary

Floats = NDArray[np.float64]

_SHOWN = 5  # series at each end of the ranking


@dataclass(frozen=True)
class Skill:
    """How much better than the best naive method the model is."""

    baseline: str
    """The naive method with the lowest error."""
    value: float | None
    """1 - model / baseline: 1 is perfect, 0 as good, negative worse; None if only the baseline makes no error."""


@dataclass(frozen=True)
class Interval:
    """The interval between two quantiles, symmetric about the median."""

    low: float
    high: float
    nominal: float
    """The share of values that should lie in it."""
    actual: float
    """The share that does."""


@dataclass(frozen=True)
class Level:
    """One quantile: the share of values that should lie below it is its level."""

    level: float
    below: float
    """The share of values that do, half of those that are equal to it."""


@dataclass(frozen=True)
class SeriesScore:
    """The score on one series."""

    name: str
    mae: float
    mase: float | None
    skill: float | None
    """1 - MAE / MAE of the naive method that is best over all series."""


@dataclass(frozen=True)
class Scores:
    """Scores over W windows of S series; a number that cannot be had is None, never NaN."""

    series: int
    windows: int
    horizon: int
    points: int
    """Forecasts that were compared with a known value."""
    unscaled: int
    """Windows left out of MASE: their history is shorter than a season or repeats itself exactly."""
    table: Mapping[str, Mapping[str, float | None]]
    """By method, ``"model"`` first: ``mae``, ``rmse``, ``smape`` (0 to 200), ``mase``, and ``wql`` with quantiles."""
    skill: Mapping[str, Skill]
    """By metric."""
    by_step: Mapping[str, tuple[float | None, ...]]
    """MAE at each of the H steps, by method."""
    coverage: tuple[Interval, ...]
    calibration: tuple[Level, ...]
    best_series: tuple[SeriesScore, ...]
    """Best first; empty for a single series."""
    worst_series: tuple[SeriesScore, ...]
    """Worst first."""

    def summary(self) -> str:
        """A few lines for the terminal: the table, the verdict, the intervals, and what was scored."""
        return summary(self)

    def to_dict(self) -> dict[str, Any]:
        """All scores as plain JSON values."""
        plain: dict[str, Any] = TypeAdapter(Scores).dump_python(self, mode="json")
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scores:
        """The scores that :meth:`to_dict` made plain; raises :class:`DataError` if they are not such."""
        try:
            return TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(["scores", *(str(part) for part in first["loc"])])
            rule = first["msg"][0].lower() + first["msg"][1:]
            raise DataError(place, f"{rule}, got {first['input']!r}. Score the model again.") from None


def score(forecasts: Forecasts) -> Scores:
    """Score the forecasts and the naive methods on the same values.

    A value counts if it is known and every naive method forecasts it. Raises :class:`DataError` if there is none, or
    if the model's forecast of one is not finite.

    >>> day = np.arange(2).reshape(1, 2)
    >>> actual, point = np.array([[1.0, 2.0]]), np.array([[1.0, 1.5]])
    >>> naive = {"naive": np.zeros((1, 2))}
    >>> none = np.zeros((1, 2, 0))
    >>> scores = score(Forecasts(("a",), np.array([0]), day, point, none, (), actual, naive, np.array([1.0])))
    >>> scores.table["model"]["mae"], scores.table["naive"]["mae"], round(scores.skill["mae"].value, 3)
    (0.25, 1.5, 0.833)
    """
    forecasts = _comparable(forecasts)
    points = {"model": forecasts.point, **forecasts.baselines}
    table = {name: _measure(forecasts, point) for name, point in points.items()}
    if forecasts.levels:
        wql = weighted_quantile_loss(forecasts.actual, forecasts.quantiles, forecasts.levels)
        table["model"]["wql"] = _plain(wql)
    ranking = _rank_series(forecasts, table)
    return Scores(
        series=len(np.unique(forecasts.series)),
        windows=len(forecasts.point),
        horizon=forecasts.point.shape[1],
        points=int((~np.isnan(forecasts.actual)).sum()),
        unscaled=int((~has_scale(forecasts.scale)).sum()),
        table=table,
        skill=_skills(table),
        by_step={name: _by_step(forecasts.actual, point) for name, point in points.items()},
        coverage=_coverage(forecasts),
        calibration=_calibration(forecasts),
        best_series=tuple(ranking[:_SHOWN]),
        worst_series=tuple(ranking[: -_SHOWN - 1 : -1]),
    )


def _comparable(forecasts: Forecasts) -> Forecasts:
    """Only the values that every method forecasts, of windows that have any."""
    known: NDArray[np.bool_] = ~np.isnan(forecasts.actual)
    for baseline in forecasts.baselines.values():
        known = known & ~np.isnan(baseline)
    if not known.any():
        raise DataError(
            "scores",
            f"a score needs at least one known value that the naive methods can forecast too, none came in "
            f"{len(known)} windows. Give data with later known values.",
        )
    finite = np.isfinite(forecasts.point) & np.isfinite(forecasts.quantiles).all(axis=-1)
    bad = int((known & ~finite).sum())
    if bad:
        raise DataError(
            "scores",
            f"forecasts must be finite, {bad:,} of {int(known.sum()):,} are not. "
            "Check that training ended with a finite loss.",
        )
    return _select(
        replace(forecasts, actual=np.where(known, forecasts.actual, np.nan)), np.flatnonzero(known.any(axis=1))
    )


def _select(forecasts: Forecasts, windows: NDArray[np.int64]) -> Forecasts:
    arrays = ("series", "time", "actual", "point", "quantiles", "scale")
    baselines = {name: values[windows] for name, values in forecasts.baselines.items()}
    return replace(forecasts, baselines=baselines, **{name: getattr(forecasts, name)[windows] for name in arrays})


def _measure(forecasts: Forecasts, point: Floats) -> dict[str, float | None]:
    """All metrics of a point forecast; for WQL every quantile is the point."""
    actual = forecasts.actual
    values = {
        "mae": mae(actual, point),
        "rmse": rmse(actual, point),
        "smape": smape(actual, point),
        "mase": mase(actual, point, forecasts.scale),
    }
    if forecasts.levels:
        every = np.broadcast_to(point[..., None], forecasts.quantiles.shape)
        values["wql"] = weighted_quantile_loss(actual, every, forecasts.levels)
    return {name: _plain(value) for name, value in values.items()}


def _skills(table: Mapping[str, Mapping[str, float | None]]) -> dict[str, Skill]:
    skills = {}
    for metric, model in table["model"].items():
        rivals = [(row[metric], name) for name, row in table.items() if name != "model"]
        errors = {name: error for error, name in rivals if error is not None}
        if model is not None and errors:
            best = min(errors, key=lambda name: errors[name])
            skills[metric] = Skill(best, _skill(model, errors[best]))
    return skills


def _skill(model: float, baseline: float) -> float | None:
    if baseline == 0:
        return 0.0 if model == 0 else None
    return 1 - model / baseline


def _by_step(actual: Floats, point: Floats) -> tuple[float | None, ...]:
    known = ~np.isnan(actual)
    total = np.where(known, np.abs(actual - point), 0.0).sum(axis=0)
    count = known.sum(axis=0)
    return tuple(float(t / n) if n else None for t, n in zip(total, count, strict=True))


def _coverage(forecasts: Forecasts) -> tuple[Interval, ...]:
    """One interval for each pair of levels that lie symmetric about 0.5, the widest first."""
    levels = forecasts.levels
    found = []
    for low in range(len(levels) // 2):
        mirror = [high for high in range(low + 1, len(levels)) if abs(levels[low] + levels[high] - 1) < 1e-9]
        for high in mirror:
            share = coverage(forecasts.actual, forecasts.quantiles[..., low], forecasts.quantiles[..., high])
            found.append(Interval(levels[low], levels[high], round(levels[high] - levels[low], 12), share))
    return tuple(found)


def _calibration(forecasts: Forecasts) -> tuple[Level, ...]:
    known = ~np.isnan(forecasts.actual)
    actual = forecasts.actual[known][:, None]
    quantiles = forecasts.quantiles[known]
    below = (actual < quantiles).mean(axis=0) + 0.5 * (actual == quantiles).mean(axis=0)
    return tuple(Level(level, float(share)) for level, share in zip(forecasts.levels, below, strict=True))


def _rank_series(forecasts: Forecasts, table: Mapping[str, Mapping[str, float | None]]) -> list[SeriesScore]:
    """All series, best first: by MASE, which compares series of any size, or else by skill."""
    present, owner = np.unique(forecasts.series, return_inverse=True)
    if len(present) < 2:
        return []
    skills = _skills(table)
    rival = forecasts.baselines[skills["mae"].baseline] if "mae" in skills else None
    ours = _mean_by_series(owner, forecasts.actual, forecasts.point)
    theirs = ours if rival is None else _mean_by_series(owner, forecasts.actual, rival)
    scaled = _scaled_by_series(owner, forecasts)
    scores = [
        SeriesScore(forecasts.names[s], float(m), _plain(k), None if rival is None else _skill(float(m), float(t)))
        for s, m, t, k in zip(present, ours, theirs, scaled, strict=True)
    ]
    return sorted(scores, key=_badness)


def _badness(score: SeriesScore) -> tuple[float, float]:
    skill = -np.inf if score.skill is None else score.skill
    return (np.inf if score.mase is None else score.mase, -skill)


def _mean_by_series(owner: NDArray[np.int64], actual: Floats, point: Floats) -> Floats:
    known = ~np.isnan(actual)
    total = np.bincount(owner, np.where(known, np.abs(actual - point), 0.0).sum(axis=1))
    mean: Floats = total / np.bincount(owner, known.sum(axis=1))
    return mean


def _scaled_by_series(owner: NDArray[np.int64], forecasts: Forecasts) -> Floats:
    """[S] MASE of each series, NaN where none of its windows has a scale."""
    used = has_scale(forecasts.scale)
    known = ~np.isnan(forecasts.actual)
    error = np.where(known, np.abs(forecasts.actual - forecasts.point), 0.0).sum(axis=1) / known.sum(axis=1)
    scaled = np.divide(error, forecasts.scale, out=np.zeros_like(error), where=used)
    count = np.bincount(owner, used)
    mean: Floats = np.divide(np.bincount(owner, scaled), count, out=np.full(len(count), np.nan), where=count > 0)
    return mean


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
