"""From a table in long form to a set of series: the one place where the user's data are read, judged and stated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recurra.data.columns import Columns, Reading
from recurra.data.covariates import Covariate, apply_covariate, learn_covariate
from recurra.data.filling import Fill, fill_missing, last_present
from recurra.data.frequency import Frequency
from recurra.data.grid import Grid, build_grid, count_of, list_names
from recurra.data.numbers import parse_numbers
from recurra.data.series_set import SeriesSet
from recurra.data.tables import Table
from recurra.data.times import Ints
from recurra.errors import DataError

__all__ = ["Columns", "Covariate", "Frequency", "Reading", "SeriesSet", "read_series"]

Floats = NDArray[np.float64]
Learned = Mapping[str, tuple[Covariate, ...]]


def read_series(
    table: Table,
    columns: Columns,
    reading: Reading | None = None,
    *,
    covariates: Learned | None = None,
    frequency: Frequency | None = None,
    minimum_length: int = 1,
) -> SeriesSet:
    """Read the series of a table in long form.

    ``covariates`` and ``frequency`` are what was learned in training; without them they are learned here, and series
    whose target is constant are refused. ``minimum_length`` is the number of steps with a target that each series
    needs. Raises :class:`DataError`, which names row, column and remedy.

    >>> from recurra.data.tables import read_table
    >>> table = read_table({"day": ["2012-01-01", "2012-01-02", "2012-01-03"], "x": [1.0, 3.0, 2.0]})
    >>> series = read_series(table, Columns(time="day", target="x"))
    >>> series.names, str(series.frequency), series.observed.tolist()
    (('x',), 'day', [3])
    """
    reading = reading or Reading()
    for name in columns.used:
        table.column(name)
    grid = build_grid(table, columns, reading, frequency)
    parts = [_read_target(name, table, grid, reading) for name in columns.target]
    history = _in_history(grid, np.max([observed for _, observed, _ in parts], axis=0))
    reader = _CovariateReader(table, grid, reading, covariates)
    past = reader.steps("past", columns.past, history)
    future = reader.steps("future", columns.future, np.ones_like(history))
    static = reader.series(columns.static)
    notices = (*table.notices, *grid.notices, *(n for _, _, said in parts for n in said), *reader.notices)
    sets = [
        SeriesSet(
            names=_names(grid, columns, name),
            starts=grid.starts,
            observed=observed,
            time=grid.time,
            target=target,
            past=past,
            future=future,
            static=static,
            frequency=grid.frequency,
            covariates=reader.learned,
            notices=notices,
            source_row=grid.source_row,
            table=table,
        )
        for name, (target, observed, _) in zip(columns.target, parts, strict=True)
    ]
    joined = _long_enough(_join(sets), minimum_length, reading.skip_short)
    if covariates is None and not reading.allow_constant:
        _refuse_constant(joined)
    return joined


def _names(grid: Grid, columns: Columns, target: str) -> tuple[str, ...]:
    if columns.series is None:
        return (target,)
    return tuple(f"{name}/{target}" for name in grid.names) if len(columns.target) > 1 else grid.names


def _join(sets: list[SeriesSet]) -> SeriesSet:
    """Several targets as series of their own: those of one series side by side."""
    if len(sets) == 1:
        return sets[0]
    first, size = sets[0], len(sets[0].time)
    joined = replace(
        first,
        names=tuple(name for part in sets for name in part.names),
        starts=np.concatenate([[0], *(part.starts[1:] + i * size for i, part in enumerate(sets))]),
        observed=np.concatenate([part.observed for part in sets]),
        target=np.concatenate([part.target for part in sets]),
        time=np.tile(first.time, len(sets)),
        past=np.tile(first.past, (len(sets), 1)),
        future=np.tile(first.future, (len(sets), 1)),
        static=np.tile(first.static, (len(sets), 1)),
        source_row=np.tile(first.source_row, len(sets)),
    )
    return joined.select(np.arange(len(joined)).reshape(len(sets), -1).T.ravel())


def _on_grid(values: Floats, grid: Grid) -> Floats:
    """[N] from [rows]; NaN where the table has no row."""
    return np.where(grid.source_row < 0, np.nan, values[grid.source_row])


def _in_history(grid: Grid, observed: Ints) -> NDArray[np.bool_]:
    ends = np.repeat(grid.starts[:-1] + observed, np.diff(grid.starts))
    return np.arange(len(grid.time)) < ends


def _read_target(name: str, table: Table, grid: Grid, reading: Reading) -> tuple[Floats, Ints, list[str]]:
    """[N] the target, [S] the length of the history, and notices."""
    values = _on_grid(parse_numbers(table.column(name), table, decimal=reading.decimal), grid)
    observed = last_present(values, grid.starts)
    if not observed.any():
        raise DataError(
            table.where(column=name), "the target must have values, this column is empty. Name another one."
        )
    notices = []
    history = _in_history(grid, observed)
    beyond = int((~history).sum())
    if beyond:
        series = int((observed < np.diff(grid.starts)).sum())
        notices.append(f"{count_of(beyond, 'row')} without {name} at the end of {series} series: taken as known future")
    written = grid.source_row >= 0
    infinite = np.isinf(values)
    empty = np.isnan(values) & history & written
    fill: Fill = reading.fill
    if infinite.any():
        if not reading.mask_missing:
            raise _unusable(infinite, "finite", f"{values[infinite][0]}", name, table, grid, "--mask-missing")
        notices.append(f"{count_of(int(infinite.sum()), 'infinite value')} of {name}: left out of the loss")
        values = np.where(infinite, np.nan, values)
    if empty.any():
        if not reading.mask_missing and fill == "refuse":
            raise _unusable(empty, "present", "nothing", name, table, grid, "--mask-missing (or --fill)")
        how = "left out of the loss" if reading.mask_missing or fill == "mask" else f"filled ({fill})"
        notices.append(f"{count_of(int(empty.sum()), 'empty value')} of {name}: {how}")
    filled = np.where(history, fill_missing(values, grid.starts, fill, outside=False), np.nan)
    if reading.mask_missing:
        filled = np.where(written, values, filled)
    return filled, observed, notices


def _unusable(
    flags: NDArray[np.bool_], must: str, came: str, name: str, table: Table, grid: Grid, option: str
) -> DataError:
    row = int(grid.source_row[np.flatnonzero(flags)].min())
    return DataError(
        table.where(row, name),
        f"the target must be {must}, {came} came ({count_of(int(flags.sum()), 'such cell')} in all). "
        f"Correct it, or leave it out of the loss: {option}.",
    )


def _long_enough(series: SeriesSet, minimum: int, skip: bool) -> SeriesSet:
    short = series.observed < max(1, minimum)
    if not short.any():
        return series
    names = [f"{series.names[s]} ({series.observed[s]})" for s in np.flatnonzero(short)]
    if skip and not short.all():
        notice = (
            f"{short.sum():,} of {len(series):,} series shorter than {minimum} steps were left out: {list_names(names)}"
        )
        return replace(series.select(~short), notices=(*series.notices, notice))
    remedy = "Use a shorter context or horizon" + ("." if short.all() else ", or leave them out: --skip-short.")
    raise DataError(
        series.table.where(),
        f"every series must have at least {minimum} steps with a target, {short.sum():,} of {len(series):,} have fewer"
        f": {list_names(names)}. {remedy}",
    )


def _refuse_constant(series: SeriesSet) -> None:
    low = np.fmin.reduceat(series.target, series.starts[:-1])
    high = np.fmax.reduceat(series.target, series.starts[:-1])
    constant = np.flatnonzero(low == high)
    if len(constant):
        names = [f"{series.names[s]} (always {low[s]:g})" for s in constant]
        raise DataError(
            series.table.where(),
            f"a target must vary, {len(constant):,} of {len(series):,} series never do: {list_names(names)}. "
            "Leave them out, or accept them: --allow-constant.",
        )


class _CovariateReader:
    """Reads columns into covariates, learned or applied, and gathers what was learned and said."""

    def __init__(self, table: Table, grid: Grid, reading: Reading, known: Learned | None) -> None:
        self.table, self.grid, self.reading, self.known = table, grid, reading, known
        self.learned: dict[str, tuple[Covariate, ...]] = {}
        self.notices: list[str] = []

    def steps(self, role: str, names: tuple[str, ...], needed: NDArray[np.bool_]) -> Floats:
        """[N, names] the covariates of a role; they must be there at the ``needed`` steps."""
        grids = [self._fill(_on_grid(values, self.grid), name, needed) for name, values in self._read(role, names)]
        return np.stack(grids, axis=1) if grids else np.zeros((len(self.grid.time), 0))

    def series(self, names: tuple[str, ...]) -> Floats:
        """[S, names] the static covariates."""
        values = [self._constant(_on_grid(column, self.grid), name) for name, column in self._read("static", names)]
        return np.stack(values, axis=1) if values else np.zeros((len(self.grid.names), 0))

    def _read(self, role: str, names: tuple[str, ...]) -> list[tuple[str, Floats]]:
        known = None if self.known is None else {covariate.name: covariate for covariate in self.known.get(role, ())}
        learned, columns = [], []
        for name in names:
            column = self.table.column(name)
            if known is None:
                covariate, said = learn_covariate(column, self.table, self.reading.decimal)
                self.notices += said
            else:
                covariate = known[name]
            values, unknown = apply_covariate(covariate, column, self.table, self.reading.decimal)
            if unknown:
                self.notices.append(f"{count_of(unknown, 'value')} of {name} not seen in training: taken as unknown")
            learned.append(covariate)
            columns.append((name, values))
        self.learned[role] = tuple(learned)
        return columns

    def _fill(self, values: Floats, name: str, needed: NDArray[np.bool_]) -> Floats:
        empty = np.isnan(values) & needed & (self.grid.source_row >= 0)
        if empty.any():
            if self.reading.fill == "refuse":
                raise self._missing(empty, name)
            self.notices.append(f"{count_of(int(empty.sum()), 'empty value')} of {name}: filled")
        method: Fill = "forward" if self.reading.fill in ("mask", "refuse") else self.reading.fill
        return np.where(needed, fill_missing(values, self.grid.starts, method, outside=True), values)

    def _missing(self, empty: NDArray[np.bool_], name: str) -> DataError:
        row = int(self.grid.source_row[empty].min())
        return DataError(
            self.table.where(row, name),
            f"a covariate must have a value, nothing came ({count_of(int(empty.sum()), 'such cell')} in all). "
            "Complete it, or use --fill forward, linear or zero.",
        )

    def _constant(self, values: Floats, name: str) -> Floats:
        """[S] the one value of each series."""
        starts = self.grid.starts
        low, high = np.fmin.reduceat(values, starts[:-1]), np.fmax.reduceat(values, starts[:-1])
        varies = np.flatnonzero(low < high)
        if len(varies):
            steps = slice(starts[varies[0]], starts[varies[0] + 1])
            present = ~np.isnan(values[steps])
            first = values[steps][present][0]
            rows = self.grid.source_row[steps][present & (values[steps] != first)]
            raise DataError(
                self.table.where(int(rows[0]), name),
                f"a static covariate must be the same in all rows of a series, it changes here ({len(varies):,} series "
                "in all). Use it as --past or --future instead.",
            )
        missing = np.isnan(low)
        if missing.any() and self.reading.fill == "refuse":
            raise self._missing(np.repeat(missing, np.diff(starts)) & (self.grid.source_row >= 0), name)
        default = next(c for c in self.learned["static"] if c.name == name)
        return np.where(missing, default.mean, low)
