"""Checks that every operator makes, and the choice of its kernel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from torch import Tensor

from recurra.errors import SettingsError, ShapeError, nearest
from recurra.ops.native import can_take, is_transformed, module
from recurra.types import State

Kernel: TypeAlias = Literal["reference", "aten", "cpu", "cpu-bfloat16"]


def check_probability(where: str, value: float) -> None:
    """Refuse what is not in ``[0, 1)``."""
    if not 0 <= value < 1:
        raise SettingsError(where, f"a probability must be at least 0 and below 1, got {value}.")


def check_sequence(op: str, x: Tensor, state: State, weight: Tensor, state_sizes: Sequence[int]) -> None:
    """Refuse an ``x [T, B, D]`` or a state ``[B, ·]`` that does not fit ``weight [G, D]``."""
    D = weight.shape[1]
    if x.dim() != 3 or x.shape[2] != D:
        raise ShapeError(f"{op}.x", f"must be [T, B, {D}], got {list(x.shape)}.")
    if x.dtype != weight.dtype:
        raise ShapeError(f"{op}.x", f"must have the weights' dtype {weight.dtype}, got {x.dtype}. Convert one of them.")
    expected = [(x.shape[1], size) for size in state_sizes]
    if [tuple(part.shape) for part in state] != expected:
        raise ShapeError(f"{op}.state", f"must be {expected}, got {[tuple(part.shape) for part in state]}.")
    if any(part.dtype != x.dtype for part in state):
        raise ShapeError(f"{op}.state", f"must have the dtype of x, {x.dtype}, got {[part.dtype for part in state]}.")


def choose_kernel(op: str, kernel: Kernel | None, x: Tensor, others: Iterable[Tensor | None], *, plain: bool) -> Kernel:
    """The fastest kernel that computes the form at hand: compiled, torch's fused one, or the reference.

    ``kernel`` forces one. The compiled one, ``"cpu"``, computes every form, and must be able to take ``x`` and the
    other tensors; as ``"cpu-bfloat16"`` it keeps what backward needs of float32 in half the memory, but for forms whose
    steps go in parts. ``plain`` says whether torch's computes this one.
    """
    if kernel is None:
        if can_take(x, *others):
            return "cpu"
        return "aten" if plain and not is_transformed() and x.numel() else "reference"
    compiled = module is not None
    able = {"cpu": compiled, "cpu-bfloat16": compiled, "aten": plain, "reference": True}
    if kernel not in able:
        raise SettingsError(f"{op}.kernel", f"there is no kernel {kernel!r}. {nearest(kernel, tuple(able))}")
    if not able[kernel]:
        raise SettingsError(f"{op}.kernel", f"{kernel!r} does not compute this form here. Use 'reference'.")
    return kernel
