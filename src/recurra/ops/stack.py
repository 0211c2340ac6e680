"""A stack of compiled layers over whole sequences in one call, with or without gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any

import torch
from torch import Tensor

from recurra.ops import native
from recurra.types import State

_ADDRESS, _EMPTY_LIKE = Tensor.data_ptr, torch.empty_like
_STATE = ("h0", "c0", "gates0")
_ABSENT = (0, 0, 0)  # of h, c and the gates


@dataclass(frozen=True)
class Noise:
    """The masks of one training call."""

    state: Sequence[dict[str, Tensor]] = ()
    """``keep_h``, ``keep_c`` and ``drop_h`` of each layer and direction, as in a ``Sequence`` of the kernels."""
    between: Sequence[Tensor] = ()
    """``[T, B, ·]`` for what each layer but the first reads."""


QUIET = Noise()


class CompiledStack:
    """All layers and directions of a stack.

    The weights are read where they lie. Without gradients they stay packed from call to call, and are packed again if
    their bytes have changed, however that was done: to find out takes a quarter to half of the time of packing them.
    """

    def __init__(
        self, compiled: list[tuple[native.Call, native.Sequence]], directions: int, weights: Iterable[Tensor]
    ) -> None:
        """``compiled`` holds the layers from the input on, each with its directions side by side."""
        self._compiled, self._directions, self._weights = compiled, directions, tuple(weights)
        self._addresses, self._dtype = [*map(_ADDRESS, self._weights)], self._weights[0].dtype
        kept = [native.contiguous(sequence) for _, sequence in compiled]
        call = compiled[0][0]
        given = [native.given(tensors, one) for (one, _), tensors in zip(compiled, kept, strict=True)]
        spans = [(weight.data_ptr(), weight.numel() * weight.element_size()) for weight in self._weights]
        parts = [getattr(compiled[0][1], name) for name in _STATE]
        self._sizes = [part.shape[1] for part in parts if part is not None]
        self._passage = native.module.Passage(call.operator, given, directions, spans)
        own = {id(weight) for weight in self._weights}
        of_calls = {native.Sequence._fields.index(name) for name in ("x", *_STATE)}
        self.reads_only_weights = all(
            tensor is None or k in of_calls or id(tensor) in own for tensors in kept for k, tensor in enumerate(tensors)
        )
        """Whether what is read is the weights themselves, so that no change of theirs can be missed."""
        projects = any(sequence.w_projection is not None for _, sequence in compiled)
        self._trains = not projects and len(own) == len(self._weights)

    def trains(self, weights: Iterable[Tensor | None]) -> bool:
        """Whether :meth:`train` gives the gradients of these tensors, which must be those that it was made of.

        Not those of a projection, and none of a weight that two layers share.
        """
        return self._trains and all(map(is_, self._weights, weights))

    def run(
        self, x: Tensor, state: State, lengths: Tensor | None, return_cells: bool
    ) -> tuple[Tensor, State, Tensor | None]:
        """The output ``[T, B, O]`` of ``x [T, B, D]``, the final state, and on request the last layer's cell states.

        The state's parts are ``[L, B, ·]``, where L counts layers times directions; none for zeros. Without gradients.
        """
        x, state, y, after = self._ends(x, state)
        cells = native.like_input(x, self._directions * self._sizes[1]) if return_cells else None
        self._passage.run(
            *self._start(x, state, lengths), native.steps_of(y), native.steps_of(cells), _addresses(after)
        )
        return y, after, cells

    def train(self, x: Tensor, state: State, lengths: Tensor | None, noise: Noise) -> tuple[Tensor, State]:
        """The output and the final state, as a function that autograd knows."""
        y, *after = _apply(self, noise, lengths, x, *state, *self._weights)
        return y, tuple(after)

    def forward(self, x: Tensor, state: State, lengths: Tensor | None, noise: Noise) -> tuple[Tensor, State, Any]:
        """The same, and what :meth:`backward` needs."""
        x, state, y, after = self._ends(x, state)
        trail = self._passage.train(
            *self._start(x, state, lengths), *_masks(noise), native.steps_of(y), _addresses(after)
        )
        return y, after, trail

    def backward(
        self,
        trail: Any,
        tensors: tuple[Tensor, State, Tensor | None, Noise, Tensor],
        arriving: Sequence[Tensor | None],
        needed: Sequence[bool],
    ) -> list[Tensor | None]:
        """The gradients of x, of the state's parts and of the weights that need one.

        ``tensors``: what :meth:`forward` was given, and the output; ``arriving``: for the output and the final state's
        parts.
        """
        given_x, state, lengths, noise, y = tensors
        x, state = _dense(given_x, state)
        n = 1 + len(state)
        dx = native.like_input(x, x.shape[2]) if needed[0] else None
        # Half the time of x.new_empty(part.shape).
        dstate = [_EMPTY_LIKE(part) if need else None for part, need in zip(state, needed[1:n], strict=True)]
        dweights = [_EMPTY_LIKE(w) if need else None for w, need in zip(self._weights, needed[n:], strict=True)]
        dy = native.dense(arriving[0])
        dafter = [part if part is None else part.contiguous() for part in arriving[1:]]
        self._passage.back(
            *self._start(x, state, lengths),
            *_masks(noise),
            *(trail, native.steps_of(y), native.steps_of(dy), _addresses(dafter)),
            *(native.steps_of(dx), _addresses(dstate), [*map(native.address_of, dweights)]),
        )
        return [dx, *dstate, *dweights]

    def of(self, weights: Sequence[Tensor]) -> CompiledStack:
        """This stack; or the same of other tensors, where the weights lie elsewhere now."""
        if self._addresses == [*map(_ADDRESS, weights)]:
            return self
        if not all(native.is_plain(weight, self._dtype) for weight in weights):
            raise RuntimeError(
                "[recurra.nn] between forward and backward the weights must stay what they are, they have been "
                "converted or moved to another device. Call the layer again."
            )
        there = dict(zip(map(id, self._weights), weights, strict=True))
        compiled = []
        for call, sequence in self._compiled:
            moved: Any = [there.get(id(tensor), tensor) for tensor in sequence]
            compiled.append((call, native.Sequence(*moved)))
        return CompiledStack(compiled, self._directions, weights)

    def by_reference(self, x: Tensor, state: State, lengths: Tensor | None, noise: Noise) -> tuple[Tensor, ...]:
        """The output and the parts of the final state, in torch's own operations."""
        L, B = len(self._compiled), x.shape[1]
        state = state or tuple(x.new_zeros(L, B, size) for size in self._sizes)
        finals: list[State] = []
        outputs: list[Tensor] = []  # of the layer's directions
        for k, (call, sequence) in enumerate(self._compiled):
            layer, direction = divmod(k, self._directions)
            if direction == 0 and layer > 0:
                x, outputs = torch.cat(outputs, dim=-1), []
                x = x * noise.between[layer - 1] if noise.between else x
            given: dict[str, Any] = dict(zip(_STATE, [part[k] for part in state], strict=False))
            given |= noise.state[k] if noise.state else {}
            y, *after = call.reference(sequence._replace(x=x, lengths=lengths, **given))
            finals.append(tuple(part for part in after if part is not None))
            outputs.append(y)
        return torch.cat(outputs, dim=-1), *map(torch.stack, zip(*finals, strict=True))

    def _ends(self, x: Tensor, state: State) -> tuple[Tensor, State, Tensor, State]:
        """What comes in, as the kernels read it, and room for the output and the final state."""
        x, state = _dense(x, state)
        L, B = len(self._compiled), x.shape[1]
        y = native.like_input(x, self._directions * self._sizes[0])
        return x, state, y, tuple([x.new_empty(L, B, size) for size in self._sizes])

    def _start(self, x: Tensor, state: State, lengths: Tensor | None) -> tuple[Any, ...]:
        T, B, _ = x.shape
        threads = torch.get_num_threads()
        return T, B, threads, native.address_of(lengths), native.steps_of(x), _addresses(state)


