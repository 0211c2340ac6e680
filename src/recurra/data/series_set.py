"""Many series on regular grids, as arrays: what windows are cut from and forecasts are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recurra.data.covariates import Covariate
from recurra.data.frequency import Frequency
from recurra.data.grid import list_names, time_text
from recurra.data.tables import Table
from recurra.data.times import Ints
from recurra.data.zones import Times
from recurra.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SeriesSet:
    """S series of N steps in all, one after the other, each on a regular grid of one common frequency.

    The first ``observed[s]`` steps of series s have a target (or a masked one); later steps are the known future:
    no target, but future covariates.
    """

    names: tuple[str, ...]
    """The S series; with several targets one for each, ``"target"`` or ``"series/target"``."""
    starts: Ints
    """[S + 1] int64: steps ``starts[s]:starts[s + 1]`` belong to series s."""
    observed: Ints
    """[S] int64: how many leading steps are history."""
    time: Times
    """[N] ``datetime64[us]`` in UTC, or int64."""
    target: Floats
    """[N] float64; NaN where masked or in the future."""
    past: Floats
    """[N, P] float64: numbers as they are, or codes of categories; NaN in the known future where not given."""
    future: Floats
    """[N, F] float64."""
    static: Floats
    """[S, K] float64."""
    frequency: Frequency
    covariates: Mapping[str, tuple[Covariate, ...]]
    """By role: ``"past"`` (P), ``"future"`` (F), ``"static"`` (K)."""
    notices: tuple[str, ...]
    """What was repaired or should be said, counted."""
    source_row: Ints
    """[N] int64: the row of the table, -1 for a step that the table does not have."""
    table: Table

    def __len__(self) -> int:
        return len(self.names)

    @property
    def lengths(self) -> Ints:
        """[S] steps of each series, the known future included."""
        return np.diff(self.starts)

    @property
    def owner(self) -> Ints:
        """[N] which series a step belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def in_history(self) -> NDArray[np.bool_]:
        """[N] which steps are history, not known future."""
        history: NDArray[np.bool_] = np.arange(len(self.time)) < (self.starts[:-1] + self.observed)[self.owner]
        return history

    def rows(self, series: int) -> slice:
        """The steps of one series."""
        return slice(int(self.starts[series]), int(self.starts[series + 1]))

    def step_name(self, step: int) -> str:
        """How people find a step: ``"line 17"``, or its time if it was filled in."""
        row = int(self.source_row[step])
        return f"the filled step {time_text(self.time[step])}" if row < 0 else self.table.row_name(row)

    def select(self, series: Sequence[int] | NDArray[np.int64] | NDArray[np.bool_]) -> SeriesSet:
        """Some of the series, by index or by flag, in the order given."""
        chosen = np.arange(len(self))[np.asarray(series)]
        return self._keep(chosen, self.starts[:-1][chosen], self.starts[1:][chosen], self.observed[chosen])

    def drop_last(self, steps: int | NDArray[np.int64]) -> SeriesSet:
        """Hide the last ``steps`` (one number or [S]) of each history: they become known future, their target NaN."""
        observed = np.maximum(self.observed - steps, 0)
        return self._hide(observed)

    def until(self, time: np.datetime64 | int) -> SeriesSet:
        """Hide the history later than ``time``."""
        late = self.in_history & (self.time > time)
        return self._hide(self.observed - np.bincount(self.owner[late], minlength=len(self)))

    def history(self, steps: int) -> SeriesSet:
        """Only the last ``steps`` of each history (or all there are), and the known future after them."""
        begin = self.starts[:-1] + np.maximum(self.observed - steps, 0)
        return self._keep(np.arange(len(self)), begin, self.starts[1:], np.minimum(self.observed, steps))

    def rescaled(self) -> SeriesSet:
        """The same with mean and scale of the numeric covariates of steps taken from the history alone.

        After :meth:`drop_last` nothing of what was hidden remains in them.
        """
        learned = dict(self.covariates)
        for role, values in (("past", self.past), ("future", self.future)):
            seen = values[self.in_history]
            learned[role] = tuple(c.scaled_to(seen[:, i]) for i, c in enumerate(self.covariates.get(role, ())))
        return replace(self, covariates=learned)

    def require_future(self, steps: int) -> None:
        """Raise :class:`DataError` if future covariates stop less than ``steps`` after the history."""
        given = self.lengths - self.observed
        short = np.flatnonzero(given < steps) if self.future.shape[1] else np.zeros(0, dtype=np.int64)
        if len(short):
            first = int(short[0])
            names = [f"{self.names[s]} ({given[s]})" for s in short]
            raise DataError(
                f"{self.table.source}, {self.step_name(int(self.starts[first + 1]) - 1)}",
                f"future covariates must be known for {steps} steps after the last target, they stop too early in "
                f"{len(short)} of {len(self)} series: {list_names(names)}. Append rows with these columns "
                f"({', '.join(c.name for c in self.covariates['future'])}) and an empty target.",
            )

    def _hide(self, observed: Ints) -> SeriesSet:
        hidden = replace(self, observed=observed)
        return replace(hidden, target=np.where(hidden.in_history, self.target, np.nan))

    def _keep(self, series: Ints, begin: Ints, end: Ints, observed: Ints) -> SeriesSet:
        lengths = end - begin
        starts = np.concatenate([[0], np.cumsum(lengths)])
        steps = np.arange(starts[-1]) + np.repeat(begin - starts[:-1], lengths)
        return replace(
            self,
            names=tuple(self.names[s] for s in series),
            starts=starts,
            observed=observed,
            time=self.time[steps],
            target=self.target[steps],
            past=self.past[steps],
            future=self.future[steps],
            static=self.static[series],
            source_row=self.source_row[steps],
        )
