"""What the steps of a run are fed with: shuffled examples, or streams along which the model's state is carried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from recurra.task import Examples, Streams
from recurra.training.diagnosis import Loss
from recurra.training.options import TrainingOptions
from recurra.training.order import Order, StreamOrder
from recurra.types import State


class Feed(Protocol):
    """The data of a run, step by step, and what is remembered between steps."""

    @property
    def steps_per_pass(self) -> int:
        """Steps until all of the data was seen once."""
        ...

    def index(self, step: int) -> Tensor:
        """Return the examples, or the places of the chunks, of a step: ``[B]`` int64."""
        ...

    def loss(self, model: nn.Module, step: int) -> Tensor:
        """Compute the mean loss of a step; steps are asked for in order, each once."""
        ...

    def loss_alone(self, model: nn.Module, batch: Any) -> Tensor:
        """Compute the mean loss of any batch, whatever came before."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """All that the next step needs to know of those before."""
        ...

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`tensors` gave."""
        ...

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on exactly."""
        ...


def open_feed(examples: Examples | Streams, loss: Loss, options: TrainingOptions) -> Feed:
    """The feed for the kind of data; ``options`` are resolved."""
    assert options.batch_size is not None
    if isinstance(examples, Streams):
        return Carrying(examples, StreamOrder(len(examples), options.batch_size, examples.chunk, options.seed))
    return Shuffled(examples, Order(len(examples), options.batch_size, options.seed, examples.lengths), loss)


class Shuffled:
    """Examples in random order; no step knows of another."""

    def __init__(self, examples: Examples, order: Order, loss: Loss) -> None:
        self.examples = examples
        self._order, self._loss = order, loss
        self.steps_per_pass = order.steps_per_pass

    def index(self, step: int) -> Tensor:
        """Return the examples of a step: ``[B]`` int64."""
        return self._order.batch(step)

    def loss(self, model: nn.Module, step: int) -> Tensor:
        """Compute the mean loss of the step's examples."""
        return self._loss(model, self.examples.batch(self.index(step)))

    def loss_alone(self, model: nn.Module, batch: Any) -> Tensor:
        """Compute the mean loss of any batch: all of them stand alone."""
        return self._loss(model, batch)

    def tensors(self) -> dict[str, Tensor]:
        """Nothing: the order is a function of the seed."""
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Nothing to load."""

    def identity(self) -> dict[str, Any]:
        """The number of examples."""
        return {"examples": len(self.examples)}


class Carrying:
    """Chunks of streams in order, the state of each stream carried on from step to step, without its gradient."""

    def __init__(self, examples: Streams, order: StreamOrder) -> None:
        self.examples = examples
        self._order = order
        self.steps_per_pass = order.steps_per_pass
        self._state: State | None = None

    def index(self, step: int) -> Tensor:
        """Return the places at which the chunks of a step begin: ``[B]`` int64."""
        return self._order.batch(step)

    def loss(self, model: nn.Module, step: int) -> Tensor:
        """Compute the mean loss of the step's chunks after those before, and keep the state after them."""
        before = None if self._order.starts_anew(step) else self._state
        loss, after = self.examples.loss(model, self.examples.batch(self.index(step)), before)
        self._state = tuple(part.detach() for part in after)
        return loss

    def loss_alone(self, model: nn.Module, batch: Any) -> Tensor:
        """Compute the mean loss of chunks as if nothing came before them."""
        return self.examples.loss(model, batch, None)[0]

    def tensors(self) -> dict[str, Tensor]:
        """The state, part by part."""
        return {str(number): part for number, part in enumerate(self._state or ())}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on with a state that was kept."""
        self._state = tuple(tensors[str(number)] for number in range(len(tensors)))

    def identity(self) -> dict[str, Any]:
        """The length of the sequence and of the chunks."""
        return {"places": len(self.examples), "chunk": self.examples.chunk}
