"""Streams: chunks of observations with numbers, each applied once, however often it is sent.

The client numbers its chunks from 1. A chunk that came before is answered as it was then; one that is not the next is
refused. A chunk is applied as a whole or, where one of its observations is bad, not at all.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from recurra.bundle import Bundle
from recurra.errors import DataError
from recurra.server.states import State
from recurra.session import Session

_REMEMBERED = 8  # chunks whose answers are kept while the connection lasts


class Stream:
    """One stream of one model; its methods run on the thread that calls models.

    Args:
        bundle: the model; the stream keeps it, also when a new version is loaded.
        state: where to go on; None to begin.
    """

    def __init__(self, bundle: Bundle, state: State | None = None) -> None:
        self._bundle = bundle
        self._session = Session(bundle) if state is None else Session.restore(bundle, state.session)
        self._answers: OrderedDict[int, list[Any]] = OrderedDict()
        self.sequence = 0
        """The number of the last chunk that was applied."""
        if state is not None:
            self._remember(state.sequence, state.outputs)

    @property
    def steps(self) -> int:
        """How many observations were applied."""
        return self._session.steps

    def answered(self, sequence: int) -> list[Any] | None:
        """What was answered to a chunk that came before; None for the next one.

        Raises:
            DataError: chunks are missing before it, or it is so old that its answer is forgotten.
        """
        if sequence == self.sequence + 1:
            return None
        if sequence > self.sequence:
            raise DataError(
                "sequence", f"{self.sequence + 1} is the next chunk, {sequence} came. Send what is missing."
            )
        if sequence not in self._answers:
            raise DataError("sequence", f"chunk {sequence} was applied, its answer is kept no more. Go on.")
        return self._answers[sequence]

    def feed(self, sequence: int, observations: list[Any]) -> State:
        """Apply the next chunk; the state after it has the answers."""
        before = self._session.save() if len(observations) > 1 else None
        try:
            outputs = [self._session.feed(observation) for observation in observations]
        except Exception:
            if before is not None:
                self._session = Session.restore(self._bundle, before)
            raise
        self._remember(sequence, outputs)
        return self.state

    @property
    def state(self) -> State:
        """Where it is."""
        return State(self.sequence, self._answers.get(self.sequence, []), self._session.save())

    def _remember(self, sequence: int, outputs: list[Any]) -> None:
        self.sequence = sequence
        self._answers[sequence] = outputs
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
