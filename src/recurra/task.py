"""The protocol of a task: what training, bundles, the CLI and the report may ask of one, and nothing more.

A task is a frozen value: settings plus all that was learned from data except weights (vocabularies, scales,
frequencies). The rooms above know this protocol and the closed table ``recurra.tasks.TASKS``, never a single task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from recurra.settings import Sampling
    from recurra.types import State


class Data(Protocol):
    """A user's data as they were read, before anything is learned from them."""

    @property
    def source(self) -> str:
        """Where they come from, for people: a path, or what else they are."""
        ...

    @property
    def sha256(self) -> str:
        """Of the bytes of the file, or of the contents."""
        ...

    @property
    def size(self) -> str:
        """How much it is, such as ``"1,200 rows"``."""
        ...

    def keep(self, folder: Path) -> list[Path]:
        """Return the files to read the data from again; what is in memory only is first written to ``folder``."""
        ...


class Examples(Protocol):
    """Training examples that are cut from tensors by index, never collated one by one."""

    @property
    def lengths(self) -> Tensor | None:
        """[N] int64 the steps of each, so that batches can be made of like ones; None where they are alike."""
        ...

    def __len__(self) -> int:
        """Count the examples."""
        ...

    def batch(self, index: Tensor) -> Any:
        """Cut the batch of the examples ``index`` ``[B]`` (int64)."""
        ...

    def name(self, index: int) -> str:
        """Name one example for people: its series and the rows of the user's data that it is made of."""
        ...


@runtime_checkable
class Streams(Protocol):
    """One long sequence, learned from in chunks that follow one another, the model's state carried on between them.

    It is read as several contiguous streams side by side (:class:`recurra.training.order.StreamOrder`). Gradients stop
    at the borders of the chunks: truncated backpropagation through time.
    """

    @property
    def chunk(self) -> int:
        """How many places one chunk has."""
        ...

    def __len__(self) -> int:
        """Count the places of the sequence."""
        ...

    def batch(self, index: Tensor) -> Any:
        """Cut the chunks that begin at the places ``index`` ``[B]`` (int64)."""
        ...

    def name(self, index: int) -> str:
        """Name the chunk that begins at a place, for people."""
        ...

    def loss(self, model: nn.Module, batch: Any, state: State | None) -> tuple[Tensor, State]:
        """Mean loss of a batch after the chunks that left ``state``, and the state after it; None at the very start."""
        ...


class Scores(Protocol):
    """What a model is worth on data that it has not seen."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        ...

    def summary(self) -> str:
        """Some lines for people: the scores beside those of naive methods, and in words which is better."""
        ...


@dataclass(frozen=True)
class Split:
    """A user's data, divided: what is learned from, what chooses the best weights, what the score is made on."""

    training: Examples | Streams
    validate: Callable[[nn.Module], float] | None
    """The score of one member on held-out data, lower is better; None if nothing is held out for it."""
    score: Callable[[nn.ModuleList], Scored] | None
    """The final score, made once; None if nothing is held out for it."""
    everything: Examples | Streams | None
    """What to train on once more after the score; None to keep the model that was scored."""
    description: str
    """What was found in the data and chosen for them, in a sentence."""
    notices: tuple[str, ...] = ()
    """What was repaired in the data."""


@dataclass(frozen=True)
class Scored:
    """A final score, and what it was made from."""

    scores: Scores
    details: Any
    """What the task's own figures are drawn from."""


