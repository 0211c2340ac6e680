"""Single requests to a forecaster: the past of one series and what is known ahead, without a table.

A request names the columns of the training file. Its window is checked alone, and many are forecast together; the
numbers are those of a file with the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.covariates import Covariate
from recurra.data.filling import Fill, fill_missing
from recurra.data.json_values import kind_of, read_numbers, require_finite, require_short
from recurra.data.numbers import MISSING
from recurra.data.series_set import Floats
from recurra.data.zones import Times
from recurra.errors import DataError, nearest
from recurra.tasks.forecasting.moments import read_moments

if TYPE_CHECKING:
    from recurra.tasks.forecasting.task import ForecastingTask

SOURCE = "request"
ANY_MONDAY = np.datetime64("2001-01-01", "us")  # for models that do not look at the calendar


@dataclass(frozen=True, eq=False)
class Window:
    """One request: K targets over the same T past steps, and what is known of A steps ahead."""

    names: tuple[str, ...]
    """[K] of the series."""
    time: Times
    """[T + A]"""
    dated: bool
    """Whether the caller said the time."""
    target: Floats
    """[K, T]"""
    past: Floats
    """[T + A, P] NaN ahead."""
    future: Floats
    """[T + A, F]"""
    static: Floats
    """[S]"""

    def __len__(self) -> int:
        return len(self.time)


def check(task: ForecastingTask, request: Any, longest: int) -> Window:
    """One request as numbers: an object with the columns of the training file."""
    settings = task.settings
    if not isinstance(request, dict):
        raise DataError(SOURCE, f"an object with the columns of the data must come, {kind_of(request)} did.")
    known = settings.columns.used
    for name in request:
        if name not in known:
            raise DataError(f"{SOURCE}, {name!r:.80}", f"there is no such column. {nearest(name[:80], known)}")
    columns = {name: _read_column(_get(request, name), name) for name in settings.target}
    for one in (*task.covariates["past"], *task.covariates["future"]):
        columns[one.name] = _read_covariate(_get(request, one.name), one)
    static = [_read_covariate([_get(request, one.name)], one)[0] for one in task.covariates["static"]]
    name = _get(request, settings.series) if settings.series else ""
    if not isinstance(name, str):
        raise DataError(_at(str(settings.series)), f"the name of the series must be a text, {kind_of(name)} came.")
    return _window(task, columns, request.get(settings.time), name, static, longest)


def check_array(task: ForecastingTask, array: NDArray[Any], named: Mapping[str, str], longest: int) -> Window:
    """The same for targets ``[T]``, or ``[T + A, K + P + F]`` with the covariates; targets are NaN ahead."""
    settings = task.settings
    steps = (*task.covariates["past"], *task.covariates["future"])
    if any(one.kind == "categorical" for one in (*steps, *task.covariates["static"])):
        raise DataError(SOURCE, "this model reads categories, an array has none. Send JSON.")
    names = [*settings.target, *(one.name for one in steps)]
    table = array[:, None] if array.ndim == 1 else array
    if table.ndim != 2 or table.shape[1] != len(names):
        raise DataError(SOURCE, f"the shape must be [steps, {len(names)}] ({', '.join(names)}), it is {array.shape}.")
    extra = {settings.time, settings.series, *settings.static}
    for name in named:
        if name not in extra:
            raise DataError(_at(name), "there is no such column to name beside an array. Leave it out.")
    require_short(len(table), longest, SOURCE)
    columns = dict(zip(names, require_finite(table, SOURCE).T, strict=True))
    static = [_read_covariate([_parse(_get(named, one.name))], one)[0] for one in task.covariates["static"]]
    time: Any = named.get(settings.time)
    if time is not None and task.frequency.unit == "step":
        time = int(_parse(time))
    return _window(task, columns, time, _get(named, settings.series) if settings.series else "", static, longest)


def _window(
    task: ForecastingTask, columns: Mapping[str, Floats], time: Any, name: str, static: list[float], longest: int
) -> Window:
    settings, H = task.settings, task.settings.horizon
    target = _read_targets(task, [columns[one] for one in settings.target])
    T, past, future = target.shape[1], settings.past, settings.future
    steps = len(columns[future[0]]) if future else T
    require_short(steps, longest, SOURCE)
    for one in past:
        if not T <= len(columns[one]) <= max(steps, T):
            raise DataError(_at(one), f"there must be a value for each of {T} past steps, {len(columns[one])} came.")
    for one in future:
        if len(columns[one]) != steps or steps < T + H:
            raise DataError(
                _at(one), f"it must be known for the past and {H} steps ahead, {T + H} steps or more in all."
            )
    lined = [_filled(task, np.append(columns[one][:T], np.full(steps - T, np.nan)), one, T) for one in past]
    known = [_filled(task, columns[one], one, steps) for one in future]
    return Window(
        names=_names(task, name),
        time=_read_time(task, time, steps),
        dated=time is not None,
        target=target,
        past=np.stack(lined, axis=1) if lined else np.zeros((steps, 0)),
        future=np.stack(known, axis=1) if known else np.zeros((steps, 0)),
        static=np.array([_or_usual(task, i, value) for i, value in enumerate(static)]),
    )


def _read_targets(task: ForecastingTask, columns: list[Floats]) -> Floats:
    """[K, T] up to the last step that has a target; what is missing before is filled as the settings say."""
    if len({len(column) for column in columns}) > 1:
        raise DataError(SOURCE, "all targets must have as many steps as the first, some have not. Send null for none.")
    target, reading = np.stack(columns), task.settings.reading
    present = np.flatnonzero(~np.isnan(target).all(axis=0))
    T = int(present[-1]) + 1 if len(present) else 0
    if task.choices.shortest > T:
        raise DataError(SOURCE, f"{task.choices.shortest} past steps or more are needed, {T} came. Send more of them.")
    target = target[:, :T]
    if np.isnan(target[:, -1]).any():
        raise DataError(SOURCE, "all targets must end at the same step, some end before. Send their last values.")
    if np.isnan(target).any() and not reading.mask_missing:
        if reading.fill == "refuse":
            raise DataError(SOURCE, "every past step must have a target, some have none. Complete them.")
        target = np.stack([fill_missing(one, np.array([0, T]), reading.fill, outside=False) for one in target])
    if task.log and (target <= 0).any():
        raise DataError(SOURCE, "this forecaster reads positive targets only, others came. Correct them.")
    return target


def _read_column(values: Any, name: str) -> Floats:
    """[N] numbers; NaN where nothing came."""
    numbers = read_numbers(values, _at(name))
    if numbers.ndim != 1:
        raise DataError(_at(name), "a list of numbers must come, lists of lists did. Send one number a step.")
    return numbers


def _read_covariate(values: Any, covariate: Covariate) -> Floats:
    """[N] numbers, or the codes of categories; NaN where nothing came."""
    if isinstance(values, list) and covariate.kind == "numeric":
        return _read_column([int(one) if isinstance(one, bool) else one for one in values], covariate.name)
    if not isinstance(values, list) or any(isinstance(one, (list, dict)) for one in values):
        raise DataError(_at(covariate.name), "a list of its values must come, something else did. Send a list.")
    places = {name: float(place) for place, name in enumerate(covariate.categories, start=1)}
    return np.array([_code(one, places) for one in values])


def _code(value: Any, places: Mapping[str, float]) -> float:
    """The place of a category, 0 if it was not learned, NaN for nothing."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return np.nan if text.strip().lower() in MISSING else places.get(text, 0.0)


