"""What a session of a tagger is fed: tokens, with their marks where the model reads them, and where sentences begin."""

from __future__ import annotations

from typing import Any, NamedTuple

from recurra.errors import DataError

WHERE = "observation"
_MARKED = "marked"


class Token(NamedTuple):
    """The next token of a sentence."""

    text: str
    mark: bool


class Beginning(NamedTuple):
    """A new sentence, perhaps with a word that will be marked in it."""

    marked: str | None


def read_observation(observation: Any, marks: bool) -> Token | Beginning:
    """None begins a sentence, a text is a token; with ``marks`` a token is a pair, and a sentence may have a question.

    >>> read_observation(["sees", True], marks=True)
    Token(text='sees', mark=True)
    >>> read_observation({"marked": "sees"}, marks=True)
    Beginning(marked='sees')
    """
    if observation is None:
        return Beginning(None)
    if not marks:
        return Token(_text(observation, "Give one token, or None (null) to begin a sentence."), False)
    if isinstance(observation, dict) and set(observation) == {_MARKED}:
        return Beginning(_text(observation[_MARKED], "Give the word that will be marked."))
    if not isinstance(observation, (list, tuple)) or len(observation) != 2:
        pair = "Give a pair, such as ['word', false]."
        raise DataError(WHERE, f"a token and its mark must come, {observation!r:.40} came. {pair}")
    token, mark = observation
    if type(mark) is not bool:
        raise DataError(WHERE, f"a mark must be true or false, {mark!r:.40} came. Correct it.")
    return Token(_text(token, "Give one token with its mark."), mark)


def _text(value: Any, remedy: str) -> str:
    if not isinstance(value, str):
        raise DataError(WHERE, f"a token must be a text, {value!r:.40} came. {remedy}")
    if not value.strip():
        raise DataError(WHERE, "a token must not be empty. Leave it out.")
    return value