class Task(Protocol):
    """A frozen description of what is learned, from the reading of data to the score."""

    name: ClassVar[str]

    def build_model(self) -> nn.ModuleList:
        """Build the model, one module per member, with fresh weights, drawn from torch's generator."""
        ...

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """Mean loss of one member on a batch, a scalar."""
        ...

    def split(self, data: Any) -> Split:
        """Divide the data, as :meth:`TaskSettings.learn` read them."""
        ...

    @property
    def training_defaults(self) -> Mapping[str, Any]:
        """The ``batch_size`` and the ``learning_rate`` to train with, if the user does not say."""
        ...

    def choose_steps(self, examples: int, batch_size: int) -> int:
        """How many optimiser steps to train, if the user does not say."""
        ...

    def findings(self, data: Any, scored: Scored | None, histories: Sequence[Sequence[Any]]) -> Any:
        """What the report says (:class:`recurra.tasks.sections.Findings`) of the data, the score, each training."""
        ...

    def evaluate(self, model: nn.ModuleList, data: Any) -> Scores:
        """Score the model on all of ``data``."""
        ...

    def restore_scores(self, values: Mapping[str, Any]) -> Scores:
        """The scores that their ``to_dict`` made plain."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """All that the task is, as plain JSON values: the ``task`` part of ``bundle.json``."""
        ...


@runtime_checkable
class Predicts(Protocol):
    """A task that answers data with a table."""

    def predict(self, model: nn.ModuleList, data: Any) -> pl.DataFrame:
        """Predict for new data."""
        ...


@runtime_checkable
class Responds(Protocol):
    """A task that answers single requests, as a server gets them.

    Each request is checked alone, so that a bad one harms no other; many that were checked are answered by one call of
    the model. The numbers of an answer are the ones that :meth:`Predicts.predict` gives for the same data.
    """

    @property
    def request_schema(self) -> dict[str, Any]:
        """The JSON Schema of a request, with an example."""
        ...

    def check(self, request: Any, longest: int) -> Any:
        """Check one request, a JSON value, and make numbers of it; a :class:`DataError` says what is wrong.

        ``longest`` is the number of steps that it may have.
        """
        ...

    def check_array(self, array: NDArray[Any], named: Mapping[str, str], longest: int) -> Any:
        """The same for an array ``[T]`` or ``[T, D]``; ``named`` are the values that are not numbers."""
        ...

    def answer(self, model: nn.ModuleList, checked: Sequence[Any]) -> list[NDArray[np.float64]]:
        """The numbers of each answer, all from one call of the model."""
        ...

    def tell(self, checked: Any, numbers: NDArray[np.float64]) -> dict[str, Any]:
        """What the numbers of one answer mean, as JSON values with names."""
        ...


@runtime_checkable
class Explains(Responds, Protocol):
    """A task that says what of a request spoke for its answer."""

    @property
    def weighs_words(self) -> bool:
        """Whether this one does: its requests must be texts."""
        ...

    def explain(self, model: nn.ModuleList, request: Any, longest: int) -> dict[str, Any]:
        """The answer to one request as JSON values, and under ``words`` each piece of it with its weight."""
        ...


@runtime_checkable
class Backtests(Protocol):
    """A task whose data have an end that can be taken for unseen."""

    def backtest(self, model: nn.ModuleList, data: Any, windows: int, stride: int | None = None) -> Scores:
        """Score the model on the last ``windows`` of the data."""
        ...


@runtime_checkable
class Generates(Protocol):
    """A task that goes on with a text."""

    def generate(
        self,
        model: nn.ModuleList,
        prompt: str,
        sampling: Sampling,
        state: Any = None,
        show: Callable[[str], None] | None = None,
    ) -> Any:
        """Go on with ``prompt`` after what left ``state``; ``show`` is given each piece of text as it is made.

        What is returned has ``text``, ``notices``, and the ``state`` to go on from.
        """
        ...

    def load_state(self, path: Path) -> Any:
        """Read a state that was saved by ``state.save(path)``."""
        ...


@runtime_checkable
class Pretrains(Protocol):
    """A task whose model others can start from."""

    def pretrained(self, model: nn.ModuleList, source: str, sha256: str) -> Any:
        """What the model gives to others (:class:`recurra.tasks.pretrained.Pretrained`)."""
        ...


class Live(Protocol):
    """A model in the midst of a stream: all that the next answer depends on, of a size that does not grow."""

    def feed(self, observation: Any) -> dict[str, Any]:
        """What the model says after one more observation; both are plain JSON values.

        Raises:
            DataError: the observation cannot be used; all is as it was before.
        """
        ...

    @property
    def state(self) -> dict[str, Tensor]:
        """All that is carried, as tensors whose names, types and shapes never change."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state of these names, types and shapes; a ValueError says what cannot be right in it."""
        ...


@runtime_checkable
class GoesLive(Protocol):
    """A task whose models can be fed one observation after the other."""

    def go_live(self, model: nn.ModuleList) -> Live:
        """Begin a stream.

        Raises:
            SettingsError: this model needs to see what comes later; the message says what to train instead.
        """
        ...


class TaskSettings(Protocol):
    """The settings of a task, which know how to read data and to learn the rest from them."""

    reads: ClassVar[str]
    """The kinds of data, for people."""
    many: ClassVar[bool]
    """Whether several files may be given."""

    def read(self, source: Any) -> Data:
        """Read the training data; only what no task could use is refused here."""
        ...

    def learn(self, data: Any) -> tuple[Task, Any]:
        """Learn from the training data all that is not weights; also those data, as read."""
        ...

    @staticmethod
    def restore(values: Mapping[str, Any]) -> Task:
        """The task that its ``to_dict`` made plain."""
        ...


@runtime_checkable
class Transfers(TaskSettings, Protocol):
    """Settings of a task that can start from a trained model."""

    from_: str | None
    """The folder of its bundle; None to start afresh."""

    def adopt(self, start: Any) -> Transfers:
        """These settings, completed from :class:`recurra.tasks.pretrained.Pretrained`; contradictions are refused."""
        ...

    def learn(self, data: Any, start: Any = None) -> tuple[Task, Any]:
        """Learn from the data what ``start`` does not give; the models that the task builds begin with its weights."""
        ...
