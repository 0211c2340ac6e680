"""The fitted tagger's task: settings, tags, vocabularies, and the commonest tag of each word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from recurra.data.labels import Classes
from recurra.data.sentences import Sentences
from recurra.data.tagged import read_sentences
from recurra.data.tokens import Tokens, lower
from recurra.data.vectors import Vectors, read_vectors
from recurra.data.vocabulary import FIRST, Vocabulary, Words
from recurra.errors import DataError, SettingsError
from recurra.nn.crf import Transitions
from recurra.nn.front import SymbolEmbedding
from recurra.settings import Encoder, from_dict, to_dict
from recurra.task import Scored, Split
from recurra.tasks.pretrained import Pretrained
from recurra.tasks.tagging.baselines import Commonest
from recurra.tasks.tagging.decoding import best_tags, decode
from recurra.tasks.tagging.examples import Batch, Examples, word_key
from recurra.tasks.tagging.models import LanguageEmbedding, Tagger, TransferredTagger
from recurra.tasks.tagging.predictions import Predictions
from recurra.tasks.tagging.schemes import SCHEMES, Scheme, legal_transitions
from recurra.tasks.tagging.scores import Scores, restore_scores, score, selection_score
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
class TaggingTask:
    """How sentences are read, encoded, tagged and scored.

    >>> rows = [{"tokens": ["I", "see"], "tags": ["PRON", "VERB"]}] * 10
    >>> settings = Tagging()
    >>> task, divided = TaggingTask.learn(settings, settings.read(rows))
    >>> task.classes.names, task.scheme, len(task.words)
    (('PRON', 'VERB'), None, 4)
    """

    name: ClassVar[str] = "tagging"

    settings: Tagging
    classes: Classes
    """The K tags."""
    scheme: Scheme | None
    """How they write spans; None if they are plain tags."""
    words: Words
    characters: Vocabulary
    commonest: Commonest
    embedding_size: int
    """E, of a word's vector."""
    sentences: int
    """How many there were to learn from."""
    language: Encoder | None = None
    """The layers of the language model that the tagger began with."""
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
            ids = task.encode(sentences).words.values
            divided = replace(divided, sentences=divided.sentences.noticing(*start.unknown_notices(ids, "sentences")))
        commonest = Commonest.learn(task.encode(training), len(words), len(classes))
        return replace(task, commonest=commonest, vectors=vectors), divided

    def to_dict(self) -> dict[str, Any]:
        """All of the task as plain JSON values."""
        return {
            "settings": to_dict(self.settings),
            "tags": list(self.classes.names),
            "scheme": self.scheme,
            "words": self.words.to_dict(),
            "characters": self.characters.to_dict(),
            "commonest": [list(row) for row in self.commonest.tags],
            "embedding_size": self.embedding_size,
            "sentences": self.sentences,
            "language": None if self.language is None else to_dict(self.language),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TaggingTask:
        """The task that :meth:`to_dict` made plain."""
        words = Vocabulary.from_dict(values["words"])
        language = values.get("language")  # bundles from before taggers could start from one say nothing of it
        tags, scheme = tuple(str(tag) for tag in values["tags"]), values["scheme"]
        commonest = Commonest(tuple(tuple(int(tag) for tag in row) for row in values["commonest"]))
        if not isinstance(words, Words) or len(set(tags)) < len(tags) or scheme not in (None, *SCHEMES):
            raise DataError("task", "words, tags and scheme must be those of a tagger. Get a new copy.")
        numbers = {tag for row in commonest.tags for tag in row}
        if [len(row) for row in commonest.tags] != [len(words)] * 2 or not numbers <= set(range(len(tags))):
            raise DataError("commonest", "there must be one of the tags for each word. Get a new copy.")
        return cls(
            settings=from_dict(Tagging, values["settings"]),
            classes=Classes(tags),
            scheme=scheme,
            words=words,
            characters=Vocabulary.from_dict(values["characters"]),
            commonest=commonest,
            embedding_size=int(values["embedding_size"]),
            sentences=int(values["sentences"]),
            language=None if language is None else from_dict(Encoder, language),
        )

    def encode(self, sentences: Sentences, answered: bool = True) -> Examples:
        """The sentences as the model reads them."""
        target = None
        if answered:
            assert sentences.tags is not None
            target = torch.from_numpy(self.classes.encode([tag for tags in sentences.tags for tag in tags]))
        return Examples(sentences, self.words, self.characters, self._key, target)

    def _key(self, form: str) -> str:
        """What a word is looked up by: as the language model writes it, or with its digits as 0."""
        if self.language is None:
            return word_key(form, self.settings.lowercase)
        return lower(form) if self.settings.lowercase else form

    # The model

    @property
    def has_crf(self) -> bool:
        """Whether the tags of a sentence are learned as a sequence."""
        return self.settings.head == "crf" or (self.settings.head == "auto" and self.scheme is not None)

    @cached_property
    def legal(self) -> Transitions | None:
        """Which tag may follow which; None where all may."""
        return None if self.scheme is None else legal_transitions(self.classes.names, self.scheme)

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
            marked=self.settings.marker_column is not None,
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
        examples = self.encode(sentences)
        assert sentences.tags is not None
        actual = sentences.tags

        def validate(model: nn.Module) -> float:
            tags = self._by_sentence(best_tags(model, examples, self.legal), examples)
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
        sentences = read_sentences(data, self.settings.roles, tagged=False)
        return self.predict_sentences(model, sentences).frame(self.settings)

    def evaluate(self, model: nn.ModuleList, data: Any) -> Scores:
        """Score the model on all of ``data``."""
        sentences = self.settings.read(data)
        return score(self.predict_sentences(model, sentences), self.scheme, self.classes.names)

    def restore_scores(self, values: Mapping[str, Any]) -> Scores:
        """The scores that their ``to_dict`` made plain."""
        return restore_scores(values)

    def predict_sentences(self, model: nn.ModuleList, sentences: Sentences) -> Predictions:
        """What the members say together of each sentence."""
        examples = self.encode(sentences, answered=False)
        codes, probability = decode(list(model), examples, self.legal)
        tags = self._by_sentence(codes, examples)
        naive = self._by_sentence(self.commonest.predict(examples), examples)
        return Predictions(sentences, tags, probability, naive, examples.unknown)

    def _by_sentence(self, codes: Any, examples: Examples) -> list[tuple[str, ...]]:
        """The tags of each sentence, of their numbers [S]."""
        names = np.array(self.classes.names, dtype=object)[codes]
        return [tuple(part) for part in np.split(names, np.cumsum(examples.forms.lengths)[:-1])]


def _learn_words(settings: Tagging, training: Sentences, start: Pretrained | None) -> Words:
    if start is not None:
        assert isinstance(start.vocabulary, Words)
        return start.vocabulary
    tokens = Tokens(unit="word", vocabulary_size=settings.vocabulary_size, min_count=settings.min_count)
    return Words.of((word_key(form, settings.lowercase) for s in training.tokens for form in s), tokens)


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
