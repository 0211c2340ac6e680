"""A classifier that is fed one step after the other: what it says of the sequence so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.data.vocabulary import Vocabulary
from recurra.errors import DataError, SettingsError
from recurra.nn.running import RunningPooling
from recurra.nn.stepper import stepper
from recurra.tasks.classification.answers import Number, OneClass, SeveralLabels
from recurra.tasks.classification.models import SequenceClassifier
from recurra.tasks.classification.predictions import LIKELY

if TYPE_CHECKING:
    from recurra.tasks.classification.task import ClassificationTask

Floats = NDArray[np.floating[Any]]
_WHERE = "observation"
_FARTHEST = 1e30  # spreads from the mean; products of more than that are soon infinite


class LiveClassifier:
    """The task's :class:`~recurra.task.Live`: NumPy and compiled steps, since torch takes microseconds for each call.

    An observation is a text of one symbol or more, or one step of numbers: a list, or an object with a number for each
    feature by its name. What is said is ``label``, ``probability`` and ``probabilities`` by class; ``labels`` and
    ``probabilities``; or ``value``.
    """

    def __init__(self, task: ClassificationTask, model: nn.ModuleList) -> None:
        members = [member for member in model if isinstance(member, SequenceClassifier)]
        _require_streamable(members[0])
        self._members = [_Member(member) for member in members]
        self._read = _Texts(task.vocabulary) if task.vocabulary is not None else _Numbers(task)
        self._say: _Say = _SAY[type(task.answers)](task.answers)

    def feed(self, observation: Any) -> dict[str, Any]:
        """Read a step, or the symbols of a text, and say what the model holds of all so far."""
        steps = self._read(observation)
        answer = self._say([member.read(steps) for member in self._members])
        for member in self._members:
            member.keep() if answer is not None else member.undo()
        if answer is None:
            raise DataError(_WHERE, "what the model says after it must be finite, it is not. Give numbers of its size.")
        return answer

    @property
    def state(self) -> dict[str, Tensor]:
        """Of each member the state of its layers and of its pooling."""
        parts = (member.state.items() for member in self._members)
        return {f"{number}.{name}": part for number, some in enumerate(parts) for name, part in some}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        for name, part in self.state.items():
            part.copy_(state[name])


class _Member:
    """One network: what stands before its recurrent layers, these, the pooling, the output."""

    def __init__(self, model: SequenceClassifier) -> None:
        self._stepper = stepper(model.encoder)
        self._pool = RunningPooling(model.pooling, model.encoder.output_size)
        self._table = None if model.embedding is None else _array(model.embedding.table.weight)  # [V, E]
        self._linear = None if model.linear is None else (_array(model.linear.weight), _array(model.linear.bias))
        self._weight, self._bias = _array(model.output.weight), _array(model.output.bias)  # [R, O], [R]

    def read(self, steps: Sequence[Any]) -> Floats:
        """[R] the raw outputs after these steps."""
        for step in steps:
            values = step if self._table is None else self._table[step]
            if self._linear is not None:
                values = self._linear[0].dot(values) + self._linear[1]
            self._stepper.input[:] = values
            pooled = self._pool.add(self._stepper.step())
        raw: Floats = self._weight.dot(pooled) + self._bias  # .dot takes half the time of @
        return raw

    def keep(self) -> None:
        self._stepper.keep()
        self._pool.keep()

    def undo(self) -> None:
        self._stepper.undo()
        self._pool.undo()

    @property
    def state(self) -> dict[str, Tensor]:
        parts = {f"layers.{number}": part for number, part in enumerate(self._stepper.state)}
        return parts | {"pooling": torch.from_numpy(self._pool.state)}


# What an observation is


class _Texts:
    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def __call__(self, observation: Any) -> Sequence[int]:
        """The ids of its symbols."""
        if not isinstance(observation, str):
            raise DataError(_WHERE, f"the model reads texts, {_name(observation)} came. Give a text.")
        ids = self._vocabulary.encode(observation).tolist()
        if not ids:
            unit = self._vocabulary.tokens.unit
            raise DataError(_WHERE, f"a text must have a {unit} to read, {observation!r:.40} has none. Leave it out.")
        return cast(list[int], ids)


class _Numbers:
    def __init__(self, task: ClassificationTask) -> None:
        assert task.scale is not None
        self._names = task.features
        numbers = (np.array(part, np.float32) for part in (task.scale.mean, task.scale.spread))  # as in training
        self._mean, self._spread = (part.astype(np.float64) for part in numbers)  # [D]

    def __call__(self, observation: Any) -> Sequence[Floats]:
        """The one step, scaled [D]."""
        row = self._by_name(observation) if isinstance(observation, Mapping) else observation
        try:
            values = np.array(row)
        except (ValueError, OverflowError):
            values = np.array(None)
        if values.dtype.kind not in "fiu" or values.shape != self._mean.shape:
            self._refuse(row)
        scaled = (values - self._mean) / self._spread
        if not math.hypot(*scaled.tolist()) < _FARTHEST:
            self._refuse(row)
        return (scaled,)

    def _by_name(self, row: Mapping[str, Any]) -> list[Any]:
        try:
            return [row[name] for name in self._names]
        except KeyError as error:
            known = ", ".join(map(str, row)) or "nothing"
            raise DataError(_WHERE, f"must have {error.args[0]!r}, has {known:.200}. Give all features.") from None

    def _refuse(self, row: Any) -> None:
        D = len(self._names)
        if not isinstance(row, (list, tuple, np.ndarray)) or len(row) != D:
            came = f"{len(row)}" if isinstance(row, (list, tuple, np.ndarray)) else _name(row)
            raise DataError(_WHERE, f"must have a number for each of {D} features, {came} came. Give all of them.")
        wrong = [place for place, one in enumerate(row) if not _is_usable(one)]
        place = wrong[0] if wrong else int(np.abs((np.array(row) - self._mean) / self._spread).argmax())
        raise DataError(
            f"{_WHERE}, {self._names[place]!r}",
            f"must be a finite number of the size of those it learned, {row[place]!r:.40} came. "
            "Give one, such as the last that was known.",
        )


def _is_usable(one: Any) -> bool:
    number = isinstance(one, (int, float, np.number)) and not isinstance(one, bool)
    return number and bool(-_FARTHEST < one < _FARTHEST)


def _name(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a text", type(None): "nothing"}.get(type(value), repr(value)[:40])


# What is said; None if it is not finite


class _SayClass:
    def __init__(self, answers: OneClass) -> None:
        self._names = answers.classes.names

    def __call__(self, raws: list[Floats]) -> dict[str, Any] | None:
        shares = _mean([_softmax(raw.tolist()) for raw in raws])
        best = max(shares)
        if not math.isfinite(sum(shares)):
            return None
        label = self._names[shares.index(best)]
        return {"label": label, "probability": best, "probabilities": dict(zip(self._names, shares, strict=True))}


class _SayLabels:
    def __init__(self, answers: SeveralLabels) -> None:
        self._names = answers.classes.names

    def __call__(self, raws: list[Floats]) -> dict[str, Any] | None:
        shares = _mean([[_sigmoid(one) for one in raw.tolist()] for raw in raws])
        if not math.isfinite(sum(shares)):
            return None
        shares_of = dict(zip(self._names, shares, strict=True))
        return {"labels": [name for name, p in shares_of.items() if p >= LIKELY], "probabilities": shares_of}


class _SayNumber:
    def __init__(self, answers: Number) -> None:
        self._answers = answers

    def __call__(self, raws: list[Floats]) -> dict[str, Any] | None:
        value = _mean([[float(raw[0])] for raw in raws])[0] * self._answers.spread + self._answers.mean
        return {"value": value} if math.isfinite(value) else None


_Say: TypeAlias = Callable[[list[Floats]], dict[str, Any] | None]
_SAY: dict[type, Any] = {OneClass: _SayClass, SeveralLabels: _SayLabels, Number: _SayNumber}


def _softmax(raw: list[float]) -> list[float]:
    most = max(raw)
    powers = [math.exp(one - most) for one in raw]
    total = sum(powers)
    return [power / total for power in powers]


def _sigmoid(raw: float) -> float:
    return 0.5 * (1 + math.tanh(raw / 2))  # without overflow


def _mean(rows: list[list[float]]) -> list[float]:
    return rows[0] if len(rows) == 1 else [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def _array(tensor: Tensor) -> Floats:
    values: Floats = tensor.detach().numpy()
    return values


def _require_streamable(model: SequenceClassifier) -> None:
    """Refuse a model that must have seen the end before it can say anything."""
    obstacles = dict(_obstacles(model))
    if obstacles:
        raise SettingsError(
            "session",
            f"a model must read forwards, one step at a time, but {' and '.join(obstacles)}. "
            f"Train one with {' '.join(obstacles.values())}.",
        )


def _obstacles(model: SequenceClassifier) -> Iterator[tuple[str, str]]:
    """What stands in the way, and the flag without it."""
    if model.encoder.layer.bidirectional:
        yield "this one also reads backwards, from the end, which a stream has not", "--no-bidirectional"
    if model.convolution is not None:
        yield "the convolution before its layers sees steps that are yet to come", "--front linear"
