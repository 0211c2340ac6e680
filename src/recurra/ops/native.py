"""The compiled kernels: whether they are here, what they take, and a whole sequence as a differentiable function."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable
from collections.abc import Sequence as Sequenced
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad


def _load() -> ModuleType | None:
    """The compiled module, or None where the package was built without a compiler, which is said once."""
    try:
        return importlib.import_module("recurra._native")  # by name: an import statement would be one of the package
    except ModuleNotFoundError:
        warnings.warn(
            "[recurra.ops] the compiled kernels were not built, as there was no C++ compiler: layers use slower ones. "
            "Install g++ or clang, then reinstall recurra.",
            stacklevel=2,
        )
        return None


module: Any = _load()


def isa() -> str | None:
    """The instruction set of the compiled kernels on this machine, or None if they are not installed.

    ``RECURRA_ISA`` in the environment forces one of ``avx512``, ``avx2``, ``baseline``.
    """
    return None if module is None else str(module.isa())


class Sequence(NamedTuple):
    """The tensors of one layer in one direction; all that may have a gradient come first."""

    x: Tensor  # [T, B, D]
    h0: Tensor  # [B, P]
    w_input: Tensor  # [G, D]
    w_recurrent: Tensor  # [G, P]
    c0: Tensor | None = None  # [B, H]
    bias_input: Tensor | None = None  # [G]
    bias_recurrent: Tensor | None = None  # [G]
    peephole: Tensor | None = None  # [K, H]
    norm_input: Tensor | None = None  # [G], layer norm's gain over W x
    norm_recurrent: Tensor | None = None  # [G], over U h
    norm_cell: Tensor | None = None  # [H], over c
    norm_cell_bias: Tensor | None = None  # [H]
    w_projection: Tensor | None = None  # [P, H]; P is H without
    w_cell: Tensor | None = None  # [C, H], of the cell state: full peepholes, the candidate's own
    bias_cell: Tensor | None = None  # [C]
    w_gates: Tensor | None = None  # [K H, K H], of the last gates
    gates0: Tensor | None = None  # [B, K H]
    keep_h: Tensor | None = None  # [T, B, P]
    keep_c: Tensor | None = None  # [T, B, H]
    drop_h: Tensor | None = None  # [B, P]
    lengths: Tensor | None = None  # [B] int64


DIFFERENTIABLE = 17  # of the tensors
PLAIN = (Tensor, torch.nn.Parameter)
_DTYPES, _STRIDED = (torch.float32, torch.float64), torch.strided
# Asked before each step of a stream, so looked up once.
_is_compiling, _dispatch_modes = torch.compiler.is_compiling, torch._C._len_torch_dispatch_stack
_transformation = torch._C._functorch.peek_interpreter_stack

# y [T, B, P], h [B, P], c [B, H], gates [B, K H], cells [T, B, H]
Result = tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]


NO_PEEPHOLES = (-1, -1, -1)


@dataclass(frozen=True)
class Call:
    """What is the same for all tensors: the operator, and how to say it in torch's own operations."""

    operator: Any
    reference: Callable[[Sequence], Result]
    """The same function of the same tensors, for the derivative of the derivative."""
    reverse: bool
    return_cells: bool = False
    peepholes: tuple[int, int, int] = NO_PEEPHOLES
    """Rows of the peephole weights for i, f, o; -1 for none."""
    brief: bool = False
    """Whether what backward needs may be kept as bfloat16."""


def can_take(x: Tensor, *others: Tensor | None) -> bool:
    """Whether the compiled kernels can run on these tensors, here and now.

    They read memory: what has none (tensors of torch.func) or is watched on its way through torch's operators
    (forward-mode derivatives, dispatch modes) goes to a kernel that is made of those. A tracer sees one operator.
    """
    dtype = x.dtype
    if module is None or dtype not in _DTYPES:
        return False
    if _is_compiling():
        return all(tensor.is_cpu and tensor.dtype == dtype for tensor in (x, *others) if tensor is not None)
    if not (is_unwatched() and is_plain(x, dtype) and x.numel()):
        return False
    return all(is_plain(tensor, dtype) for tensor in others if tensor is not None)


def toss(shape: tuple[int, ...], probability: float, value: float, like: Tensor) -> Tensor:
    """Independent coins: ``value`` with the given probability, else 0, of the dtype and device of ``like``.

    The compiled kernel takes one number from torch's generator as its seed, which is 5 to 10 times as fast as to take
    one for each coin; where it cannot be used, torch tosses them.
    """
    if not can_take(like) or _is_compiling():
        return torch.empty(shape, dtype=like.dtype, device=like.device).bernoulli_(probability).mul_(value)
    coins = torch.empty(shape, dtype=like.dtype)
    seed, f64 = int(torch.empty((), dtype=torch.int64).random_()), like.dtype == torch.float64
    module.toss(f64, coins.data_ptr(), coins.numel(), probability, value, seed, torch.get_num_threads())
    return coins


