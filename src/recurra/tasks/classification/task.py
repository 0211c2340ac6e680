"""The fitted classification task: settings, and all that was learned from the data except weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.data.sample_checks import repair
from recurra.data.samples import Samples
from recurra.data.vectors import Vectors, read_vectors
from recurra.data.vocabulary import FIRST, Vocabulary
from recurra.errors import SettingsError
from recurra.task import Scored, Split
from recurra.tasks.classification import requests
from recurra.tasks.classification.answers import (
    Floats,
    Number,
    OneClass,
    SeveralLabels,
    learn_class,
    learn_labels,
    learn_number,
)
from recurra.tasks.classification.examples import Batch, Examples
from recurra.tasks.classification.fitted import FittedClassification
from recurra.tasks.classification.inputs import Scale
from recurra.tasks.classification.live import LiveClassifier
from recurra.tasks.classification.models import SequenceClassifier, TransferredClassifier
from recurra.tasks.classification.predictions import Predictions
from recurra.tasks.classification.reading import Source, read_samples
from recurra.tasks.classification.scores import Scores, restore_scores, score
from recurra.tasks.classification.settings import Classification
from recurra.tasks.classification.split import Divided, divide, repetitions, require_frequent
from recurra.tasks.pretrained import TRANSFER, Pretrained

if TYPE_CHECKING:
    from recurra.tasks.figures import EpochLine
    from recurra.tasks.sections import Findings

_CHUNK = 256  # samples predicted at once
_EMBEDDING = 100
_VECTORS = "words start from the vectors of"
_FEW = 5000  # samples up to which a held-out part is worth a second training


@dataclass(frozen=True)
class ClassificationTask(FittedClassification):
    """How sequences are read, encoded, classified and scored.

    >>> rows = {"text": ["good film", "bad film", "good", "bad"] * 3, "label": ["+", "-", "+", "-"] * 3}
    >>> settings = Classification(text="text", label="label")
    >>> task, divided = ClassificationTask.learn(settings, settings.read(rows))
    >>> task.answers.classes.names, len(task.vocabulary)
    (('+', '-'), 5)
    """

    name: ClassVar[str] = "classification"

    vectors: Vectors = field(default_factory=dict, compare=False)
    """Of words, to start from; they end up in the weights."""
    start: Pretrained | None = field(default=None, compare=False, repr=False)
    """The language model whose layers new members begin with."""

    @classmethod
    def learn(
        cls, settings: Classification, data: Source, start: Pretrained | None = None
    ) -> tuple[ClassificationTask, Divided]:
        """Learn classes, vocabulary and scale; the last two from the training part only, or the vocabulary is given."""
        samples = repair(read_samples(data, settings, answered=True), settings.repairs)
        assert samples.answers is not None
        samples = require_frequent(samples, settings.repairs.skip_rare)
        answers = _learn_answers(settings, samples)
        divided = divide(samples, settings.validation, settings.test, settings.split_seed)
        vocabulary, scale, size = None, None, settings.embedding_size
        vectors: Vectors = {}
        if samples.texts is not None:
            learned_from = (samples.texts[i] for i in divided.training)
            vocabulary = start.vocabulary if start else Vocabulary.learn(learned_from, settings.tokens)
            if start is not None:
                samples = _noticing_unknown(samples, start)
            if settings.vectors is not None:
                size, vectors = _read_vectors(settings, vocabulary)
                samples = samples.noticing(f"{len(vectors):,} of {len(vocabulary):,} {_VECTORS} {settings.vectors}")
        if samples.numbers is not None:
            scale = Scale.learn(samples.numbers.take(divided.training))
        size = size or _EMBEDDING
        task = cls(settings, answers, vocabulary, scale, samples.features, size, len(samples), vectors, start)
        return task, replace(divided, samples=samples)

    # Reading

    def encode(self, samples: Samples, answered: bool = True) -> Examples:
        """The samples as the model reads them."""
        target = self.answers.encode(samples.answers, samples.where) if answered and samples.answers else None
        return Examples(samples, self.inputs(samples), self.scale, target)

    # The model

    def build_model(self) -> nn.ModuleList:
        """All members with fresh weights."""
        if self.settings.from_ is not None:
            return nn.ModuleList([self._build_transferred() for _ in range(self.settings.members)])
        reads = len(self.features) if self.vocabulary is None else self.vocabulary
        members = [
            SequenceClassifier(self.settings, reads, self.embedding_size, self.answers.size)
            for _ in range(self.settings.members)
        ]
        for member in members:
            self._set_vectors(member)
        return nn.ModuleList(members)

    def _build_transferred(self) -> TransferredClassifier:
        assert self.vocabulary is not None
        member = TransferredClassifier(self.settings, self.vocabulary, self.embedding_size, self.answers.size)
        if self.start is not None:
            self.start.give(member.encoder, "encoder.")
        return member

    @torch.no_grad()
    def _set_vectors(self, member: SequenceClassifier) -> None:
        """Give the words that have a vector theirs."""
        for word, vector in self.vectors.items():
            assert self.vocabulary is not None
            assert member.embedding is not None
            member.embedding.table.weight[int(self.vocabulary.encode(word)[0])] = torch.from_numpy(vector)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Mean loss of a batch, a scalar."""
        assert batch.target is not None
        return self.answers.loss(model(batch), batch.target, self.settings.smoothing)

    # Training

    def split(self, divided: Divided) -> Split:
        """Hold out some of each class for the score, and some to choose the best weights."""
        samples = divided.samples
        few = len(samples) < _FEW and len(divided.training) < len(samples)
        refit = few if self.settings.refit is None else self.settings.refit
        return Split(
            training=self.encode(samples.take(divided.training)),
            validate=self._validation(samples.take(divided.validation)) if len(divided.validation) else None,
            score=partial(self._score, samples=samples.take(divided.test)) if len(divided.test) else None,
            everything=self.encode(samples) if refit else None,
            description=self._describe(divided),
            notices=(*samples.notices, *repetitions(divided)),
        )

    @property
    def training_defaults(self) -> Mapping[str, Any]:
        """Samples per step, the highest learning rate, and the weight decay, much for texts."""
        batch_size = 64 if self.samples < 20_000 else 128
        defaults = {"batch_size": batch_size, "learning_rate": 2e-3, "l2": 1e-4 if self.vocabulary is None else 0.1}
        if self.settings.from_ is None:
            return defaults
        return {**defaults, "learning_rate": 2e-2, "unfreeze": 0.1, **TRANSFER}  # of the head; embeddings learn slower

    def choose_steps(self, examples: int, batch_size: int) -> int:
        """Some passes over many samples, many over few; fewer of texts, which are learned by heart."""
        passes, most = (13, 6000) if self.vocabulary is None else (4, 3000)
        return max(600, min(passes * examples // batch_size, most))

    def _validation(self, samples: Samples) -> Callable[[nn.Module], float]:
        examples = self.encode(samples)
        batches = [examples.batch(chunk) for chunk in _chunks(examples)]

        def validate(model: nn.Module) -> float:
            raw = torch.cat([model(batch) for batch in batches])
            target = torch.cat([batch.target for batch in batches if batch.target is not None])
            return float(self.answers.loss(raw, target, 0.0))

        return validate

    def _score(self, model: nn.ModuleList, samples: Samples) -> Scored:
        predictions = self.predict_samples(model, samples)
        return Scored(score(predictions, self.answers), (predictions, model))

    def _describe(self, divided: Divided) -> str:
        parts = [f"{len(divided.training):,} to learn from"]
        parts += [f"{len(divided.validation):,} to choose the best weights"] if len(divided.validation) else []
        parts += [f"{len(divided.test):,} held out for the score"] if len(divided.test) else []
        what = f"{len(divided.samples):,} " + ("texts" if self.vocabulary is not None else "sequences")
        if not isinstance(self.answers, Number):
            kind = "classes" if isinstance(self.answers, OneClass) else "labels"
            what += f" of {len(self.answers.classes):,} {kind}"
        read = (
            f"; {self.vocabulary.tokens.unit}s, {len(self.vocabulary):,} known"
            if self.vocabulary is not None
            else f"; {len(self.features):,} feature{'' if len(self.features) == 1 else 's'} at each step"
        )
        return what + ": " + ", ".join(parts) + read

    def findings(self, divided: Divided, scored: Scored | None, histories: Sequence[Sequence[EpochLine]]) -> Findings:
        """What the report says."""
        from recurra.tasks.classification.sections import findings  # matplotlib takes half a second to import

        return findings(self, divided, scored, histories)

    # Use

    def predict(self, model: nn.ModuleList, data: Any) -> pl.DataFrame:
        """Predict a class, labels or a number for each sample, in the order of the data.

        Columns: the text, or the name of the sequence, or its number; then ``label`` and its ``probability``, and
        ``p(…)`` for each class; or ``labels``; or the target's name.
        """
        return self.tabulate(data, lambda samples: self.predict_samples(model, samples, answered=False).said)

    def go_live(self, model: nn.ModuleList) -> LiveClassifier:
        """Begin a stream of steps."""
        return LiveClassifier(self, model)

    def evaluate(self, model: nn.ModuleList, data: Any) -> Scores:
        """Score the model on all of ``data``."""
        samples = repair(self.read(data, answered=True), self.settings.repairs)
        return score(self.predict_samples(model, samples), self.answers)

    def restore_scores(self, values: Mapping[str, Any]) -> Scores:
        """The scores that their ``to_dict`` made plain."""
        return restore_scores(values)

    def predict_samples(self, model: nn.ModuleList, samples: Samples, answered: bool = True) -> Predictions:
        """What the members say together of each sample; probabilities and numbers are averaged."""
        examples = self.encode(samples, answered)
        said = self.say(model, examples)
        return Predictions(samples, said, None if examples.target is None else examples.target.numpy())

    # Requests

    @property
    def request_schema(self) -> dict[str, Any]:
        """Of a text, or of the steps of a signal."""
        return requests.request_schema(self)

    def check(self, request: Any, longest: int) -> requests.Checked:
        """A text, or a list of steps."""
        return requests.check(self, request, longest)

    def check_array(self, array: NDArray[Any], named: Mapping[str, str], longest: int) -> requests.Checked:
        """The steps ``[T, D]`` of a signal; nothing else is to be said of it."""
        requests.refuse_named(named)
        return requests.check_numbers(self, array, longest)

    def answer(self, model: nn.ModuleList, checked: Sequence[requests.Checked]) -> list[Floats]:
        """[C] probabilities, or [1] a number, of each."""
        return requests.answer(self, model, checked)

    def tell(self, checked: requests.Checked, numbers: Floats) -> dict[str, Any]:  # noqa: ARG002 - the protocol's
        """A class, labels or a number."""
        return requests.tell(self, numbers)

    @property
    def weighs_words(self) -> bool:
        """Whether there are words."""
        return self.vocabulary is not None

    def explain(self, model: nn.ModuleList, request: Any, longest: int) -> dict[str, Any]:
        """What is said of a text, and the weight of each of its words in that."""
        return requests.explain(self, model, request, longest)

    @torch.no_grad()
    def say(self, model: nn.ModuleList, examples: Examples) -> Floats:
        """[N, C] probabilities or [N, 1] numbers, the mean over the members."""
        model.eval()
        chunks = _chunks(examples)
        said = np.concatenate(
            [
                sum(self.answers.predict(member(batch)) for member in model) / len(model)
                for batch in map(examples.batch, chunks)
            ]
        )
        unsorted = np.empty_like(said)
        unsorted[torch.cat(chunks).numpy()] = said
        return unsorted


def _chunks(examples: Examples) -> list[Tensor]:
    """All samples by length, so that little is padded."""
    return list(torch.split(torch.argsort(examples.lengths, stable=True), _CHUNK))


def _noticing_unknown(samples: Samples, start: Pretrained) -> Samples:
    """The samples, with a notice of how much of their texts the language model does not know."""
    assert samples.texts is not None
    ids = np.concatenate([start.vocabulary.encode(text) for text in samples.texts])
    return samples.noticing(*start.unknown_notices(ids, "texts"))


def _read_vectors(settings: Classification, vocabulary: Vocabulary) -> tuple[int, Vectors]:
    """The size and the vectors of known words; both must fit the settings."""
    assert settings.vectors is not None
    if vocabulary.tokens.unit != "word":
        raise SettingsError(
            "Classification.vectors", f"needs unit = 'word', got {vocabulary.tokens.unit!r}. Change one of them."
        )
    words = [vocabulary.symbol(number) for number in range(FIRST, len(vocabulary))]
    size, vectors = read_vectors(settings.vectors, words)
    if settings.embedding_size not in (None, size):
        raise SettingsError(
            "Classification.embedding_size",
            f"must be {size}, that of the vectors, got {settings.embedding_size}. Leave it out.",
        )
    return size, vectors


def _learn_answers(settings: Classification, samples: Samples) -> OneClass | SeveralLabels | Number:
    assert samples.answers is not None
    if settings.target is not None:
        return learn_number(samples.answers, samples.source)
    balanced = settings.class_weights == "balanced"
    if settings.multi_label:
        return learn_labels(samples.answers, samples.source, balanced)
    return learn_class(samples.answers, samples.source, balanced)
