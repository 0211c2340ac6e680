"""A tagger that is fed one token after the other: the tag of each in the sentence so far."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.errors import DataError, SettingsError
from recurra.nn.stepper import stepper
from recurra.tasks.tagging.chain import Chain, Floats, begin, go_on
from recurra.tasks.tagging.inputs import shortened
from recurra.tasks.tagging.models import LanguageEmbedding, Tagger
from recurra.tasks.tagging.observations import WHERE, Beginning, Token, read_observation
from recurra.tasks.tagging.scoring import transitions

if TYPE_CHECKING:
    from recurra.tasks.tagging.task import TaggingTask

Bytes = NDArray[np.uint8]
_NOTHING: Bytes = np.zeros(32, np.uint8)


class LiveTagger:
    """The task's :class:`~recurra.task.Live`.

    An observation is a token, or None where a new sentence begins. What is said of a token is its ``tag`` with the
    ``probability`` of that, and the ``probabilities`` by tag, as a prediction of the sentence so far has them; of a
    beginning nothing is said. Plain tags stay what they are, whatever follows. The tags of spans are the best legal
    ones together, of which words to come may make others.

    Where the model reads marks, a token is a pair with its mark, and ``{"marked": word}`` begins a sentence: all its
    words read the marked one, so that it must be told before them, and is read as if it had come.
    """

    def __init__(self, task: TaggingTask, model: nn.ModuleList) -> None:
        members = [member for member in model if isinstance(member, Tagger)]
        _require_streamable(task, members[0])
        self._task = task
        self._members = [_Member(member) for member in members]
        self._chain = None
        self._reach: Floats = np.zeros((2, 0))
        if task.legal is not None:
            self._chain = Chain(*(part.numpy().astype(np.float64) for part in transitions(members, task.legal)))
            self._reach = begin(self._chain)  # [2, K]
        self._asked = _NOTHING.copy()  # SHA-256 of the word whose mark is to come
        self._start = {name: part.clone() for name, part in self.state.items()}

    def feed(self, observation: Any) -> dict[str, Any]:
        """Read a token and say its tag, or begin a sentence."""
        read = read_observation(observation, self._task.marked)
        return self._begin(read.marked) if isinstance(read, Beginning) else self._tag(read)

    @property
    def state(self) -> dict[str, Tensor]:
        """Of each member its layers and the marked word; which word that is; of spans, how the next tag is reached."""
        parts = (member.state.items() for member in self._members)
        state = {f"{number}.{name}": part for number, some in enumerate(parts) for name, part in some}
        if self._task.marked:
            state["asked"] = torch.from_numpy(self._asked)
        if self._chain is not None:
            state["reach"] = torch.from_numpy(self._reach)
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        for name, part in self.state.items():
            part.copy_(state[name])

    def _begin(self, marked: str | None) -> dict[str, Any]:
        self.restore(self._start)
        if marked is not None:
            self._asked[:] = _digest(marked)
            for member in self._members:
                member.ask(self._look_up(marked))
        return {}

    def _tag(self, token: Token) -> dict[str, Any]:
        if token.mark:
            self._require_asked(token.text)
        word = self._look_up(token.text)
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is refused
            scores: Floats = np.mean([member.read(word, token.mark) for member in self._members], axis=0)  # [K]
            best, shares, reach = self._choose(scores)
        finite = bool(np.isfinite(shares).all())
        for member in self._members:
            member.keep() if finite else member.undo()
        if not finite:
            raise DataError(WHERE, "what the model says after it must be finite, it is not. Begin a new session.")
        self._reach[:] = reach
        if token.mark:
            self._asked[:] = _NOTHING
        names, probabilities = self._task.classes.names, shares.tolist()
        return {
            "tag": names[best],
            "probability": probabilities[best],
            "probabilities": dict(zip(names, probabilities, strict=True)),
        }

    def _require_asked(self, text: str) -> None:
        if (self._asked != _digest(text)).any():
            raise DataError(
                WHERE,
                f"all words of a sentence read the marked one, which must be told before them; {text!r:.40} was not. "
                f'Begin the sentence with {{"marked": …}}, and mark that word once.',
            )

    def _look_up(self, text: str) -> _Word:
        characters = self._task.characters.encode(shortened(text))
        return _Word(self._task.words.number(self._task.key(text)), torch.from_numpy(characters)[None])

    def _choose(self, scores: Floats) -> tuple[int, Floats, Floats]:
        """The best tag under logarithms of probabilities [K], the probabilities [K] of all, and what is carried."""
        if self._chain is None:
            return int(scores.argmax()), np.exp(scores - np.logaddexp.reduce(scores)), self._reach
        return go_on(scores, self._reach, self._chain)


class _Word(NamedTuple):
    """A word as numbers."""

    number: int
    characters: Tensor
    """[1, C] ids."""


class _Member:
    """One network: what is known of a word, perhaps the layers of a language model, its own layers, the output."""

    def __init__(self, model: Tagger) -> None:
        known = model.embedding
        table, lower = (
            (known.encoder.embedding, known.encoder.stacks)
            if isinstance(known, LanguageEmbedding)
            else (known.table.weight, [])
        )
        assert table is not None
        self._table = _array(table)  # [V, E]
        self._letters = model.letters
        self._lower = [stepper(stack) for stack in lower]
        self._own = stepper(model.encoder)
        self._marks = None if model.mark is None else _array(model.mark.weight)  # [2, M]
        self._asked = np.zeros(known.size + (model.letters.size if model.letters else 0), np.float32)  # [W]
        self._weight, self._bias = _array(model.output.weight), _array(model.output.bias)  # [K, O], [K]

    def ask(self, word: _Word) -> None:
        """Let all that follow read this word beside their own."""
        self._asked[:] = self._know(word)

    def read(self, word: _Word, mark: bool) -> Floats:
        """[K] the logarithms of the tags' probabilities after one more word."""
        known = self._know(word)
        if self._marks is not None:
            known = np.concatenate([known, self._asked, self._marks[int(mark)]])
        self._own.input[:] = known
        raw = (self._weight.dot(self._own.step()) + self._bias).astype(np.float64)
        scores: Floats = raw - np.logaddexp.reduce(raw)
        return scores

    def keep(self) -> None:
        for one in (*self._lower, self._own):
            one.keep()

    def undo(self) -> None:
        for one in (*self._lower, self._own):
            one.undo()

    @property
    def state(self) -> dict[str, Tensor]:
        layers = (part for one in (*self._lower, self._own) for part in one.state)
        parts = {f"layers.{number}": part for number, part in enumerate(layers)}
        return parts if self._marks is None else parts | {"asked": torch.from_numpy(self._asked)}

    @torch.no_grad()
    def _know(self, word: _Word) -> NDArray[Any]:
        """[W] what is known of a word by itself, and to a language model by those before it."""
        vector = self._table[word.number]
        parts = [vector]
        for layer in self._lower:
            layer.input[:] = vector
            vector = layer.step()
        if self._lower:
            parts.append(vector)
        if self._letters is not None:
            lengths = torch.tensor([word.characters.shape[1]])
            parts.append(self._letters(word.characters, lengths)[0].numpy())
        return np.concatenate(parts)


