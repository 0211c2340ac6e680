"""The fitted language model's task: settings, vocabulary, and how often each symbol came in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from recurra.data.ids import count_ids
from recurra.data.text import Files, Text, read_text
from recurra.data.vocabulary import FIRST, Vocabulary
from recurra.errors import BundleError, DataError
from recurra.nn.fingerprint import fingerprint
from recurra.nn.language import SymbolEncoder
from recurra.nn.softmax import AdaptiveSoftmax, FullSoftmax
from recurra.settings import Sampling, from_dict, to_dict
from recurra.task import Scored, Split
from recurra.tasks.generation.baselines import bigram_losses, unigram_losses
from recurra.tasks.generation.continuation import Continuation
from recurra.tasks.generation.live import LiveLanguageModel
from recurra.tasks.generation.model import ArrayReader, LanguageModel
from recurra.tasks.generation.parts import Chunk, Part, Parts, TextStreams, divide, require_symbols
from recurra.tasks.generation.scores import Scores, mean_loss, score_part
from recurra.tasks.generation.settings import Generation
from recurra.tasks.generation.writing import Generated, require_model, write
from recurra.tasks.pretrained import TRANSFER, Pretrained

if TYPE_CHECKING:
    from recurra.tasks.figures import EpochLine
    from recurra.tasks.sections import Findings

_LARGE = 40_000  # symbols, from which on the adaptive softmax is worth its approximation
_SMALL = 1_000  # symbols, of an alphabet rather than of words
_MOST_SYMBOLS, _PASSES, _FEWEST_STEPS = 8_000_000, 20, 300


@dataclass(frozen=True)
class GenerationTask:
    """How text is cut into symbols, learned, scored and written."""

    name: ClassVar[str] = "generation"

    settings: Generation
    vocabulary: Vocabulary
    counts: tuple[int, ...]
    """How often each id came in the training part [V]: the naive method that the model is compared with."""
    start: Pretrained | None = field(default=None, compare=False, repr=False)
    """Whose weights a new model begins with."""

    @classmethod
    def learn(cls, settings: Generation, text: Text, start: Pretrained | None = None) -> tuple[GenerationTask, Parts]:
        """Divide the text, learn the vocabulary from its first part unless ``start`` has one, and encode all of it."""
        first, second = divide(text, settings.validation, settings.test)
        vocabulary = start.vocabulary if start else Vocabulary.learn(text.blocks(0, first), settings.tokens)
        training = Part.encode(text, vocabulary, 0, first)
        require_symbols(text, training)
        counts = count_ids(training.ids, len(vocabulary))
        validation = Part.encode(text, vocabulary, first, second)
        test = Part.encode(text, vocabulary, second)
        task = cls(settings, vocabulary, tuple(int(count) for count in counts), start)
        return task, Parts(text, training, validation, test)

    def to_dict(self) -> dict[str, Any]:
        """All of the task as plain JSON values."""
        return {
            "settings": to_dict(self.settings),
            "vocabulary": self.vocabulary.to_dict(),
            "counts": list(self.counts),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GenerationTask:
        """The task that :meth:`to_dict` made plain."""
        vocabulary = Vocabulary.from_dict(values["vocabulary"])
        counts = tuple(values["counts"])
        if len(counts) != len(vocabulary) or not all(type(count) is int and count >= 0 for count in counts):
            raise BundleError("counts", "there must be a whole number for each symbol. Get a new copy.")
        return cls(from_dict(Generation, values["settings"]), vocabulary, counts)

    # The model

    @property
    def embedding_size(self) -> int | None:
        """E: 64 for an alphabet, the features of the recurrent layers for words; None for one-hot vectors."""
        if self.settings.one_hot:
            return None
        return self.settings.embedding_size or (64 if len(self.vocabulary) <= _SMALL else self._hidden)

    @property
    def _hidden(self) -> int:
        return self.settings.encoder.proj_size or self.settings.encoder.hidden_size

    @property
    def adaptive(self) -> bool:
        """Whether the softmax looks at the frequent symbols first."""
        if self.settings.adaptive is None:
            return len(self.vocabulary) > _LARGE and not self.settings.tied
        return self.settings.adaptive

    @property
    def tied(self) -> bool:
        """Whether the output weights are the embeddings."""
        if self.settings.tied is None:
            return not self.adaptive and not self.settings.one_hot and len(self.vocabulary) > _SMALL
        return self.settings.tied

    def build_model(self) -> nn.ModuleList:
        """The one member, with fresh weights."""
        settings, symbols = self.settings, len(self.vocabulary)
        encoder = SymbolEncoder(
            symbols,
            settings.encoder,
            self.embedding_size,
            embedding_dropout=settings.embedding_dropout,
            symbol_dropout=settings.symbol_dropout,
        )
        head: FullSoftmax | AdaptiveSoftmax
        if self.adaptive:
            head = AdaptiveSoftmax(encoder.output_size, symbols)
        else:
            head = FullSoftmax(encoder.output_size, symbols, self.embedding_size if self.tied else None)
        model = LanguageModel(encoder, head)
        if self.start is not None:
            self.start.give(model)
        return nn.ModuleList([model])

    def loss(self, model: nn.Module, batch: Chunk) -> Tensor:
        """Mean nats per symbol of chunks that nothing stands before, a scalar."""
        assert isinstance(model, LanguageModel)
        losses, _ = model.losses(batch.ids, batch.targets, None)
        return losses.mean()

    # Training

    @property
    def training_defaults(self) -> Mapping[str, Any]:
        """Streams side by side and the highest learning rate."""
        if self.settings.from_ is not None:
            return {"batch_size": 32, "learning_rate": 4e-3, "unfreeze": 0.0, **TRANSFER}
        return {"batch_size": 32, "learning_rate": 4e-3}

    def choose_steps(self, examples: int, batch_size: int) -> int:
        """Some passes over a short text, part of one over a long one."""
        symbols = min(_PASSES * examples, _MOST_SYMBOLS)
        return max(_FEWEST_STEPS, symbols // (batch_size * self.settings.chunk))

    def split(self, parts: Parts) -> Split:
        """Learn from the first part; the two at the end have been set aside."""
        chunk = min(self.settings.chunk, len(parts.training))
        return Split(
            training=TextStreams(parts.training, chunk),
            validate=partial(_validate, part=parts.validation) if len(parts.validation) else None,
            score=partial(self._score, parts=parts) if len(parts.test) else None,
            everything=None,
            description=self._describe(parts),
            notices=(*parts.text.notices, *self._unknown_notices(parts)),
        )

    def _score(self, model: nn.ModuleList, parts: Parts) -> Scored:
        nats = score_part(_member(model), parts.test)
        rivals = {
            "bigrams": bigram_losses(parts.training, parts.test, self.counts),
            "frequencies": unigram_losses(parts.test, self.counts),
        }
        scores = Scores.of(self.vocabulary.tokens.unit, parts.test, nats, rivals)
        return Scored(scores, (model, nats, scores))

    def findings(self, parts: Parts, scored: Scored | None, histories: Sequence[Sequence[EpochLine]]) -> Findings:
        """What the report says about the data, the training and the score."""
        from recurra.tasks.generation import sections  # matplotlib is imported by what draws only

        return sections.findings(self, parts, scored, histories)

    def _describe(self, parts: Parts) -> str:
        unit = self.vocabulary.tokens.unit
        return (
            f"{parts.text.characters:,} characters, {len(self.vocabulary) - FIRST:,} different {unit}s; "
            f"{len(parts.training):,} {unit}s to learn from, {len(parts.validation):,} for validation, "
            f"{len(parts.test):,} for the score"
        )

    def _unknown_notices(self, parts: Parts) -> tuple[str, ...]:
        unit = self.vocabulary.tokens.unit
        named = (("training", parts.training), ("validation", parts.validation), ("test", parts.test))
        return tuple(
            f"{part.unknown:,} of the {len(part):,} {unit}s of the {name} part are not in the vocabulary and are read "
            "as unknown"
            for name, part in named
            if part.unknown
        )

    # Use

    def pretrained(self, model: nn.ModuleList, source: str, sha256: str) -> Pretrained:
        """What the model gives to one that starts from it."""
        of_model = {"one_hot": self.settings.one_hot, "embedding_size": self.embedding_size}
        of_model |= {"tied": self.tied, "adaptive": self.adaptive}
        weights = _member(model).state_dict()
        return Pretrained(source, sha256, self.vocabulary, self.settings.encoder, of_model, weights)

    def restore_scores(self, values: Mapping[str, Any]) -> Scores:
        """The scores that their ``to_dict`` made plain."""
        return Scores.from_dict(values)

    def evaluate(self, model: nn.ModuleList, data: Files) -> Scores:
        """Score the model on a whole text, from its first symbol to its last, the state carried."""
        text = read_text(data)
        part = Part.encode(text, self.vocabulary)
        if not len(part):
            raise DataError(text.source, f"there must be a {self.vocabulary.tokens.unit} to score, there is none.")
        rivals = {"frequencies": unigram_losses(part, self.counts)}
        return Scores.of(self.vocabulary.tokens.unit, part, score_part(_member(model), part), rivals)

    def generate(
        self,
        model: nn.ModuleList,
        prompt: str,
        sampling: Sampling,
        state: Continuation | None = None,
        show: Callable[[str], None] | None = None,
    ) -> Generated:
        """Go on with ``prompt``, after what left ``state``; ``show`` is given each piece of text as it is made."""
        member = _member(model)
        mark = fingerprint(member)
        start = state or Continuation(model=mark)
        require_model(start, mark)
        return write(ArrayReader(member), self.vocabulary, prompt, sampling, start, show)

    def go_live(self, model: nn.ModuleList) -> LiveLanguageModel:
        """Begin a stream of text."""
        return LiveLanguageModel(_member(model), self.vocabulary)

    def load_state(self, path: Path) -> Continuation:
        """Read a state that was saved; it must be of the model that goes on with it."""
        return Continuation.load(path)


def _validate(model: nn.Module, part: Part) -> float:
    assert isinstance(model, LanguageModel)
    return mean_loss(model, part)


def _member(model: nn.ModuleList) -> LanguageModel:
    member = model[0]
    assert isinstance(member, LanguageModel)
    return member
