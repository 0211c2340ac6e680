"""What a model said of samples, and the table that a user gets of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.samples import Samples
from recurra.tasks.classification.answers import Floats, Number, OneClass, SeveralLabels
from recurra.tasks.classification.settings import Classification

LIKELY = 0.5
"""The probability from which on a label is given."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What was said of N samples, and what is true of them."""

    samples: Samples
    said: Floats
    """[N, C] probabilities, or [N, 1] numbers."""
    actual: NDArray[Any] | None
    """[N] classes, [N, C] flags or [N, 1] scaled numbers; None where not known."""

    @property
    def best(self) -> NDArray[np.int64]:
        """[N] the likeliest class."""
        best: NDArray[np.int64] = self.said.argmax(axis=1)
        return best

    def frame(
        self, answers: OneClass | SeveralLabels | Number, settings: Classification, whole: Samples, real: Any
    ) -> pl.DataFrame:
        """One row for each of the ``whole`` samples; nothing is said of those that are not ``real``.

        Args:
            answers: what the numbers mean.
            settings: the names of the user's columns.
            whole: all samples, also the empty ones.
            real: [N] the place of each prediction among them.
        """
        columns: dict[str, Any] = dict([_identity(whole, settings)])
        place = np.full(len(whole), -1)
        place[real] = np.arange(len(real))

        def spread(values: list[Any]) -> list[Any]:
            return [None if at < 0 else values[at] for at in place]

        if isinstance(answers, Number):
            return pl.DataFrame(columns | {settings.target or "target": spread(self.said[:, 0].tolist())})
        names = answers.classes.names
        if isinstance(answers, OneClass):
            columns[settings.label or "label"] = spread([names[best] for best in self.best])
            columns["probability"] = spread(self.said.max(axis=1).tolist())
        else:
            given = [[n for n, p in zip(names, row, strict=True) if p >= LIKELY] for row in self.said]
            columns[settings.label or "labels"] = spread([settings.separator.join(some) for some in given])
        shares = {f"p({name})": spread(self.said[:, c].tolist()) for c, name in enumerate(names)}
        return pl.DataFrame(columns | shares)


def _identity(samples: Samples, settings: Classification) -> tuple[str, list[Any]]:
    """The first column: by what people know the row again."""
    if samples.texts is not None and settings.text is not None:
        return settings.text, list(samples.texts)
    if samples.identities is not None and settings.sequence is not None:
        return settings.sequence, list(samples.identities)
    return "sequence", list(range(1, len(samples) + 1))