def _array(tensor: Tensor) -> NDArray[Any]:
    values: NDArray[Any] = tensor.detach().numpy()
    return values


def _digest(word: str) -> Bytes:
    return np.frombuffer(hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest(), np.uint8)


def _require_streamable(task: TaggingTask, model: Tagger) -> None:
    """Refuse a model whose tags are not known before words that are yet to come."""
    obstacles = dict(_obstacles(task, model))
    if obstacles:
        raise SettingsError(
            "session",
            f"a model must tag each word before the next one comes, but {' and '.join(obstacles)}. "
            f"Train one with {' and '.join(obstacles.values())}.",
        )


def _obstacles(task: TaggingTask, model: Tagger) -> Iterator[tuple[str, str]]:
    """What stands in the way, and what to train without it."""
    if model.encoder.layer.bidirectional:
        yield "this one also reads backwards, from the end, which a stream has not", "--no-bidirectional"
    if model.crf is not None:
        yield "its CRF chooses all tags of a whole sentence together, the first by the last", "--head linear"
    if task.scheme == "BIOES":
        yield "a tag of BIOES tells whether its span ends there, which the next word decides", "--scheme BIO"
    if model.mark is not None and isinstance(model.embedding, LanguageEmbedding):
        yield (
            "all words read what the language model says of the marked one, which may be yet to come",
            "words of its own, not --from",
        )
