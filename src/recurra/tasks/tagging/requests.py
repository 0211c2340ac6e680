"""Single requests to a tagger: a sentence cut into tokens, checked alone and answered together with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.json_values import kind_of, require_short
from recurra.data.sentences import Sentences
from recurra.errors import DataError, nearest
from recurra.tasks.tagging.decoding import decode
from recurra.tasks.tagging.scoring import scorer

if TYPE_CHECKING:
    from torch import nn

    from recurra.tasks.tagging.task import TaggingTask

SOURCE = "request"
_TOKENS, _MARKS = "tokens", "marks"


@dataclass(frozen=True, eq=False)
class Checked:
    """One sentence."""

    tokens: tuple[str, ...]
    marks: tuple[bool, ...]
    """Which tokens are marked; all false where the model reads no marks."""


def request_schema(task: TaggingTask) -> dict[str, Any]:
    """The JSON Schema of a sentence, with marks where the model reads them."""
    token = {"type": "string", "pattern": r"\S"}
    fields: dict[str, Any] = {_TOKENS: {"type": "array", "minItems": 1, "items": token}}
    example: dict[str, Any] = {_TOKENS: ["some", "words"]}
    if task.marked:
        about = "whether each token is marked, as many as there are tokens"
        fields[_MARKS] = {"type": "array", "minItems": 1, "items": {"type": "boolean"}, "description": about}
        example[_MARKS] = [False, True]
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
        "examples": [example],
        "description": "the tokens of a sentence" + (", and which of them are marked" if task.marked else ""),
    }


def check(task: TaggingTask, request: Any, longest: int) -> Checked:
    """One request as a sentence."""
    wanted = (_TOKENS, _MARKS) if task.marked else (_TOKENS,)
    if not isinstance(request, dict):
        raise DataError(SOURCE, f'an object must come, {kind_of(request)} did. Send {{"{_TOKENS}": [...]}}.')
    if odd := next((name for name in request if name not in wanted), None):
        raise DataError(SOURCE, f"there is no field {odd!r:.50}. {nearest(odd[:50], wanted)}")
    tokens = _list(request, _TOKENS)
    if not tokens:
        raise DataError(SOURCE, "there must be something to read, a sentence without tokens came. Send its tokens.")
    require_short(len(tokens), longest, SOURCE)
    for number, token in enumerate(tokens):
        _check_token(number, token)
    return Checked(tuple(tokens), _marks(request, len(tokens)) if task.marked else (False,) * len(tokens))


def _list(request: dict[str, Any], name: str) -> list[Any]:
    if name not in request:
        raise DataError(SOURCE, f"there must be a field {name!r}, none came. Send it.")
    values = request[name]
    if not isinstance(values, list):
        raise DataError(SOURCE, f"{name!r} must be a list, {kind_of(values)} came. Cut the sentence into tokens.")
    return values


def _check_token(number: int, token: Any) -> None:
    if not isinstance(token, str):
        raise DataError(SOURCE, f"{_TOKENS}[{number}] must be a text, {kind_of(token)} came. Correct it.")
    if not token.strip():
        raise DataError(SOURCE, f"{_TOKENS}[{number}] must not be empty. Leave it out.")


def _marks(request: dict[str, Any], tokens: int) -> tuple[bool, ...]:
    marks = _list(request, _MARKS)
    if odd := [number for number, mark in enumerate(marks) if type(mark) is not bool]:
        came = kind_of(marks[odd[0]])
        raise DataError(SOURCE, f"{_MARKS}[{odd[0]}] must be true or false, {came} came. Correct it.")
    if len(marks) != tokens:
        raise DataError(SOURCE, f"each of {tokens:,} tokens must have a mark, {len(marks):,} came. Send all.")
    return tuple(marks)


def refuse_array() -> Checked:
    """Sentences are no numbers."""
    raise DataError(SOURCE, "this model reads tokens, an array of numbers came. Send JSON.")


def answer(task: TaggingTask, model: nn.ModuleList, checked: Sequence[Checked]) -> list[NDArray[np.float64]]:
    """[T, 2] the number of each token's tag and its probability, of each sentence."""
    sentences = Sentences(
        SOURCE,
        [""] * len(checked),
        tokens=[one.tokens for one in checked],
        marks=[one.marks for one in checked],
    )
    inputs = task.inputs(sentences)
    said = np.stack(decode(scorer(list(model), task.legal), inputs), axis=1, dtype=np.float64)
    return np.split(said, np.cumsum(inputs.lengths)[:-1])


def tell(task: TaggingTask, checked: Checked, numbers: NDArray[np.float64]) -> dict[str, Any]:
    """The tokens, their tags, and the probabilities of those."""
    tags = [task.classes.names[code] for code in numbers[:, 0].astype(np.int64)]
    return {_TOKENS: list(checked.tokens), "tags": tags, "probabilities": numbers[:, 1].tolist()}
