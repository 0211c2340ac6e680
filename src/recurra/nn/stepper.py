"""One sequence through recurrent layers, a step at a time: for streams, where every microsecond counts."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.nn.language import SymbolEncoder
from recurra.nn.stack import RecurrentStack
from recurra.types import State


class Stepper(Protocol):
    """A place in a sequence. Steps count once they are kept; until then ``undo`` goes back to where they began."""

    input: NDArray[Any]
    """[D], to be filled before each step."""

    def step(self) -> NDArray[Any]:
        """The output [O], to be read before the next step."""
        ...

    def keep(self) -> None:
        """Let the steps since the last time count."""
        ...

    def undo(self) -> None:
        """Go back to what was kept last."""
        ...

    @property
    def state(self) -> State:
        """What was kept, its parts ``[L, 1, ·]``, as they lie here: what is copied into them is kept."""
        ...


def stepper(stack: RecurrentStack) -> Stepper:
    """Begin a sequence; the weights are those of now. For one direction only.

    >>> import torch
    >>> from recurra.nn import build_encoder
    >>> from recurra.settings import Encoder
    >>> one = stepper(build_encoder(Encoder(hidden_size=4), input_size=3).eval())
    >>> one.input[:] = [0.1, 0.2, 0.3]
    >>> one.step().shape
    (4,)
    """
    return stack.layer.walk() or _ByLayer(stack)


class SymbolStepper:
    """A place in a text that a :class:`SymbolEncoder` reads, a symbol at a time; kept and undone as of a stepper."""

    def __init__(self, encoder: SymbolEncoder) -> None:
        self._steppers = [stepper(stack) for stack in encoder.stacks]
        table = encoder.embedding
        self._table: NDArray[Any] | None = None if table is None else table.detach().numpy()  # [V, E]

    def step(self, number: int) -> NDArray[Any]:
        """The features [O] after one more symbol."""
        first = self._steppers[0]
        if self._table is None:
            first.input[:] = 0
            first.input[number] = 1
        else:
            first.input[:] = self._table[number]
        features = first.step()
        for layer in self._steppers[1:]:
            layer.input[:] = features
            features = layer.step()
        return features

    def keep(self) -> None:
        """Let the symbols since the last time count."""
        for one in self._steppers:
            one.keep()

    def undo(self) -> None:
        """Go back to what was kept last."""
        for one in self._steppers:
            one.undo()

    @property
    def state(self) -> dict[str, Tensor]:
        """What was kept of each layer, from the lowest on, as it lies here."""
        return {
            f"layers.{layer}.{number}": part
            for layer, one in enumerate(self._steppers)
            for number, part in enumerate(one.state)
        }

    @property
    def features(self) -> NDArray[Any]:
        """The features [O] after what was kept: without dropout they are h of the last layer."""
        h: Tensor = self._steppers[-1].state[0][-1, 0]
        return h.numpy()


class _ByLayer:
    """A form that the compiled steps do not know: layer norm, projection, full peepholes."""

    def __init__(self, stack: RecurrentStack) -> None:
        self._stack, self._kept = stack, stack.layer.begin(1)
        self._now = self._kept
        self._x = stack.layer.weight_ih_l0.new_zeros(1, stack.layer.input_size)
        self.input: NDArray[Any] = self._x[0].detach().numpy()

    @torch.no_grad()
    def step(self) -> NDArray[Any]:
        output, self._now = self._stack.step(self._x, self._now)
        values: Tensor = output[0]
        return values.numpy()

    def keep(self) -> None:
        self._kept = self._now

    def undo(self) -> None:
        self._now = self._kept

    @property
    def state(self) -> State:
        return self._kept
