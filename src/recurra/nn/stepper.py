"""One sequence through recurrent layers, a step at a time: for streams, where every microsecond counts."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

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


class _ByLayer:
    """Where the compiled steps cannot be used: not installed, or weights that are not plain tensors."""

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
