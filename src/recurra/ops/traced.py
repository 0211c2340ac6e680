"""The compiled kernels as torch operators, for what traces a model instead of running it: torch.compile, torch.export.

Outside of these, :mod:`recurra.ops.native` calls the kernels without the dispatcher's detour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from recurra.ops import native

Resolve = Callable[[str], Callable[[torch.dtype, bool, bool], native.Call]]

_RESOLVERS: dict[str, Resolve] = {}
_SAVED = "2"
"""Another one for each change of what forward saves: inductor keeps compiled graphs on disk, with the size of that."""


def register(cell: str, resolve: Resolve) -> None:
    """Let ``form`` arguments that begin with ``cell:`` find their kernel, in another process too."""
    _RESOLVERS[cell] = resolve


def run(form: str, sequence: native.Sequence, reverse: bool, return_cells: bool) -> native.Result:
    """All steps of one layer in one direction, as one operator in the graph."""
    y, h, c, gates, cells, _ = torch.ops.recurra.sequence(*sequence, f"{form}@{_SAVED}", reverse, return_cells)
    has_c, has_gates = sequence.c0 is not None, sequence.gates0 is not None
    return y, h, c if has_c else None, gates if has_gates else None, cells if return_cells else None


def _call(form: str, x: Tensor, reverse: bool, return_cells: bool) -> native.Call:
    cell, _, options = form.partition("@")[0].partition(":")
    return _RESOLVERS[cell](options)(x.dtype, reverse, return_cells)


@torch.library.custom_op("recurra::sequence", mutates_args=())
def _sequence(
    x: Tensor,
    h0: Tensor,
    w_input: Tensor,
    w_recurrent: Tensor,
    c0: Tensor | None,
    bias_input: Tensor | None,
    bias_recurrent: Tensor | None,
    peephole: Tensor | None,
    norm_input: Tensor | None,
    norm_recurrent: Tensor | None,
    norm_cell: Tensor | None,
    norm_cell_bias: Tensor | None,
    w_projection: Tensor | None,
    w_cell: Tensor | None,
    bias_cell: Tensor | None,
    w_gates: Tensor | None,
    gates0: Tensor | None,
    keep_h: Tensor | None,
    keep_c: Tensor | None,
    drop_h: Tensor | None,
    lengths: Tensor | None,
    form: str,
    reverse: bool,
    return_cells: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """y, h, c, gates, cells and what backward needs; empty where there is none."""
    call = _call(form, x, reverse, return_cells)
    weights = (w_input, w_recurrent, c0, bias_input, bias_recurrent, peephole)
    norms, products = (norm_input, norm_recurrent, norm_cell, norm_cell_bias), (w_cell, bias_cell, w_gates)
    given = (x, h0, *weights, *norms, w_projection, *products, gates0, keep_h, keep_c, drop_h, lengths)
    saved = _room_to_save(call, x, native.units(h0, c0))
    if lengths is not None:
        saved.zero_()  # the padding's room stays as it is, and an operator's output must not be left to chance
    y, h, *others = native.forward(call, native.contiguous(given), saved.data_ptr())
    c, gates, cells = (x.new_empty(0) if part is None else part for part in others)
    return y, h, c, gates, cells, saved


def _room_to_save(call: native.Call, x: Tensor, H: int) -> Tensor:
    """Room for all steps, the padding's too: the real ones are not known to a tracer."""
    T, B, _ = x.shape
    each, once = native.saved_of_a_row(call, H)
    return x.new_empty(T * B * each + once)


@_sequence.register_fake
def _(*inputs: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    *given, form, reverse, return_cells = inputs
    s = native.Sequence(*given)
    x, H = s.x, native.units(s.h0, s.c0)
    y = native.like_input(x, s.h0.shape[1])
    c, gates = (x.new_empty(0) if part is None else torch.empty_like(part) for part in (s.c0, s.gates0))
    cells = native.like_input(x, H) if return_cells else x.new_empty(0)
    return y, torch.empty_like(s.h0), c, gates, cells, _room_to_save(_call(form, x, reverse, return_cells), x, H)


@torch.library.custom_op("recurra::sequence_backward", mutates_args=())
def _sequence_backward(
    arriving: Sequence[Tensor | None],
    given: Sequence[Tensor | None],
    y: Tensor,
    saved: Tensor,
    needed: Sequence[bool],
    form: str,
    reverse: bool,
    return_cells: bool,
) -> list[Tensor]:
    """The gradients of all tensors that may have one, in their order; empty where not needed."""
    call = _call(form, y, reverse, return_cells)
    tensors = native.contiguous(given)
    found = native.backward(call, tensors, y, saved.data_ptr(), arriving, tuple(needed))
    return [y.new_empty(0) if gradient is None else gradient for gradient in found]


@_sequence_backward.register_fake
def _(_: Any, given: Any, y: Tensor, __: Tensor, needed: Any, *___: Any) -> list[Tensor]:
    x, *others = given[: native.DIFFERENTIABLE]
    dx = native.like_input(x, x.shape[2]) if needed[0] else y.new_empty(0)
    rest = zip(others, needed[1:], strict=True)
    return [dx, *(torch.empty_like(tensor).contiguous() if need else y.new_empty(0) for tensor, need in rest)]


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *given, form, reverse, return_cells = inputs
    ctx.form = (form, reverse, return_cells)
    s = native.Sequence(*given)
    ctx.has = (s.c0 is not None, s.gates0 is not None, return_cells)  # c, gates and cells
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*given, output[0], output[-1])


def _gradients(ctx: Any, dy: Any, dh: Any, *others: Any) -> tuple[Any, ...]:
    *given, y, saved = ctx.saved_tensors
    arriving = [dy, dh, *(gradient if has else None for gradient, has in zip(others[:3], ctx.has, strict=True))]
    needed = [bool(need) for need in ctx.needs_input_grad[: native.DIFFERENTIABLE]]
    found = torch.ops.recurra.sequence_backward(arriving, given, y, saved, needed, *ctx.form)
    gradients = [gradient if need else None for gradient, need in zip(found, needed, strict=True)]
    return (*gradients, *(None for _ in range(len(given) - native.DIFFERENTIABLE + 3)))


_sequence.register_autograd(_gradients, setup_context=_remember)
