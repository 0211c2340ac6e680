"""What a request to a forecaster looks like, as JSON Schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recurra.data.covariates import Covariate
from recurra.data.json_values import LARGEST
from recurra.tasks.forecasting.requests import needs_time

if TYPE_CHECKING:
    from recurra.tasks.forecasting.task import ForecastingTask


def request_schema(task: ForecastingTask) -> dict[str, Any]:
    """The JSON Schema of a request: the columns of the training file, those of one series."""
    settings, H = task.settings, task.settings.horizon
    number = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
    if task.log:
        number = {"type": "number", "exclusiveMinimum": 0, "maximum": LARGEST}
    properties: dict[str, Any] = {settings.time: _time_schema(task)}
    properties |= {
        name: {"type": "array", "items": number, "minItems": task.choices.shortest, "description": "its past, in order"}
        for name in settings.target
    }
    for role, least, about in (("past", 0, "its past"), ("future", H, f"its past and {H} steps ahead")):
        for one in task.covariates[role]:
            least_items = task.choices.shortest + least
            items = _value_schema(one)
            properties[one.name] = {"type": "array", "items": items, "minItems": least_items, "description": about}
    properties |= {one.name: _value_schema(one) for one in task.covariates["static"]}
    if settings.series:
        properties[settings.series] = {"type": "string", "description": "the name of the series"}
    required = [name for name in properties if name != settings.time or needs_time(task)]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _time_schema(task: ForecastingTask) -> dict[str, Any]:
    one = {"type": "integer"} if task.frequency.unit == "step" else {"type": "string"}
    about = f"the time of the first step; further ones follow at every {task.frequency}"
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}], "description": about}


def _value_schema(covariate: Covariate) -> dict[str, Any]:
    if covariate.kind == "categorical":
        return {"type": ["string", "number", "boolean"], "examples": list(covariate.categories[:3])}
    return {"type": ["number", "boolean"], "minimum": -LARGEST, "maximum": LARGEST}
