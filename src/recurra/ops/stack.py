"""A stack of compiled layers over whole sequences; without gradients, their weights stay packed from call to call."""

from __future__ import annotations

from collections.abc import Iterable
from operator import is_

import torch
from torch import Tensor

from recurra.ops import native
from recurra.types import State

_ADDRESS = Tensor.data_ptr
_STATE = ("h0", "c0", "gates0")
_ABSENT = (0, 0)  # of h, c and the gates, what the cell has not


class CompiledStack:
    """All layers and directions of a stack.

    The weights are read where they lie. Without gradients they are packed again if their bytes have changed, however
    that was done: to find out takes a quarter to half of the time of packing them.
    """

    def __init__(
        self, compiled: list[tuple[native.Call, native.Sequence]], directions: int, weights: Iterable[Tensor]
    ) -> None:
        """``compiled`` holds the layers from the input on, each with its directions side by side."""
        self._compiled, self._directions, self._weights = compiled, directions, tuple(weights)
        self._kept = [native.contiguous(sequence) for _, sequence in compiled]
        call = compiled[0][0]
        given = [native.given(tensors, one) for (one, _), tensors in zip(compiled, self._kept, strict=True)]
        self._run = native.module.Passage(call.operator, given, directions).run

    def reads_only_weights(self) -> bool:
        """Whether what is read is the weights themselves, so that no change of theirs can be missed."""
        own = {id(weight) for weight in self._weights}
        of_calls = {native.Sequence._fields.index(name) for name in ("x", "h0", "c0", "gates0")}
        return all(
            tensor is None or k in of_calls or id(tensor) in own
            for tensors in self._kept
            for k, tensor in enumerate(tensors)
        )

    def is_of(self, weights: Iterable[Tensor | None]) -> bool:
        """Whether these tensors are the very ones that it was made of, not others in their place in memory."""
        return all(map(is_, self._weights, weights))

    def differentiable(self, x: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        """The same as :meth:`run`, layer by layer, each a function that autograd knows."""
        finals: list[State] = []
        outputs: list[Tensor] = []  # of the layer's directions
        for k, (call, sequence) in enumerate(self._compiled):
            before = [part[k] for part in state]
            states = dict(zip(_STATE, before, strict=False))
            y, *after = native.run(call, sequence._replace(x=x, lengths=lengths, **states))
            finals.append(tuple(part for part in after if part is not None))
            outputs.append(y)
            if len(outputs) == self._directions:
                x, outputs = y if len(outputs) == 1 else torch.cat(outputs, dim=-1), []
        if len(finals) == 1:
            return x, tuple([part.unsqueeze(0) for part in finals[0]])
        return x, tuple(map(torch.stack, zip(*finals, strict=True)))

    def run(
        self, x: Tensor, state: State, lengths: Tensor | None, return_cells: bool
    ) -> tuple[Tensor, State, Tensor | None]:
        """The output ``[T, B, O]`` of ``x [T, B, D]``, the final state, and on request the last layer's cell states.

        The state's parts are ``[L, B, ·]``, where L counts layers times directions.
        """
        T, B, _ = x.shape
        x = x if x.stride(2) == 1 else x.contiguous()
        before = [part.contiguous() for part in state]
        after = tuple(map(torch.empty_like, before))
        y = native.like_input(x, self._directions * before[0].shape[2])
        cells = native.like_input(x, self._directions * before[1].shape[2]) if return_cells else None
        absent = _ABSENT[: 3 - len(before)]
        self._run(
            *(T, B, torch.get_num_threads(), native.address_of(lengths), native.steps_of(x)),
            *((*map(_ADDRESS, before), *absent), native.steps_of(y), native.steps_of(cells)),
            (*map(_ADDRESS, after), *absent),
        )
        return y, after, cells
