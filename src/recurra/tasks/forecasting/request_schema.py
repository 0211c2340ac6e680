"""What a request to a forecaster looks like, as JSON Schema; ``x-role`` says what a column is to the model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from recurra.data.covariates import Covariate
from recurra.data.json_values import LARGEST
from recurra.tasks.forecasting.forecasts import time_values
from recurra.tasks.forecasting.requests import ANY_MONDAY, needs_time

if TYPE_CHECKING:
    from recurra.tasks.forecasting.task import ForecastingTask

Schema = dict[str, Any]
_WEEK = 7  # steps of the wave in the example


def request_schema(task: ForecastingTask) -> Schema:
    """The JSON Schema of a request: the columns of the training file, those of one series."""
    settings, least = task.settings, task.choices.shortest
    ahead = least + settings.horizon
    properties: Schema = {settings.time: _time_schema(task)}
    for name in settings.target:
        properties[name] = _column("target", _target_schema(task), least, "its past, in order")
    for one in task.covariates["past"]:
        properties[one.name] = _column("past", _value_schema(one), least, "its past")
    for one in task.covariates["future"]:
        about = f"its past and {settings.horizon} steps ahead"
        properties[one.name] = _column("future", _value_schema(one), ahead, about)
    for one in task.covariates["static"]:
        properties[one.name] = _value_schema(one) | {"x-role": "static"}
    if settings.series:
        properties[settings.series] = {"type": "string", "description": "the name of the series", "x-role": "series"}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name != settings.time or needs_time(task)],
        "additionalProperties": False,
        "examples": [_example(task)],
    }


def _column(role: str, items: Schema, least: int, about: str) -> Schema:
    return {"type": "array", "items": items, "minItems": least, "description": about, "x-role": role}


def _time_schema(task: ForecastingTask) -> Schema:
    one = {"type": "integer"} if task.frequency.unit == "step" else {"type": "string"}
    about = f"the time of the first step; further ones follow at every {task.frequency}"
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}], "description": about, "x-role": "time"}


def _target_schema(task: ForecastingTask) -> Schema:
    if task.log:
        return {"type": "number", "exclusiveMinimum": 0, "maximum": LARGEST}
    return {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}


def _value_schema(covariate: Covariate) -> Schema:
    if covariate.kind == "categorical":
        return {"type": ["string", "number", "boolean"], "examples": list(covariate.categories[:3])}
    return {"type": ["number", "boolean"], "minimum": -LARGEST, "maximum": LARGEST}


def _example(task: ForecastingTask) -> Schema:
    """A request with made-up numbers: a wave that rises."""
    settings, steps = task.settings, max(task.context, task.choices.shortest)
    total = steps + settings.horizon
    first = 0 if task.frequency.unit == "step" else ANY_MONDAY
    wave = [round(100 + 0.2 * i + 14 * math.sin(2 * math.pi * i / _WEEK), 1) for i in range(steps)]
    rows = total if task.covariates["future"] else steps
    example: Schema = {settings.time: time_values(task.frequency.after(first, np.arange(rows)))}
    example |= dict.fromkeys(settings.target, wave)
    example |= {one.name: [_usual(one)] * steps for one in task.covariates["past"]}
    example |= {one.name: [_usual(one)] * total for one in task.covariates["future"]}
    example |= {one.name: _usual(one) for one in task.covariates["static"]}
    return example | ({settings.series: "made up"} if settings.series else {})


def _usual(covariate: Covariate) -> str | float:
    return covariate.categories[0] if covariate.kind == "categorical" else round(covariate.mean, 3)