def is_transformed() -> bool:
    """Whether torch.func is at work, some of whose rules torch's fused recurrent operators lack."""
    return _transformation() is not None


def is_unwatched() -> bool:
    """Whether nothing but a tracer looks on: no transformation, dispatch mode or forward-mode derivative."""
    return _transformation() is None and not _dispatch_modes() and forward_ad._current_level < 0


def is_plain(tensor: Tensor, dtype: torch.dtype) -> bool:
    """Whether a tensor is numbers of this type in the processor's memory, and nothing else."""
    return type(tensor) in PLAIN and tensor.dtype is dtype and tensor.is_cpu and tensor.layout is _STRIDED


def run(call: Call, sequence: Sequence) -> Result:
    """All steps of one layer in one direction."""
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in sequence[:DIFFERENTIABLE]):
        present = [t for t in sequence if t is not None]  # each more would cost time, there and back
        places = tuple([k for k, t in enumerate(sequence) if t is not None])
        y, h, c, gates, cells = _Differentiable.apply(call, places, *present)  # type: ignore[no-untyped-call]
    else:
        y, h, c, gates, cells = forward(call, contiguous(sequence), 0)
    return y, h, c, gates, cells


class _Differentiable(torch.autograd.Function):
    """The tensors that there are, and the places that they have in a :class:`Sequence`."""

    @staticmethod
    def forward(ctx: Any, call: Call, places: tuple[int, ...], *present: Tensor) -> Result:
        sequence = contiguous(_at_their_places(places, present))
        all_given = given(sequence, call)
        saved = module.Block(call.operator.saved_bytes(all_given))
        results = forward(call, sequence, saved.address, all_given)
        ctx.call, ctx.places, ctx.saved = call, places, saved
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*present, results[0])
        return results

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor | None) -> Any:
        *present, y = ctx.saved_tensors
        places = ctx.places
        tensors = _at_their_places(places, present)
        needed = [False] * DIFFERENTIABLE
        for k, need in zip(places, ctx.needs_input_grad[2:], strict=True):
            if need:
                needed[k] = True
        if torch.is_grad_enabled():  # somebody will differentiate the derivative
            gradients = by_reference(lambda: ctx.call.reference(Sequence(*tensors)), tensors, needed, arriving)
        else:
            gradients = backward(ctx.call, contiguous(tensors), y, ctx.saved.address, arriving, needed)
        return (None, None, *[gradients[k] if k < DIFFERENTIABLE else None for k in places])


def _at_their_places(places: tuple[int, ...], present: Iterable[Tensor]) -> list[Any]:
    tensors: list[Any] = [None] * len(Sequence._fields)
    for k, tensor in zip(places, present, strict=True):
        tensors[k] = tensor
    return tensors


def contiguous(tensors: Any) -> list[Any]:
    """Only the steps may have strides, and only those of time and row."""
    x, *others = tensors
    if x.stride(2) != 1:
        x = x.contiguous()
    return [x, *[None if tensor is None else tensor.contiguous() for tensor in others]]


def address_of(tensor: Tensor | None) -> int:
    """Where a dense tensor lies; 0 for none."""
    return 0 if tensor is None else tensor.data_ptr()


def steps_of(tensor: Tensor | None) -> tuple[int, int, int]:
    """Where ``[T, B, ·]`` lies, and how far steps and rows are apart."""
    if tensor is None:
        return (0, 0, 0)
    time, row, _ = tensor.stride()
    return tensor.data_ptr(), time, row


def given(tensors: list[Any], call: Call) -> Any:
    """All tensors of a call, as the compiled module takes them."""
    x, h0, w_input, w_recurrent, c0, bias_input, bias_recurrent, peephole, *others = tensors[:DIFFERENTIABLE]
    keep_h, keep_c, drop_h, lengths = tensors[DIFFERENTIABLE:]
    T, B, D = x.shape
    weights = (w_input, w_recurrent, bias_input, bias_recurrent, h0, c0)
    return module.Given(
        (T, B, D, units(h0, c0), h0.shape[1]),
        address_of(lengths),
        call.reverse,
        call.brief,
        torch.get_num_threads(),
        steps_of(x),
        (*map(address_of, weights), *_rows(peephole, call.peepholes), *map(address_of, others)),
        masks_of(keep_h, keep_c, drop_h),
    )


def masks_of(
    keep_h: Tensor | None = None, keep_c: Tensor | None = None, drop_h: Tensor | None = None
) -> tuple[tuple[int, int, int], ...]:
    """Where the masks of one layer and direction lie; that of drop_h is the same at each step."""
    dropped = (0, 0, 0) if drop_h is None else (drop_h.data_ptr(), 0, drop_h.stride(0))
    return steps_of(keep_h), steps_of(keep_c), dropped


