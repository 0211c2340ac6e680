"""What was asked, checked sequence by sequence, and the answer in the form that was asked in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError, RecurraError
from recurra.server import wire
from recurra.server.models import Model
from recurra.server.refusals import RefusalError
from recurra.server.settings import Serving
from recurra.task import Explains, Responds

Numbers = Sequence[NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Asked:
    """The sequences of one request."""

    checked: Sequence[Any]
    reply: Callable[[Numbers], bytes]
    """Writes the answers."""
    kind: str
    """The content type of the answers."""


def read(kind: str, model: Model, body: bytes, query: Mapping[str, str], settings: Serving) -> Asked:
    """Read and check a body of a content type; 415 for a type that is not known."""
    if wire.is_of(wire.JSON, kind):
        return _read_json(model, body, settings)
    if wire.is_of(wire.ARRAY, kind):
        return _read_array(model, body, query, settings)
    raise RefusalError(415, "content-type", f"{wire.JSON} or {wire.ARRAY} must come. Say which one the body is.")


def read_single(kind: str, model: Model, body: bytes) -> tuple[Explains, Any]:
    """The one input of a request, and the task that explains its answer."""
    task = model.require(model.explains, "weigh words")
    content = read_object(kind, body)
    if set(content) != {"input"}:
        raise DataError("body", f'an object with one field must come, {{"input": …}}, {_shape(content)} did.')
    return task, content["input"]


def read_object(kind: str, body: bytes) -> dict[str, Any]:
    """A JSON object."""
    if not wire.is_of(wire.JSON, kind):
        raise RefusalError(415, "content-type", f"{wire.JSON} must come. Say that the body is JSON.")
    content = wire.read_json(body)
    if not isinstance(content, dict):
        raise DataError("body", f"an object must come, {_shape(content)} did.")
    return content


def _read_json(model: Model, body: bytes, settings: Serving) -> Asked:
    task, content = model.require(model.predicts, "predict"), wire.read_json(body)
    if not isinstance(content, dict) or set(content) not in ({"input"}, {"inputs"}):
        raise DataError(
            "body",
            f'an object with one field must come, {{"input": …}} or {{"inputs": […, …]}}, {_shape(content)} did.',
        )
    about = {"model": model.name, "version": model.version}
    if "input" in content:
        checked = task.check(content["input"], settings.length)
        return Asked(
            [checked], lambda said: wire.write_json(about | {"prediction": task.tell(checked, said[0])}), wire.JSON
        )
    inputs = content["inputs"]
    if not isinstance(inputs, list) or not inputs:
        raise DataError("body, 'inputs'", "a list of one sequence or more must come.")
    _require_few(len(inputs), settings)
    many = [_check(task, number, one, settings.length) for number, one in enumerate(inputs)]

    def reply(said: Numbers) -> bytes:
        return wire.write_json(about | {"predictions": [task.tell(*one) for one in zip(many, said, strict=True)]})

    return Asked(many, reply, wire.JSON)


def _check(task: Responds, number: int, one: Any, longest: int) -> Any:
    try:
        return task.check(one, longest)
    except RecurraError as error:
        raise DataError(f"inputs[{number}]: {error.where}", error.message) from None


def _read_array(model: Model, body: bytes, query: Mapping[str, str], settings: Serving) -> Asked:
    task, array = model.require(model.predicts, "predict"), wire.read_array(body)
    if array.ndim < 3:
        one = task.check_array(array, query, settings.length)
        return Asked([one], lambda said: wire.write_array(said[0].astype(array.dtype)), wire.ARRAY)
    _require_few(len(array), settings)
    many = [task.check_array(part, query, settings.length) for part in array]
    return Asked(many, lambda said: wire.write_array(np.stack(said).astype(array.dtype)), wire.ARRAY)


def _require_few(sequences: int, settings: Serving) -> None:
    if sequences > settings.sequences:
        raise DataError("body", f"a request may have {settings.sequences} sequences at most, {sequences:,} came.")


def _shape(content: Any) -> str:
    """What came, for people."""
    if not isinstance(content, dict):
        return "a list" if isinstance(content, list) else f"{content!r:.40}"
    return f"one with {', '.join(map(repr, content)):.80}" if content else "an empty one"
