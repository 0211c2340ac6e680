"""Single requests to a classifier: a text or the steps of a signal, checked alone and answered together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.json_values import LARGEST, kind_of, read_numbers, require_finite, require_short
from recurra.data.sample_checks import repair
from recurra.data.samples import Samples
from recurra.data.sequence_set import SequenceSet
from recurra.errors import DataError
from recurra.tasks.classification.answers import Floats, Number, OneClass
from recurra.tasks.classification.examples import Examples
from recurra.tasks.classification.explanation import weigh_words
from recurra.tasks.classification.predictions import LIKELY

if TYPE_CHECKING:
    from torch import nn

    from recurra.tasks.classification.task import ClassificationTask

SOURCE = "request"
_LONGEST_WORD = 8  # characters that a symbol may have on average
_LONGEST_WEIGHED = 1000  # symbols: to weigh them takes as long as to read them 50 times


@dataclass(frozen=True, eq=False)
class Checked:
    """One sequence, as the model reads it."""

    steps: NDArray[Any]
    """[T] symbols, or [T, D] numbers."""

    def __len__(self) -> int:
        return len(self.steps)


def request_schema(task: ClassificationTask) -> dict[str, Any]:
    """The JSON Schema of a text, or of the steps of a signal."""
    if task.vocabulary is not None:
        return {"type": "string", "pattern": r"\S", "examples": ["some text"], "description": "a text"}
    width = len(task.features)
    number: dict[str, Any] = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
    if task.settings.repairs.missing != "refuse":
        number["type"] = ["number", "null"]
    return {
        "type": "array",
        "minItems": 1,
        "items": {"type": "array", "items": number, "minItems": width, "maxItems": width},
        "examples": [[[0.0] * width] * 3],
        "description": f"the steps of a sequence, each of {width} numbers: {', '.join(task.features)}",
    }


def check(task: ClassificationTask, request: Any, longest: int) -> Checked:
    """One request, a text or a list of steps, as numbers."""
    if task.vocabulary is None:
        return check_numbers(task, read_numbers(request, SOURCE), longest)
    if not isinstance(request, str):
        raise DataError(SOURCE, f"a text must come, {kind_of(request)} did. Send a string.")
    if not request.strip():
        raise DataError(SOURCE, "there must be something to read, an empty text came. Send a text.")
    require_short(len(request) // _LONGEST_WORD, longest, SOURCE)  # to cut a long text takes its time, too
    symbols = task.vocabulary.encode(request)
    require_short(len(symbols), longest, SOURCE)
    return Checked(symbols)


def check_numbers(task: ClassificationTask, steps: NDArray[Any], longest: int) -> Checked:
    """The same for an array ``[T, D]``, or ``[T]`` where D is 1."""
    if task.vocabulary is not None:
        raise DataError(SOURCE, "this model reads texts, an array of numbers came. Send JSON.")
    width = len(task.features)
    values = steps[:, None] if steps.ndim == 1 and width == 1 else steps
    if values.ndim != 2 or values.shape[1] != width:
        raise DataError(SOURCE, f"the shape must be [steps, {width}], it is {list(steps.shape)}. Send all features.")
    if not len(values):
        raise DataError(SOURCE, "there must be something to read, a sequence of length 0 came. Send its steps.")
    require_short(len(values), longest, SOURCE)
    numbers = SequenceSet(require_finite(values, SOURCE).astype(np.float32), np.array([len(values)]))
    samples = Samples(SOURCE, ["the sequence"], numbers=numbers, features=task.features)
    repaired = repair(samples, task.settings.repairs).numbers
    assert repaired is not None
    return Checked(repaired.values)


def refuse_named(named: Mapping[str, str]) -> None:
    """A sequence of numbers is all that is read."""
    if named:
        raise DataError(SOURCE, f"only the sequence is read, {next(iter(named))!r} came beside it. Leave it out.")


def answer(task: ClassificationTask, model: nn.ModuleList, checked: Sequence[Checked]) -> list[Floats]:
    """[C] probabilities, or [1] a number, of each."""
    samples = Samples(SOURCE, [""] * len(checked))
    inputs = SequenceSet.join([one.steps for one in checked])
    return list(task.say(model, Examples(samples, inputs, task.scale, None)))


def tell(task: ClassificationTask, numbers: Floats) -> dict[str, Any]:
    """A class and all probabilities, the labels, or a number."""
    answers = task.answers
    if isinstance(answers, Number):
        return {"value": float(numbers[0])}
    names, shares = answers.classes.names, numbers.tolist()
    probabilities = dict(zip(names, shares, strict=True))
    if isinstance(answers, OneClass):
        best = int(numbers.argmax())
        return {"label": names[best], "probability": shares[best], "probabilities": probabilities}
    labels = [name for name, p in probabilities.items() if p >= LIKELY]
    return {"labels": labels, "probabilities": probabilities}


def explain(task: ClassificationTask, model: nn.ModuleList, request: Any, longest: int) -> dict[str, Any]:
    """The answer to a text, and the weight of each of its words in the likeliest class, label, or number."""
    assert task.vocabulary is not None
    checked = check(task, request, min(longest, _LONGEST_WEIGHED))
    (numbers,) = answer(task, model, [checked])
    weighed = weigh_words(model, task.vocabulary, request, int(numbers.argmax()))
    return tell(task, numbers) | {"words": [{"text": piece, "weight": weight} for piece, weight in weighed]}
