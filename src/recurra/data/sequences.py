"""A padded batch of sequences of unequal length."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from recurra.errors import ShapeError


@dataclass(frozen=True, eq=False)
class Sequences:
    """A batch ``values [B, T, ...]`` whose sequence b has ``lengths[b]`` real steps, then padding to T.

    ``lengths`` is an int64 tensor ``[B]`` on the device of ``values``, each from 0 to T; a list is taken too. Anything
    else is a :class:`ShapeError`.

    >>> batch = Sequences.from_list([torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0])])
    >>> batch.values
    tensor([[1., 2., 3.],
            [4., 0., 0.]])
    >>> batch.mask
    tensor([[ True,  True,  True],
            [ True, False, False]])
    """

    values: Tensor
    lengths: Tensor

    def __post_init__(self) -> None:
        if self.values.dim() < 2:
            raise ShapeError("Sequences.values", f"must be [B, T, ...], got {list(self.values.shape)}.")
        object.__setattr__(self, "lengths", _valid_lengths(torch.as_tensor(self.lengths), self.values))

    @classmethod
    def from_list(cls, sequences: Iterable[Tensor], padding: float = 0.0) -> Sequences:
        """Pad sequences ``[T_b, ...]`` that agree in all but their first axis, to the longest."""
        parts = list(sequences)
        if not parts:
            raise ShapeError("Sequences.from_list", "needs at least one sequence, got none.")
        if any(part.dim() == 0 or part.shape[1:] != parts[0].shape[1:] for part in parts):
            shapes = sorted({tuple(part.shape) for part in parts})
            raise ShapeError("Sequences.from_list", f"shapes must agree after the first axis, got {shapes}.")
        lengths = torch.tensor([len(part) for part in parts], device=parts[0].device)
        return cls(torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=padding), lengths)

    @property
    def mask(self) -> Tensor:
        """``[B, T]``, true on real steps."""
        return torch.arange(self.values.shape[1], device=self.values.device) < self.lengths[:, None]

    def __len__(self) -> int:
        return len(self.values)

    def to(self, device: torch.device | str) -> Sequences:
        """Move both tensors to a device."""
        return Sequences(self.values.to(device), self.lengths.to(device))


def _valid_lengths(lengths: Tensor, values: Tensor) -> Tensor:
    B, T = values.shape[:2]
    if lengths.shape != (B,) or lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise ShapeError("Sequences.lengths", f"must be {B} whole numbers, got {lengths.dtype} {list(lengths.shape)}.")
    if B and (int(lengths.min()) < 0 or int(lengths.max()) > T):
        low, high = int(lengths.min()), int(lengths.max())
        raise ShapeError("Sequences.lengths", f"must lie between 0 and T = {T}, got {low} to {high}.")
    return lengths.to(device=values.device, dtype=torch.int64)
