"""The fitted tagger's task: settings, tags, vocabularies, and the commonest tag of each word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.data.labels import Classes
from recurra.data.sentences import Sentences
from recurra.data.tokens import Tokens
from recurra.data.vectors import Vectors, read_vectors
from recurra.data.vocabulary import FIRST, Vocabulary, Words
from recurra.errors import DataError, SettingsError
from recurra.nn.crf import Transitions
from recurra.nn.front import SymbolEmbedding
from recurra.settings import Encoder
from recurra.task import Scored, Split
from recurra.tasks.pretrained import Pretrained
from recurra.tasks.tagging import requests
from recurra.tasks.tagging.baselines import Commonest
from recurra.tasks.tagging.chain import Ints
from recurra.tasks.tagging.decoding import best_tags, decode
from recurra.tasks.tagging.examples import Batch, Examples
from recurra.tasks.tagging.fitted import FittedTagging
from recurra.tasks.tagging.inputs import word_keys
from recurra.tasks.tagging.live import LiveTagger
from recurra.tasks.tagging.models import LanguageEmbedding, Tagger, TransferredTagger
from recurra.tasks.tagging.predictions import Predictions
from recurra.tasks.tagging.schemes import legal_transitions
from recurra.tasks.tagging.scores import Scores, restore_scores, score, selection_score
from recurra.tasks.tagging.scoring import scorer
from recurra.tasks.tagging.settings import Tagging
from recurra.tasks.tagging.spans import agree_on_scheme
from recurra.tasks.tagging.split import Divided, divide, repetitions

if TYPE_CHECKING:
    from recurra.tasks.figures import EpochLine
    from recurra.tasks.sections import Findings

_EMBEDDING = 100
_VECTORS = "words start from the vectors of"
_FEW = 5000  # sentences up to which a held-out part is worth a second training


@dataclass(frozen=True)
class TaggingTask(FittedTagging):
    """How sentences are read, encoded, tagged and scored.

    >>> rows = [{"tokens": ["I", "see"], "tags": ["PRON", "VERB"]}] * 10
    >>> settings = Tagging()
    >>> task, divided = TaggingTask.learn(settings, settings.read(rows))
    >>> task.classes.names, task.scheme, len(task.words)
    (('PRON', 'VERB'), None, 4)
    """

    name: ClassVar[str] = "tagging"

    vectors: Vectors = field(default_factory=dict, compare=False)
    """Of words, to start from; they end up in the weights."""
    start: Pretrained | None = field(default=None, compare=False, repr=False)
    """The language model whose layers new members begin with."""

    @classmethod
    def learn(
        cls, settings: Tagging, sentences: Sentences, start: Pretrained | None = None
    ) -> tuple[TaggingTask, Divided]:
        """Learn the tags of all sentences, the characters and, if none are given, the words of the training part."""
        assert sentences.tags is not None
        sentences, scheme = agree_on_scheme(sentences, settings)
        classes = Classes.learn([tag for tags in sentences.tags or () for tag in tags])
        if len(classes) < 2:
            raise DataError(
                sentences.source, f"there must be two tags or more, only {classes.names[0]!r} came. Check --tag-column."
            )
        divided = divide(sentences, settings.validation, settings.test, settings.split_seed)
        training = sentences.take(divided.training)
        words = _learn_words(settings, training, start)
        characters = Vocabulary.learn((f for s in training.tokens for f in s), Tokens(unit="character"))
        size = settings.embedding_size
        vectors: Vectors = {}
        if settings.vectors is not None:
            size, vectors = _read_vectors(settings, words)
            notice = f"{len(vectors):,} of {len(words):,} {_VECTORS} {settings.vectors}"
            divided = replace(divided, sentences=divided.sentences.noticing(notice))
        task = cls(settings, classes, scheme, words, characters, Commonest(()), size or _EMBEDDING, len(sentences))
        if start is not None:
            own = settings.encoder  # of the tagger's layers; only what it says of training acts on those below, too
            task = replace(task, start=start, language=start.adopt_encoder(own, default=own))
            ids = task.inputs(sentences).words.values
            divided = replace(divided, sentences=divided.sentences.noticing(*start.unknown_notices(ids, "sentences")))
        commonest = Commonest.learn(task.inputs(training), task._codes(training), len(words), len(classes))
        return replace(task, commonest=commonest, vectors=vectors), divided

    def encode(self, sentences: Sentences) -> Examples:
        """Tagged sentences as the model learns from them."""
        return Examples(sentences, self.inputs(sentences), torch.from_numpy(self._codes(sentences)))

    def _codes(self, sentences: Sentences) -> Ints:
        """[S] the numbers of all tags."""
        assert sentences.tags is not None
        return self.classes.encode([tag for tags in sentences.tags for tag in tags])

    # The model

    @cached_property
    def legal(self) -> Transitions | None:
        """Which tag may follow which; None where all may."""
        if self.scheme is None:
            return None
        return Transitions(*map(torch.from_numpy, legal_transitions(self.classes.names, self.scheme)))

    def build_model(self) -> nn.ModuleList:
        """All members with fresh weights."""
        return nn.ModuleList([self._build_member() for _ in range(self.settings.members)])

    def _build_member(self) -> Tagger:
        embedding = self._embed_words() if self.language is None else self._embed_language(self.language)
        kind = Tagger if self.language is None else TransferredTagger
        return kind(
            self.settings,
            embedding,
            len(self.characters),
            marked=self.marked,
            tags=len(self.classes),
            crf=self.has_crf,
            legal=self.legal,
        )

    @torch.no_grad()
    def _embed_words(self) -> SymbolEmbedding:
        """Fresh vectors, but for the words that have one."""
        embedding = SymbolEmbedding(len(self.words), self.embedding_size, symbol_dropout=self.settings.word_dropout)
        for word, vector in self.vectors.items():
            embedding.table.weight[self.words.number(word)] = torch.from_numpy(vector)
        return embedding

    def _embed_language(self, encoder: Encoder) -> LanguageEmbedding:
        """The vectors and the layers of the language model."""
        embedding = LanguageEmbedding(len(self.words), encoder, self.embedding_size, self.settings.word_dropout)
        if self.start is not None:
            self.start.give(embedding.encoder, "encoder.")
        return embedding

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Mean nats per token of a batch, a scalar."""
        assert isinstance(model, Tagger)
        assert batch.target is not None
        scores = model(batch)
        if model.crf is not None:
            return model.crf.losses(scores, batch.lengths, batch.target).sum() / batch.lengths.sum()
        return nn.functional.cross_entropy(scores[batch.mask], batch.target[batch.mask])

    # Training

    def split(self, divided: Divided) -> Split:
        """Hold out some sentences for the score, and some to choose the best weights."""
        sentences = divided.sentences
        few = len(sentences) < _FEW and len(divided.training) < len(sentences)
        refit = few if self.settings.refit is None else self.settings.refit
        held_out = sentences.take(divided.validation)
        return Split(
            training=self.encode(sentences.take(divided.training)),
            validate=self._validation(held_out) if len(held_out) else None,
            score=partial(self._score, sentences=sentences.take(divided.test)) if len(divided.test) else None,
            everything=self.encode(sentences) if refit else None,
            description=self._describe(divided),
            notices=(*sentences.notices, *repetitions(divided)),
        )

    @property
    def training_defaults(self) -> Mapping[str, Any]:
        """Sentences per step, and the highest learning rate, that of the tagger's own layers."""
        defaults = {"batch_size": 32, "learning_rate": 6e-3}
        if self.language is None:
            return defaults
        return {**defaults, "unfreeze": 0.1, "rate_divisor": 1.0}  # slower vectors were worse on validation data

    def choose_steps(self, examples: int, batch_size: int) -> int:
        """Some passes over many sentences, many over few."""
        return max(600, min(12 * examples // batch_size, 6000))

    def _validation(self, sentences: Sentences) -> Callable[[nn.Module], float]:
        inputs, actual = self.inputs(sentences), sentences.tags
        assert actual is not None

        def validate(model: nn.Module) -> float:
            tags = self.by_sentence(best_tags(scorer([model], self.legal), inputs), inputs)
            return 1.0 - selection_score(actual, tags, self.scheme)

        return validate

    def _score(self, model: nn.ModuleList, sentences: Sentences) -> Scored:
        predictions = self.predict_sentences(model, sentences)
        return Scored(score(predictions, self.scheme, self.classes.names), predictions)

    def _describe(self, divided: Divided) -> str:
        parts = [f"{len(divided.training):,} to learn from"]
        parts += [f"{len(divided.validation):,} to choose the best weights"] if len(divided.validation) else []
        parts += [f"{len(divided.test):,} held out for the score"] if len(divided.test) else []
        kind = "plain tags" if self.scheme is None else f"spans in {self.scheme}"
        head = "a CRF" if self.has_crf else "each tag for itself"
        return (
            f"{divided.sentences.size}: {', '.join(parts)}; {len(self.classes):,} tags ({kind}; {head}), "
            f"{len(self.words) - FIRST:,} known words"
        )

    def findings(self, divided: Divided, scored: Scored | None, histories: Sequence[Sequence[EpochLine]]) -> Findings:
        """What the report says."""
        from recurra.tasks.tagging.sections import findings  # matplotlib takes half a second to import

        return findings(self, divided, scored, histories)

    # Use

    def predict(self, model: nn.ModuleList, data: Any) -> pl.DataFrame:
        """Predict the tag of each token, in the order of the data; lists of tokens are taken, too."""
        return self.tabulate(data, partial(decode, scorer(list(model), self.legal)))

    def go_live(self, model: nn.ModuleList) -> LiveTagger:
        """Begin a stream of tokens."""
        return LiveTagger(self, model)

    def evaluate(self, model: nn.ModuleList, data: Any) -> Scores:
        """Score the model on all of ``data``."""
        sentences = self.settings.read(data)
        return score(self.predict_sentences(model, sentences), self.scheme, self.classes.names)

    def restore_scores(self, values: Mapping[str, Any]) -> Scores:
        """The scores that their ``to_dict`` made plain."""
        return restore_scores(values)

    def predict_sentences(self, model: nn.ModuleList, sentences: Sentences) -> Predictions:
        """What the members say together of each sentence."""
        return self.interpret(sentences, partial(decode, scorer(list(model), self.legal)))

    # Requests

    @property
    def request_schema(self) -> dict[str, Any]:
        """Of a sentence."""
        return requests.request_schema(self)

    def check(self, request: Any, longest: int) -> requests.Checked:
        """The tokens of a sentence, and their marks where the model reads them."""
        return requests.check(self, request, longest)

    def check_array(self, array: NDArray[Any], named: Mapping[str, str], longest: int) -> requests.Checked:  # noqa: ARG002
        """Nothing but a refusal: sentences are no numbers."""
        return requests.refuse_array()

    def answer(self, model: nn.ModuleList, checked: Sequence[requests.Checked]) -> list[NDArray[np.float64]]:
        """[T, 2] the number of each token's tag and its probability, of each sentence."""
        return requests.answer(self, model, checked)

    def tell(self, checked: requests.Checked, numbers: NDArray[np.float64]) -> dict[str, Any]:
        """Tokens, tags and probabilities."""
        return requests.tell(self, checked, numbers)


def _learn_words(settings: Tagging, training: Sentences, start: Pretrained | None) -> Words:
    if start is not None:
        assert isinstance(start.vocabulary, Words)
        return start.vocabulary
    tokens = Tokens(unit="word", vocabulary_size=settings.vocabulary_size, min_count=settings.min_count)
    return Words.of(word_keys(training.tokens, settings.lowercase), tokens)


def _read_vectors(settings: Tagging, vocabulary: Words) -> tuple[int, Vectors]:
    """The size and the vectors of known words; both must fit the settings."""
    assert settings.vectors is not None
    words = [vocabulary.symbol(number) for number in range(FIRST, len(vocabulary))]
    size, vectors = read_vectors(settings.vectors, words)
    if settings.embedding_size not in (None, size):
        raise SettingsError(
            "Tagging.embedding_size",
            f"must be {size}, that of the vectors, got {settings.embedding_size}. Leave it out.",
        )
    return size, vectors