def _rows(peephole: Tensor | None, rows: tuple[int, int, int]) -> tuple[int, int, int]:
    """The addresses of the peepholes of i, f, o."""
    if peephole is None:
        return (0, 0, 0)
    first, step = peephole.data_ptr(), peephole.stride(0) * peephole.element_size()
    i, f, o = (0 if row < 0 else first + row * step for row in rows)
    return i, f, o


def like_input(x: Tensor, features: int) -> Tensor:
    """Room for ``[T, B, features]`` that lies in memory as ``x`` does, batch first or time first."""
    T, B, _ = x.shape
    if B > 1 and x.stride(1) > x.stride(0):
        return x.new_empty(B, T, features).transpose(0, 1)
    return x.new_empty(T, B, features)


def units(h0: Tensor, c0: Tensor | None) -> int:
    """H, which h has not under projection."""
    return (h0 if c0 is None else c0).shape[1]


def saved_of_a_row(call: Call, H: int) -> tuple[int, int]:
    """Elements that forward saves for each step of a row, and once."""
    none, size = (0, 0, 0), 8 if call.operator.f64 else 4
    rows = [module.Given((T, 1, 1, H, H), 0, False, False, 1, none, (0,) * 18, masks_of()) for T in (1, 2)]
    one, two = (int(call.operator.saved_bytes(row)) // size for row in rows)
    return two - one, 2 * one - two


def forward(call: Call, tensors: list[Any], saved: int, all_given: Any = None) -> Result:
    """Run the kernel; ``saved`` is the address of room for what backward needs, or 0."""
    x, h0, c0, gates0 = tensors[0], tensors[1], tensors[4], tensors[16]
    y = like_input(x, h0.shape[1])
    h = torch.empty_like(h0)
    c = None if c0 is None else torch.empty_like(c0)
    gates = None if gates0 is None else torch.empty_like(gates0)
    cells = like_input(x, units(h0, c0)) if call.return_cells else None
    all_given = given(tensors, call) if all_given is None else all_given
    finals = (h.data_ptr(), address_of(c), address_of(gates))
    call.operator.forward(all_given, steps_of(y), steps_of(cells), finals, saved)
    return y, h, c, gates, cells


def backward(
    call: Call, tensors: list[Any], y: Tensor, saved: int, arriving: Any, needed: tuple[bool, ...] | list[bool]
) -> list[Tensor | None]:
    """The gradients of the tensors that need one, of those that arrive for y, h, c, gates and cells."""
    dy, *dstate, dcells = (dense(gradient) for gradient in arriving)
    x, *_ = tensors
    dx = like_input(x, x.shape[2]) if needed[0] else None
    others = [torch.empty_like(tensors[k]) if needed[k] else None for k in range(1, DIFFERENTIABLE)]
    dh0, dw_input, dw_recurrent, dc0, db_input, db_recurrent, dpeephole, *rest = others
    dnorms, dprojection, dproducts = rest[:4], rest[4], rest[5:]
    P, H = tensors[1].shape[1], units(tensors[1], tensors[4])
    dprojected, hidden = (None if dprojection is None else x.new_zeros(*x.shape[:2], n) for n in (P, H))
    results = (dh0, dc0, dw_input, dw_recurrent, db_input, db_recurrent)
    call.operator.backward(
        given(tensors, call),
        (steps_of(y), steps_of(dy), steps_of(dcells)),
        tuple(map(address_of, dstate)),
        saved,
        (steps_of(dx), steps_of(dprojected), steps_of(hidden)),
        (*map(address_of, results), *_rows(dpeephole, call.peepholes), *map(address_of, [*dnorms, *dproducts])),
    )
    if dprojection is not None and dprojected is not None and hidden is not None:
        torch.mm(dprojected.flatten(0, 1).t(), hidden.flatten(0, 1), out=dprojection)
    return [dx, *others]


def dense(gradient: Tensor | None) -> Tensor | None:
    """A gradient whose features are neighbours; those of a sum come expanded from a single number."""
    if gradient is None or (gradient.dim() == 3 and gradient.stride(2) == 1):
        return gradient
    return gradient.contiguous()


def by_reference(
    reference: Callable[[], Iterable[Tensor | None]],
    tensors: Sequenced[Any],
    needed: Sequenced[bool],
    arriving: Iterable[Tensor | None],
) -> list[Tensor | None]:
    """The gradients of the tensors that need one, themselves differentiable: those of what ``reference`` makes."""
    with torch.enable_grad():
        reached = [(o, g) for o, g in zip(reference(), arriving, strict=True) if o is not None and g is not None]
        wanted = [tensor for tensor, need in zip(tensors, needed, strict=False) if need]
        found = iter(
            torch.autograd.grad(
                [o for o, _ in reached], wanted, [g for _, g in reached], create_graph=True, allow_unused=True
            )
        )
    return [next(found) if need else None for need in needed]
