"""Compiled layers a step at a time, without gradients."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.ops import native
from recurra.ops.native import PLAIN, is_plain, is_unwatched

Storage: TypeAlias = Literal["bfloat16", "int8"]
_ADDRESS = Tensor.data_ptr
_STRIDED = torch.strided
_empty_like, _threads = torch.empty_like, torch.get_num_threads  # looked up once: they stand on the way of each step


class Stream:
    """Layers one upon the other, a step at a time, without gradients; their weights are packed once.

    Every microsecond counts here: at H = 64 the arithmetic takes less than one. Beyond H = 256 reading the weights is
    what takes the time, and ``storage`` may hold them in fewer bits.
    """

    def __init__(
        self, call: native.Call, layers: list[native.Sequence], storage: Storage | None, weights: dict[str, Any]
    ) -> None:
        self._kept = [native.contiguous(layer) for layer in layers]  # the peepholes are read where they are
        given = [native.given(tensors, call) for tensors in self._kept]
        stored = getattr(native.module.Storage, storage or "full")
        self._run = native.module.Stack(call.operator, given, stored).step
        self.fits = native.module.Mark(weights).fits
        """Whether weights are the ones that were packed, as they were then."""
        first = layers[0]
        self._dtype, self._D, self._L = first.x.dtype, first.x.shape[2], len(layers)
        self._sizes = [part.shape[1] for part in (first.h0, first.c0, first.gates0) if part is not None]
        self._absent = (0,) * (3 - len(self._sizes))  # of h, c and the gates
        self._last: tuple[Tensor, ...] | None = None  # the state that was returned; it needs no check

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        """The state after a step over ``x [B, D]``, its parts ``[L, B, ·]``; None if these tensors cannot be read."""
        shape = x.shape
        if (  # with what _is_dense asks written out: two calls would be a twentieth of a step at H = 64
            len(shape) != 2
            or shape[1] != self._D
            or not is_unwatched()
            or type(x) not in PLAIN
            or x.dtype is not self._dtype
            or not x.is_cpu
            or x.layout is not _STRIDED
            or not x.is_contiguous()
        ):
            return None
        B = shape[0]
        if state is self._last:
            if state[0].shape[1] != B:
                return None
        elif not B or len(state) != len(self._sizes):
            return None
        else:
            for part, size in zip(state, self._sizes, strict=True):
                if not (self._is_dense(part) and part.shape == (self._L, B, size)):
                    return None
        after: tuple[Tensor, ...]
        if len(state) == 2:  # the common forms, without a list of pointers: each microsecond counts
            h, c = state
            after = new_h, new_c = _empty_like(h), _empty_like(c)
            self._run(B, _threads(), x.data_ptr(), h.data_ptr(), c.data_ptr(), 0, new_h.data_ptr(), new_c.data_ptr(), 0)
        else:
            absent, after = self._absent, tuple(map(_empty_like, state))
            self._run(B, _threads(), x.data_ptr(), *map(_ADDRESS, state), *absent, *map(_ADDRESS, after), *absent)
        self._last = after
        return after

    def _is_dense(self, tensor: Tensor) -> bool:
        return is_plain(tensor, self._dtype) and tensor.is_contiguous()


class Walk:
    """One sequence through a :class:`Stream`, its state in place: a step allocates nothing and checks nothing.

    Steps count once they are kept; until then :meth:`undo` goes back to where they began.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        x = torch.zeros(1, stream._D, dtype=stream._dtype)
        sizes = [(stream._L, 1, size) for size in stream._sizes]
        self._states = [tuple(torch.zeros(size, dtype=x.dtype) for size in sizes) for _ in range(3)]
        self._addresses = [(*map(_ADDRESS, state), *stream._absent) for state in self._states]
        self._outputs = [state[0][-1, 0].numpy() for state in self._states]
        self._kept = self._now = 0
        self._run, self._x = stream._run, x.data_ptr()
        self.input: NDArray[Any] = x[0].numpy()
        """[D], to be filled before each step."""

    def step(self) -> NDArray[Any]:
        """The output [P], to be read before the next step."""
        free = _FREE[self._kept][self._now]
        self._run(1, torch.get_num_threads(), self._x, *self._addresses[self._now], *self._addresses[free])
        self._now = free
        return self._outputs[free]

    def keep(self) -> None:
        """Let the steps since the last time count."""
        self._kept = self._now

    def undo(self) -> None:
        """Go back to what was kept last."""
        self._now = self._kept

    @property
    def state(self) -> tuple[Tensor, ...]:
        """Its parts [L, 1, ·], as they lie here: what is copied into them is kept."""
        return self._states[self._kept]


_FREE = ((1, 2, 1), (2, 0, 0), (1, 0, 0))  # of three states the one to write, by the kept one and the present one
