"""What the recurrent layers share: the parameters under torch's names, and the walk over layers and directions."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, ClassVar, get_args

import torch
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.nn.functional import dropout
from torch.nn.utils.rnn import PackedSequence

from recurra.errors import SettingsError, ShapeError, nearest
from recurra.nn.layout import Layout, read_layout
from recurra.ops.native import Call, can_take, is_transformed
from recurra.ops.native import Sequence as Weights
from recurra.ops.scan import dropout_mask
from recurra.ops.scan.checks import Kernel
from recurra.ops.stack import QUIET, CompiledStack, Noise
from recurra.ops.stream import Storage, Stream, Walk
from recurra.types import State

# What tells that a weight is another tensor.
_ADDRESS, _IS_DENSE = Tensor.data_ptr, Tensor.is_contiguous
_needs_gradient = attrgetter("requires_grad")
# Looked up once: they stand on the way of each call.
_is_grad_enabled, _is_autocast_somewhere = torch.is_grad_enabled, torch._C._is_any_autocast_enabled


class Recurrent(nn.Module):
    """A stack of recurrent layers with torch's contract; a cell says its shapes, its state and its operator."""

    cell: ClassVar[str]
    weight_ih_l0: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        options: Any,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        _check_sizes(self.cell, input_size, hidden_size, num_layers, dropout)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.options = bidirectional, options
        shapes = {
            name + suffix: shape
            for layer, suffix in self._suffixes()
            for name, shape in self._shapes(self._width_into(layer)).items()
        }
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self._names = list(shapes)
        self._streaming: Stream | None = None
        self._stack: tuple[list[int], CompiledStack | None] | None = None
        self._storage: Storage | None = None
        self.reset_parameters()

    @property
    def proj_size(self) -> int:
        """The size P of the projected output, 0 without projection."""
        return int(getattr(self.options, "proj_size", 0))

    @property
    def output_size(self) -> int:
        """Features of the output: H or P, twice that in both directions."""
        return (self.proj_size or self.hidden_size) * self._directions

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters of each layer and direction, as in torch."""
        names = self._shapes(self.input_size)
        return [[getattr(self, name + suffix) for name in names] for _, suffix in self._suffixes()]

    def compress_steps(self, storage: Storage | None) -> None:
        """Let :meth:`step` read its weights as ``"bfloat16"`` or ``"int8"`` instead of float32; None: as they are.

        For inference on a stream, where reading the weights is what takes the time, from H = 256 on. ``"int8"`` has a
        scale for each row of a weight. The parameters stay as they are, and so does everything else: training, steps
        with gradients, whole sequences; and all where the compiled kernels are not installed. Forms with further
        products in a step, or with a mean over units, cannot do it and are a :class:`SettingsError`.

        >>> import torch
        >>> from recurra.nn import LSTM
        >>> layer = LSTM(8, 256).eval()
        >>> layer.compress_steps("int8")
        >>> with torch.inference_mode():
        ...     y, state = layer.step(torch.randn(1, 8))
        """
        known = get_args(Storage)
        if storage is not None and storage not in known:
            raise SettingsError(f"{self.cell}.compress_steps", f"there is no {storage!r}. {nearest(storage, known)}")
        takes = self.options.compresses and not self.bidirectional and self.weight_ih_l0.dtype == torch.float32
        if storage is not None and not takes:
            raise SettingsError(
                f"{self.cell}.compress_steps",
                "needs a float32 layer of one direction, without layer_norm, proj_size, peephole='full', "
                "candidate='cell', gates='FGR' or reset='before'. Leave these out, or the weights as they are.",
            )
        self._storage, self._streaming = storage, None

    def begin(self, batch: int) -> State:
        """The state before the first step of ``batch`` sequences: zeros ``[L, B, ·]``, L counts both directions."""
        L, weight = self.num_layers * self._directions, self.weight_ih_l0
        return tuple(weight.new_zeros(L, batch, size) for size in self._state_sizes())

    def step(self, x_t: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Take one step over ``x_t [B, D]`` or ``[D]``: the output ``[B, P]`` and the next state, as in forward.

        Only for one direction. In training mode each call draws its own masks.
        """
        if state is not None and not (_is_grad_enabled() or self.training or is_compiling()):
            stream = self._streaming
            if stream is None or not stream.fits(self._parameters):
                stream = self._new_stream()
            after = None if stream is None else stream.step(x_t, state)
            if after is not None:
                return after[0][-1], after
        where = f"{type(self).__name__}.step"
        if self.bidirectional:
            raise SettingsError(where, "needs one direction: the backward one starts at the end. Call the layer.")
        if x_t.dim() not in (1, 2):
            raise ShapeError(where, f"x_t must be [B, D] or [D], got {list(x_t.shape)}.")
        layout = Layout(False, batched=x_t.dim() == 2)
        x = x_t[None] if layout.batched else x_t[None, None]
        y, final, _ = self._compute(x, self._completed(state), layout)
        if layout.batched:
            return y[0], final
        return y[0, 0], tuple(part.squeeze(1) for part in final)

    def walk(self) -> Walk | None:
        """One sequence by compiled steps, from zeros, with the weights as they are now; None if they cannot take it."""
        with torch.no_grad():
            stream = self._streaming
            if stream is None or not stream.fits(self._parameters):
                stream = self._new_stream()
        return None if stream is None else Walk(stream)

    def flatten_parameters(self) -> None:
        """Do nothing: the weights need no flat copy. Kept for code written for torch's layers."""

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw all weights uniformly from ±1/√H as torch does."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults."""
        told: dict[str, tuple[Any, Any]] = {
            "num_layers": (self.num_layers, 1),
            "bias": (self.bias, True),
            "batch_first": (self.batch_first, False),
            "dropout": (self.dropout, 0.0),
            "bidirectional": (self.bidirectional, False),
        }
        told |= {f.name: (getattr(self.options, f.name), f.default) for f in dataclasses.fields(self.options)}
        changed = [f"{name}={value!r}" for name, (value, default) in told.items() if value != default]
        return ", ".join([str(self.input_size), str(self.hidden_size), *changed])

    def _shapes(self, width: int) -> dict[str, tuple[int, ...]]:
        """The parameters of one layer and direction that reads ``width`` features, in torch's order."""
        raise NotImplementedError

    def _state_sizes(self) -> tuple[int, ...]:
        raise NotImplementedError

    def _completed(self, state: State | None) -> State | None:
        """The state with parts that a caller may leave out."""
        return state

    def _fused_stack(self, x: Tensor, state: State, dropout: float) -> tuple[Tensor, State]:
        """Run torch's fused kernel over all layers at once, in the plain form."""
        raise NotImplementedError

    def _operate(
        self, x: Tensor, state: State, suffix: str, lengths: Tensor | None, return_cells: bool, kernel: Kernel | None
    ) -> tuple[Tensor, Tensor | None, State]:
        """Run the operator of one layer and direction over ``x [T, B, ·]``."""
        raise NotImplementedError

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [self._own(name) for name in self._names]

    @property
    def _draws(self) -> bool:
        """Whether a call draws masks, beside those of weights."""
        if not self.training:
            return False
        o = self.options
        return any((o.recurrent_dropout, *getattr(o, "zoneout", ()), self.dropout * (self.num_layers > 1)))

    def _masks(self, x: Tensor) -> dict[str, Tensor]:
        """Those of one layer and direction in one call of ``x [T, B, ·]``, under the names of the operator's."""
        p = self.options.recurrent_dropout if self.training else 0.0
        return {"drop_h": dropout_mask((x.shape[1], self.proj_size or self.hidden_size), p, x)} if p else {}

    def _mask_between(self, x: Tensor) -> Tensor:
        """For what a layer but the first reads, ``[T, B, ·]``: the mask that torch's layer draws there."""
        return dropout(x.new_ones(*x.shape[:2], self.output_size), self.dropout)

    def _noise(self, x: Tensor) -> Noise:
        """All masks of one call, drawn in the order in which they are drawn layer by layer."""
        state, between = [], []
        for layer in range(self.num_layers):
            if layer > 0 and self.dropout:
                between.append(self._mask_between(x))
            state += [self._masks(x) for _ in range(self._directions)]
        return Noise(state if any(state) else (), between)

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _compiled(self, suffix: str) -> tuple[Call, Weights]:
        """The compiled operator of one layer and direction, and its weights."""
        raise NotImplementedError

    def _new_stream(self) -> Stream | None:
        """The stream of the weights as they are now; None where the compiled kernel cannot compute it."""
        weights: Any = self._parameters.values()
        if self.bidirectional or len(weights) != len(self._names):
            return None  # or some are parametrized
        if any(weight is None or weight.is_inference() for weight in weights) or not can_take(*weights):
            return None  # one was taken away, nobody counts its changes, or it is not in this memory
        layers = [self._compiled(suffix) for _, suffix in self._suffixes()]
        self._streaming = Stream(layers[0][0], [sequence for _, sequence in layers], self._storage, self._parameters)
        return self._streaming

    def _current_stack(self) -> CompiledStack | None:
        """The compiled layers with the weights that lie here now; None where some of them are made at each call."""
        weights: Any = self._parameters.values()
        if is_compiling():
            return None
        try:
            mark = [*map(_ADDRESS, weights), *map(_IS_DENSE, weights)]
        except (TypeError, RuntimeError):  # one was taken away, or has no memory
            return None
        if self._stack is not None and self._stack[0] == mark:
            return self._stack[1]
        if len(weights) != len(self._names) or not can_take(*weights):
            return None  # parametrized, or not in this memory
        layers = [self._compiled(suffix) for _, suffix in self._suffixes()]
        stack = CompiledStack(layers, self._directions, weights)
        self._stack = (mark, stack if stack.reads_only_weights else None)
        return self._stack[1]

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles pack their weights anew."""
        return {**self.__dict__, "_streaming": None, "_stack": None}

    def _suffixes(self) -> list[tuple[int, str]]:
        ends = ("", "_reverse")[: self._directions]
        return [(layer, f"_l{layer}{end}") for layer in range(self.num_layers) for end in ends]

    def _width_into(self, layer: int) -> int:
        return self.input_size if layer == 0 else self.output_size

    def _own(self, name: str) -> Tensor:
        weight: Tensor | None = self._parameters.get(name)  # 10 times faster than the attribute
        return getattr(self, name) if weight is None else weight

    def _weight(self, name: str, suffix: str) -> Tensor | None:
        name += suffix
        return self._own(name) if name in self._names else None

    def _recurrent_weight(self, suffix: str) -> Tensor:
        weight = self._own("weight_hh" + suffix)
        p = self.options.weight_drop if self.training else 0.0
        return weight * dropout_mask(tuple(weight.shape), p, weight) if p else weight

    def _run(
        self,
        given: Tensor | PackedSequence,
        state: State | None,
        lengths: Tensor | Sequence[int] | None,
        return_cells: bool = False,
    ) -> tuple[Tensor | PackedSequence, State, Tensor | PackedSequence | None]:
        """The output, the final state and, on request, the cell states of the last layer, in the caller's layout."""
        x, kept, layout = read_layout(type(self).__name__, given, lengths, self.batch_first)
        y, state, cells = self._compute(x, state, layout, kept, return_cells)
        if not layout.batched:
            state = tuple(part.squeeze(1) for part in state)
        return layout.restore(y), state, None if cells is None else layout.restore(cells)

    def _compute(
        self,
        x: Tensor,
        state: State | None,
        layout: Layout,
        lengths: Tensor | None = None,
        return_cells: bool = False,
        brief: bool = False,
    ) -> tuple[Tensor, State, Tensor | None]:
        """All plain layers of full sequences in one fused call; everything else layer by layer."""
        if (is_compiling() or _is_autocast_somewhere()) and torch.is_autocast_enabled(x.device.type):
            # Rounding to half precision at every step adds up over a sequence: the recurrence keeps the weights' dtype,
            # and only what waits for backward is rounded.
            dtype = self.weight_ih_l0.dtype
            state = None if state is None else tuple(part.to(dtype) for part in state)
            with torch.autocast(x.device.type, enabled=False):
                return self._compute(x.to(dtype), state, layout, lengths, return_cells, brief=True)
        given = self._read_state(state, x, layout)  # none for zeros
        if not (self.training and self.options.weight_drop):
            stack = self._current_stack()
            if stack is not None and can_take(x, *given):
                weights: Any = self._parameters.values()
                graded = _is_grad_enabled() and any(map(_needs_gradient, (x, *given, *weights)))
                draws = self._draws
                if not graded and not draws:
                    return stack.run(x, given, lengths, return_cells)
                if graded and not (brief or return_cells) and stack.trains(weights):
                    return *stack.train(x, given, lengths, self._noise(x) if draws else QUIET), None
        state = given or tuple(x.new_zeros(shape) for shape in self._state_shapes(x))
        masked = self.training and (self.options.recurrent_dropout or self.options.weight_drop)
        fused = lengths is None and self.options.plain and not (masked or return_cells) and x.numel()
        compiled: Kernel = "cpu-bfloat16" if brief else "cpu"
        kernel = compiled if can_take(x, *state, *self._flat_weights) else None
        if fused and kernel is None and not is_transformed():
            return *self._fused_stack(x, state, self.dropout if self.training else 0.0), None
        return self._layers(x, state, lengths, return_cells, kernel)

    def _layers(
        self, x: Tensor, state: State, lengths: Tensor | None, return_cells: bool, kernel: Kernel | None
    ) -> tuple[Tensor, State, Tensor | None]:
        finals: list[State] = []
        cells: list[Tensor] = []
        for layer in range(self.num_layers):
            if layer > 0 and self.training and self.dropout:
                x = x * self._mask_between(x)
            outputs: list[Tensor] = []
            for _, suffix in self._suffixes()[layer * self._directions : (layer + 1) * self._directions]:
                wanted = return_cells and layer == self.num_layers - 1
                before = tuple(part[len(finals)] for part in state)
                y, c, after = self._operate(x, before, suffix, lengths, wanted, kernel)
                outputs.append(y)
                finals.append(after)
                cells += [] if c is None else [c]
            x = _beside(outputs)
        one = len(finals) == 1
        final = tuple(parts[0].unsqueeze(0) if one else torch.stack(parts) for parts in zip(*finals, strict=True))
        return x, final, _beside(cells) if cells else None

    def _read_state(self, state: State | None, x: Tensor, layout: Layout) -> State:
        """The parts of the state as ``[L, B, ·]`` (L counts both directions), none if none came; all is checked."""
        where, weight = type(self).__name__, self._own("weight_ih_l0")
        if x.shape[2] != self.input_size:
            raise ShapeError(f"{where}.input", f"must have {self.input_size} features, got {list(x.shape)}.")
        if x.dtype != weight.dtype:
            raise ShapeError(f"{where}.input", f"must have the weights' {weight.dtype}, got {x.dtype}. Convert one.")
        if state is None:
            return ()
        expected = self._state_shapes(x)
        if not layout.batched:
            state = tuple(part.unsqueeze(1) if part.dim() == 2 else part for part in state)
        if [tuple(part.shape) for part in state] != expected:
            raise ShapeError(f"{where}.hx", f"must be {expected}, got {[tuple(part.shape) for part in state]}.")
        if any(part.dtype != x.dtype for part in state):
            raise ShapeError(f"{where}.hx", f"must be {x.dtype}, got {[part.dtype for part in state]}.")
        return state

    def _state_shapes(self, x: Tensor) -> list[tuple[int, int, int]]:
        """Those of the state's parts for ``x [T, B, D]``."""
        L, B = self.num_layers * self._directions, x.shape[1]
        return [(L, B, size) for size in self._state_sizes()]


def _beside(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


def _check_sizes(cell: str, input_size: int, hidden_size: int, num_layers: int, dropout: float) -> None:
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
        if size < 1:
            raise SettingsError(f"{cell}.{name}", f"must be at least 1, got {size}.")
    if not 0 <= dropout <= 1:
        raise SettingsError(f"{cell}.dropout", f"a probability must be at least 0 and at most 1, got {dropout}.")
    if dropout and num_layers == 1:
        warnings.warn(f"dropout={dropout} has no effect: it acts between layers, and there is one.", stacklevel=4)