def _dense(x: Tensor, state: State) -> tuple[Tensor, State]:
    x = x if x.stride(2) == 1 else x.contiguous()
    return x, tuple([part.contiguous() for part in state]) if state else ()


def _masks(noise: Noise) -> tuple[list[Any], list[Any]]:
    """Where the masks lie."""
    if noise is QUIET:
        return [], []
    return [native.masks_of(**masks) for masks in noise.state], [*map(native.steps_of, noise.between)]


def _addresses(state: Sequence[Tensor | None]) -> tuple[int, ...]:
    """Of h, c and the gates; 0 for what is not there."""
    if not state:
        return _ABSENT
    return (*map(native.address_of, state), *_ABSENT[len(state) :])


class _Differentiable(torch.autograd.Function):
    """A whole stack as one function of x, the state's parts and the weights."""

    @staticmethod
    def forward(
        ctx: Any, stack: CompiledStack, noise: Noise, lengths: Tensor | None, x: Tensor, *others: Tensor
    ) -> Any:
        state = others[: len(others) - len(stack._weights)]
        y, after, ctx.trail = stack.forward(x, state, lengths, noise)
        ctx.stack, ctx.noise, ctx.parts = stack, noise, len(state)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(lengths, x, y, *others)
        return y, *after

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor | None) -> Any:
        lengths, x, y, *others = ctx.saved_tensors
        state, weights = others[: ctx.parts], others[ctx.parts :]
        stack, noise, needed = ctx.stack.of(weights), ctx.noise, ctx.needs_input_grad[3:]
        if torch.is_grad_enabled():  # somebody will differentiate the derivative
            gradients = native.by_reference(
                lambda: stack.by_reference(x, state, lengths, noise), [x, *others], needed, arriving
            )
        else:
            gradients = stack.backward(ctx.trail, (x, state, lengths, noise, y), arriving, needed)
        return None, None, None, *gradients


# What `apply` comes to where no transformation of torch.func is at work, which has been asked already.
_apply: Any = super(torch.autograd.Function, _Differentiable).apply
