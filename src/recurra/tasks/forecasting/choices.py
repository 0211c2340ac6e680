"""What the settings leave open, chosen from the data: context, season, transform, what is held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recurra.data.calendar import calendar_names
from recurra.data.series_set import SeriesSet
from recurra.errors import DataError
from recurra.tasks.forecasting.seasonality import BLOCKS
from recurra.tasks.forecasting.settings import Forecasting

_LONG = 20  # horizons that a series must have to give up some for validation
_HELD_OUT = 0.05  # of a long series, once for validation and once for the test
_NEAR_ZERO = 0.05  # of a series' mean: the logarithm is of no use to values below
_FEWEST_SEASONS = 3
_YEAR = np.timedelta64(365, "D")
_MOST_STEPS = 10_000_000
_FEW = 64  # series that are told apart by name at most


@dataclass(frozen=True)
class Choices:
    """The choices for one training set; plain JSON values."""

    context: int
    """C, steps of the past that the model reads."""
    shortest: int
    """Steps of the past that a window needs at least."""
    season: int
    """Steps of the season whose profile the model is given; 1 for none."""
    seasons: tuple[int, ...]
    """Seasons of the naive methods that the model is compared with, the shortest first."""
    log: bool
    """Whether the logarithm of the target is forecast."""
    calendar: tuple[str, ...]
    """The features of the calendar that the model is given: of the cycles that were seen twice at least."""
    identities: tuple[str, ...]
    """Series that the model tells apart by name; none where they are many or short."""
    segment: int
    """Steps per segment of the segments decoder."""
    validation: int
    """Steps at the end of each series, before the test, that choose the best weights."""
    test: int
    """Steps at the end of each series for the final score."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Choices:
        """The choices that :func:`dataclasses.asdict` made plain; what cannot have been chosen is a DataError."""
        tuples = {name: tuple(values[name]) for name in ("seasons", "calendar", "identities")}
        choices = cls(**{**values, **tuples})
        choices._check()
        return choices

    def _check(self) -> None:
        """A stranger's numbers may not ask for more memory than any forecast needs, nor for less than a step."""
        numbers = {name: getattr(self, name) for name in ("context", "shortest", "season", "segment")}
        numbers |= {f"seasons[{place}]": season for place, season in enumerate(self.seasons)}
        held_out = {"validation": self.validation, "test": self.test}
        for least, some in ((1, numbers), (0, held_out)):
            for name, value in some.items():
                if type(value) is not int or not least <= value <= _MOST_STEPS:
                    raise DataError(name, f"must be a whole number from {least} to {_MOST_STEPS:,}, got {value!r:.40}.")
        texts = (*self.calendar, *self.identities)
        if type(self.log) is not bool or not all(isinstance(text, str) for text in texts):
            raise DataError("choices", "log must be true or false, and names must be texts. Get a new copy.")


def choose(settings: Forecasting, series: SeriesSet) -> Choices:
    """Choose for these settings and this training set; raises :class:`DataError` if a series is too short."""
    typical = int(np.median(series.observed))
    seasons = _choose_seasons(settings, series, typical)
    context, segment = _choose_context(settings, seasons[0], int(series.observed.min()))
    shortest = context if settings.decoder == "segments" else _shortest(context, seasons[0])
    validation, test = _choose_held_out(settings, typical, shortest)
    _require_length(settings, series, shortest)
    named = 1 < len(series) <= _FEW and typical >= _LONG * settings.horizon
    return Choices(
        context=context,
        shortest=shortest,
        season=_best_season(seasons, series.drop_last(validation + test)),
        seasons=tuple(sorted(s for s in seasons if s > 1)),
        log=_choose_log(settings, series),
        calendar=_choose_calendar(series),
        identities=series.names if named else (),
        segment=segment,
        validation=validation,
        test=test,
    )


def _choose_seasons(settings: Forecasting, series: SeriesSet, typical: int) -> tuple[int, ...]:
    """The main season if it was seen three times, longer ones only if all blocks of the profile can be filled.

    A profile of few seasons is mostly their noise: of four years of daily weather it was worse than none.
    """
    if settings.season:
        return (settings.season,)
    main, *longer = series.frequency.seasons
    chosen = (main,) if main > 1 and _FEWEST_SEASONS * main <= typical else ()
    return (*chosen, *(season for season in longer if BLOCKS * season <= typical)) or (1,)