def _filled(task: ForecastingTask, values: Floats, name: str, needed: int) -> Floats:
    """[N] a covariate whose first ``needed`` steps must be there."""
    if not np.isnan(values[:needed]).any():
        return values
    method: Fill = task.settings.reading.fill
    if method == "refuse":
        raise DataError(_at(name), "every step must have a value, some have none. Complete them.")
    method = "forward" if method == "mask" else method
    filled = fill_missing(values, np.array([0, len(values)]), method, outside=True)
    return np.where(np.arange(len(values)) < needed, filled, values)


def _or_usual(task: ForecastingTask, number: int, value: float) -> float:
    """A static covariate, or its mean where nothing came and that is allowed."""
    covariate = task.covariates["static"][number]
    if not np.isnan(value):
        return value
    if task.settings.reading.fill == "refuse":
        raise DataError(_at(covariate.name), "it must have a value, none came. Send it.")
    return covariate.mean


def needs_time(task: ForecastingTask) -> bool:
    """Whether the model looks at the calendar."""
    return bool(task.choices.calendar)


def _read_time(task: ForecastingTask, time: Any, steps: int) -> Times:
    """[T + A] from the first time or from several; the model may not need to know it."""
    column = task.settings.time
    if time is None:
        if needs_time(task):
            raise DataError(_at(column), "the model looks at the calendar, so the first time must come. Send it.")
        return task.frequency.after(0 if task.frequency.unit == "step" else ANY_MONDAY, np.arange(steps))
    moments = time if isinstance(time, list) else [time]
    if not 1 <= len(moments) <= steps:
        raise DataError(_at(column), f"one time must come, or up to {steps}, {len(moments)} did.")
    first = read_moments(moments, task.frequency, task.settings.reading, column)[0]
    return task.frequency.after(first, np.arange(steps))


def _names(task: ForecastingTask, name: str) -> tuple[str, ...]:
    targets = task.settings.target
    if task.settings.series is None:
        return targets
    return tuple(f"{name}/{target}" for target in targets) if len(targets) > 1 else (name,)


def _get(request: Mapping[str, Any], name: str) -> Any:
    if name not in request:
        raise DataError(_at(name), "this column is needed, it did not come. Send it.")
    return request[name]


def _parse(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(SOURCE, f"a number must come, {text!r:.80} did. Correct it.") from None


def _at(name: str) -> str:
    return f"{SOURCE}, {name!r:.80}"
