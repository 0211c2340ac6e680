"""All that a classifier learned from its data except weights: how new data are read, and what answers mean.

No torch here: what is exported is used without it (:mod:`recurra.runtime`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import polars as pl

from recurra.data.sample_checks import empty, repair
from recurra.data.samples import Samples
from recurra.data.sequence_set import SequenceSet
from recurra.data.vocabulary import Vocabulary
from recurra.errors import DataError
from recurra.settings import from_dict, to_dict
from recurra.tasks.classification.answers import Floats, Number, OneClass, SeveralLabels, restore_answers
from recurra.tasks.classification.inputs import Scale, encode_texts
from recurra.tasks.classification.predictions import Predictions
from recurra.tasks.classification.reading import read_samples, read_source
from recurra.tasks.classification.settings import Classification


@dataclass(frozen=True)
class FittedClassification:
    """Settings, answers, and the vocabulary or the scale."""

    settings: Classification
    answers: OneClass | SeveralLabels | Number
    vocabulary: Vocabulary | None
    """Of texts; None for numbers."""
    scale: Scale | None
    """Of numbers; None for texts."""
    features: tuple[str, ...]
    """[D] their names."""
    embedding_size: int
    """E, of a symbol's vector and of the front's outputs."""
    samples: int
    """How many there were to learn from."""

    def to_dict(self) -> dict[str, Any]:
        """All of the task as plain JSON values."""
        return {
            "settings": to_dict(self.settings),
            "answers": self.answers.to_dict(),
            "vocabulary": None if self.vocabulary is None else self.vocabulary.to_dict(),
            "scale": None if self.scale is None else {"mean": self.scale.mean, "spread": self.scale.spread},
            "features": list(self.features),
            "embedding_size": self.embedding_size,
            "samples": self.samples,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The task that :meth:`to_dict` made plain."""
        vocabulary, scale = values["vocabulary"], values["scale"]
        D = len(values["features"])
        if (vocabulary is None) == (scale is None) or (scale and [len(scale[k]) for k in ("mean", "spread")] != [D, D]):
            raise DataError("scale", "there must be a vocabulary, or a mean and a spread for each feature, not both.")
        return cls(
            settings=from_dict(Classification, values["settings"]),
            answers=restore_answers(values["answers"]),
            vocabulary=None if vocabulary is None else Vocabulary.from_dict(vocabulary),
            scale=None if scale is None else Scale(*(tuple(map(float, scale[k])) for k in ("mean", "spread"))),
            features=tuple(str(name) for name in values["features"]),
            embedding_size=int(values["embedding_size"]),
            samples=int(values["samples"]),
        )

    def read(self, data: Any, answered: bool) -> Samples:
        """The samples of new data, which must have the features that were learned."""
        settings = self.settings
        if settings.sequence is not None:  # new data may have other columns, too
            settings = replace(settings, features=self.features)
        samples = read_samples(read_source(data, settings), settings, answered)
        if (samples.texts is None) != (self.vocabulary is None) or len(samples.features) != len(self.features):
            wanted = "texts" if self.vocabulary is not None else f"{len(self.features)} features at each step"
            came = "texts" if samples.texts is not None else f"{len(samples.features)} features"
            raise DataError(samples.source, f"the model reads {wanted}, {came} came. Give data like those it learned.")
        return samples

    def inputs(self, samples: Samples) -> SequenceSet:
        """The symbols of texts, or the numbers of sequences as they were read."""
        if self.vocabulary is not None:
            assert samples.texts is not None
            return encode_texts(list(samples.texts), self.vocabulary)
        assert samples.numbers is not None
        return samples.numbers

    def tabulate(self, data: Any, say: Callable[[Samples], Floats]) -> pl.DataFrame:
        """The table of what ``say`` answers to ``data``: probabilities ``[N, C]``, or numbers ``[N, 1]``."""
        samples = self.read(data, answered=False)
        nothing = empty(samples)
        if nothing and not self.settings.repairs.skip_empty:
            repair(samples, self.settings.repairs)  # says what is wrong
        real = np.setdiff1d(np.arange(len(samples)), nothing)
        if not len(real):
            raise DataError(samples.source, "there must be something to read, all of it is empty. Check the data.")
        kept = repair(samples.take(real), self.settings.repairs)
        return Predictions(kept, say(kept), None).frame(self.answers, self.settings, samples, real)