def _best_season(seasons: tuple[int, ...], series: SeriesSet) -> int:
    """The season after which values are most like before, in the median over the series of the training part."""
    target, owner = series.target, series.owner
    errors = []
    for season in seasons:
        change = np.abs(target[season:] - target[:-season])
        same = (owner[season:] == owner[:-season]) & ~np.isnan(change)
        count = np.bincount(owner[season:][same], minlength=len(series))
        total = np.bincount(owner[season:][same], weights=change[same], minlength=len(series))
        errors.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    known = ~np.isnan(errors).any(axis=0)
    if not known.any():
        return seasons[0]
    error = np.array(errors)[:, known]  # [seasons, S]
    return seasons[int(np.argmin(np.median(error / np.maximum(error.min(axis=0), 1e-12), axis=1)))]


def _choose_context(settings: Forecasting, season: int, least: int) -> tuple[int, int]:
    """Context and segment: two seasons or horizons, if all series have as many before a horizon.

    A longer context than the shortest series can fill was worse on M3: there the model learned series by heart.
    """
    wanted = max(8, min(2 * max(season, settings.horizon), 512, least - settings.horizon))
    context = settings.context or wanted
    segment = settings.segment or _divisor(settings.horizon, context)
    if settings.decoder != "segments":
        return context, segment
    if settings.context is None:
        return max(segment, context // segment * segment), segment
    if context % segment:
        raise DataError(
            "Forecasting.segment",
            f"the context must be cut into whole segments, got context {context} and segment {segment}. "
            f"Use a context of {context // segment * segment or segment}.",
        )
    return context, segment


def _divisor(horizon: int, context: int) -> int:
    """The longest segment up to 48 steps that makes at least two of the horizon, of whole parts if it can."""
    return max(
        (w for w in range(1, min(48, max(horizon // 2, 1)) + 1) if horizon % w == 0 and context % w == 0), default=1
    )


def _choose_calendar(series: SeriesSet) -> tuple[str, ...]:
    """A cycle seen once is no cycle but a clock, by which a model learns its windows by heart."""
    names = calendar_names(series.frequency)
    if not names:
        return ()
    span = series.time.max() - series.time.min()
    return tuple(name for name in names if "year" not in name or span >= 2 * _YEAR)


def _shortest(context: int, season: int) -> int:
    """A window must see some steps, and half a season where there is one."""
    return min(context, max(3, min(season // 2 + 1, 12)))


def _choose_held_out(settings: Forecasting, typical: int, shortest: int) -> tuple[int, int]:
    """Steps for validation and test: some of long series, a single horizon of short ones if most can spare it."""
    horizon = settings.horizon
    if typical >= _LONG * horizon:
        part = max(1, int(_HELD_OUT * typical) // horizon) * horizon
        validation, test = part, part
    else:
        validation, test = 0, horizon if typical >= shortest + 2 * horizon else 0
    return (
        validation if settings.validation is None else settings.validation,
        test if settings.test is None else settings.test,
    )


def _require_length(settings: Forecasting, series: SeriesSet, shortest: int) -> None:
    needed = shortest + settings.horizon if settings.context is None else settings.context + settings.horizon
    short = [f"{series.names[s]} ({series.observed[s]})" for s in np.flatnonzero(series.observed < needed)]
    if not short or (settings.reading.skip_short and len(short) < len(series)):
        return
    shown = ", ".join(short[:5]) + (f" and {len(short) - 5} more" if len(short) > 5 else "")
    remedy = "Use a shorter context or horizon" + (", or leave them out with --skip-short." if len(series) > 1 else ".")
    raise DataError(
        series.table.source,
        f"a series must have {needed} steps with a target (context and horizon), {len(short)} of {len(series)} "
        f"are shorter: {shown}. {remedy}",
    )


def _choose_log(settings: Forecasting, series: SeriesSet) -> bool:
    """The logarithm, where (nearly) all of each series is well above zero; never for counts."""
    if settings.transform != "auto" or settings.head == "negative-binomial":
        return settings.transform == "log"
    target = series.target
    known = ~np.isnan(target)
    if (target[known] <= 0).any():
        return False
    total = np.add.reduceat(np.where(known, target, 0.0), series.starts[:-1])
    mean = total / np.maximum(np.add.reduceat(known.astype(float), series.starts[:-1]), 1)
    return bool((target < _NEAR_ZERO * mean[series.owner])[known].mean() < 0.01)
