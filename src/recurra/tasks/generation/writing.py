"""Writing: a model goes on with a prompt symbol by symbol, and the text is shown as it is made.

No torch here: a :class:`Reader` is all that is known of the model, in torch or exported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator

from recurra import decoding
from recurra.data.vocabulary import PADDING, UNKNOWN, UNKNOWN_CHARACTER, Vocabulary
from recurra.errors import DataError
from recurra.settings import Sampling
from recurra.tasks.generation.position import Position, keep_generator, restore_generator

Show = Callable[[str], None]
FORBIDDEN = (PADDING, UNKNOWN)
"""Ids that are never written."""
_RECENT = 64  # symbols that a repetition penalty looks back at
_JOINT = 8  # symbols of context from which the text of the next one follows
_LONGEST = 4  # symbols that may make one character together


class Reader(Protocol):
    """A language model; a state is None at the start of a text, or has parts ``[L, B, ·]``."""

    def read(self, ids: decoding.Ids, state: Any) -> Any:
        """The state after ``ids [B, T]``."""
        ...

    def step(self, ids: decoding.Ids, state: Any) -> tuple[decoding.Scores, Any]:
        """Log-probabilities ``[B, V]`` of what follows ``ids [B]``, and the next state."""
        ...


@dataclass(frozen=True, eq=False)
class Generated:
    """What was written."""

    text: str
    """Without the prompt, and without the text that ended it."""
    symbols: int
    """How many symbols were chosen."""
    stopped: str
    """``"length"``, or the kind of end: ``"stop"``."""
    state: Position
    """To go on from here."""
    notices: tuple[str, ...] = ()
    """What was repaired in the prompt."""


def write(
    model: Reader, vocabulary: Vocabulary, prompt: str, sampling: Sampling, start: Position, show: Show | None = None
) -> Generated:
    """Go on with ``prompt``, after what left ``start``."""
    ids = vocabulary.encode(prompt).tolist()
    notices = _unknown_notices(prompt, ids, vocabulary)
    recent = (*start.recent, *ids)
    before = replace(start, unread=(*start.unread, *ids), recent=recent[-_RECENT:])
    paper = _Paper(_Joiner(vocabulary, recent[-_JOINT:]), sampling.stop, show or _ignore)
    search = _search if sampling.beam else _draw
    after = search(model, before, sampling, paper)
    paper.finish()
    return Generated("".join(paper.shown), paper.symbols, "stop" if paper.stopped else "length", after, notices)


def require_model(start: Position, model: str) -> None:
    """Refuse a position in a text of another model, whose fingerprint is not ``model``."""
    if start.model != model:
        raise DataError("state", "it must be of this very model, it is of another one. Make it anew with this model.")


def _draw(model: Reader, before: Position, sampling: Sampling, paper: _Paper) -> Position:
    """Draw one symbol after the other until a stop text comes."""
    random = _generator(before, sampling)
    scores, state = _read(model, before)
    recent = list(before.recent)
    for number in range(sampling.length):
        if number:
            scores, state = model.step(np.array(recent[-1:]), state)
        (chosen,) = decoding.draw(_shape(scores, sampling, recent), random).tolist()
        recent = [*recent[1 - _RECENT :], chosen]
        if paper.write(chosen):
            break
    kept = keep_generator(random)
    return replace(before, state=state, unread=(recent[-1],), recent=tuple(recent), random=kept)


def _generator(before: Position, sampling: Sampling) -> Generator:
    """Of the seed; without one, that of what was written before."""
    if before.random is not None and sampling.seed is None:
        return restore_generator(before.random)
    return np.random.default_rng(sampling.seed or 0)


def _search(model: Reader, before: Position, sampling: Sampling, paper: _Paper) -> Position:
    """Search the likeliest text as a whole; a stop text cuts it afterwards."""
    assert sampling.beam is not None
    scores, state = _read(model, before)
    ids, state, _ = decoding.beam_search(model.step, scores, state, sampling.beam, sampling.length, FORBIDDEN)
    for chosen in ids:
        if paper.write(chosen):
            break
    return replace(before, state=state, unread=(ids[-1],), recent=(*before.recent, *ids)[-_RECENT:])


def _read(model: Reader, before: Position) -> tuple[decoding.Scores, Any]:
    """Read what is unread: log-probabilities [1, V] of what comes next, and the state. The last one is a step, always.

    So a text that is written in two sittings is, bit for bit, the one that is written in one.
    """
    state = before.state
    if len(before.unread) > 1:
        state = model.read(np.array([before.unread[:-1]]), state)
    return model.step(np.array(before.unread[-1:]), state)


def _shape(scores: decoding.Scores, sampling: Sampling, recent: Sequence[int]) -> decoding.Scores:
    """The distribution to draw from."""
    shaped = decoding.rule_out(scores.astype(np.float64), FORBIDDEN)
    shaped = decoding.penalize(shaped, recent[-_RECENT:], sampling.repetition_penalty)
    shaped = decoding.with_temperature(shaped, sampling.temperature)
    if sampling.top_k is not None:
        shaped = decoding.keep_top_k(shaped, sampling.top_k)
    return shaped if sampling.top_p is None else decoding.keep_top_p(shaped, sampling.top_p)


def _unknown_notices(prompt: str, ids: Sequence[int], vocabulary: Vocabulary) -> tuple[str, ...]:
    unknown = [place for place, number in enumerate(ids) if number == UNKNOWN]
    if not unknown:
        return ()
    start, end = vocabulary.spans(prompt)[unknown[0]]
    count = f"{len(unknown):,} {vocabulary.tokens.unit}{'s' if len(unknown) > 1 else ''}"
    return (
        f"{count} of the prompt came in no training text, first {prompt[start:end]!r}; "
        f"{'they are' if len(unknown) > 1 else 'it is'} read as unknown",
    )


class _Joiner:
    """The text that each new symbol adds, given those before it: a space before a word, a character of four bytes."""

    def __init__(self, vocabulary: Vocabulary, context: Sequence[int]) -> None:
        self.vocabulary = vocabulary
        self.context, self.pending = list(context), list[int]()

    def add(self, chosen: int) -> str:
        self.pending.append(chosen)
        text = self._text()
        if text.endswith(UNKNOWN_CHARACTER) and len(self.pending) < _LONGEST:
            return ""  # the rest of a character is to come
        return self.flush()

    def flush(self) -> str:
        text = self._text() if self.pending else ""
        self.context, self.pending = (self.context + self.pending)[-_JOINT:], []
        return text

    def _text(self) -> str:
        known = self.vocabulary.decode(self.context)
        return self.vocabulary.decode(self.context + self.pending)[len(known) :]


@dataclass
class _Paper:
    """What is written, held back where it may be the start of a stop text."""

    joiner: _Joiner
    stops: Sequence[str]
    show: Show
    shown: list[str] = field(default_factory=list)
    held: str = ""
    symbols: int = 0
    stopped: bool = False

    def write(self, chosen: int) -> bool:
        """Add a symbol; whether a stop text is complete."""
        self.symbols += 1
        ready, self.held, self.stopped = decoding.split_at_stop(self.held + self.joiner.add(chosen), self.stops)
        self._show(ready)
        return self.stopped

    def finish(self) -> None:
        """Show what was held back, unless a stop text came."""
        if not self.stopped:
            ready, held, self.stopped = decoding.split_at_stop(self.held + self.joiner.flush(), self.stops)
            self._show(ready + ("" if self.stopped else held))

    def _show(self, text: str) -> None:
        if text:
            self.shown.append(text)
            self.show(text)


def _ignore(text: str) -> None:
    """Show nothing."""
