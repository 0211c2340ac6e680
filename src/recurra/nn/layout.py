"""The forms in which torch's recurrent layers take a batch, and the way back from ``[T, B, ·]``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from recurra.errors import ShapeError
from recurra.ops.scan import valid_lengths


@dataclass(frozen=True)
class Layout:
    """How the caller's batch was laid out."""

    batch_first: bool
    batched: bool
    packed: PackedSequence | None = None
    packed_lengths: Tensor | None = None  # [B], in the order of the batch

    def restore(self, y: Tensor) -> Tensor | PackedSequence:
        """``y [T, B, ·]`` in the caller's layout."""
        if self.packed is not None and self.packed_lengths is not None:
            return _pack_like(y, self.packed, self.packed_lengths)
        if not self.batched:
            return y.squeeze(1)
        return y.transpose(0, 1) if self.batch_first else y


_OF_BATCHES = Layout(False, batched=True), Layout(True, batched=True)  # to make one would cost a microsecond


def read_layout(
    where: str, given: Tensor | PackedSequence, lengths: Tensor | Sequence[int] | None, batch_first: bool
) -> tuple[Tensor, Tensor | None, Layout]:
    """The batch as ``[T, B, D]``, its lengths ``[B]`` (None when all are full), and the way back."""
    if isinstance(given, PackedSequence):
        if lengths is not None:
            raise ShapeError(f"{where}.lengths", "must be absent with a PackedSequence, which has its own.")
        x, own = pad_packed_sequence(given)
        return x, valid_lengths(own, x), Layout(batch_first, True, given, own)
    if given.dim() == 2:
        if lengths is not None:
            raise ShapeError(f"{where}.lengths", "must be absent without a batch axis. Cut the sequence instead.")
        return given.unsqueeze(1), None, Layout(batch_first, False)
    if given.dim() != 3:
        raise ShapeError(f"{where}.input", f"must have 2 axes (unbatched) or 3, got {list(given.shape)}.")
    x = given.transpose(0, 1) if batch_first else given
    return x, None if lengths is None else valid_lengths(lengths, x), _OF_BATCHES[batch_first]


def _pack_like(y: Tensor, packed: PackedSequence, lengths: Tensor) -> PackedSequence:
    if packed.sorted_indices is not None:
        y = y.index_select(1, packed.sorted_indices)
        lengths = lengths[packed.sorted_indices.cpu()]
    data, batch_sizes, _, _ = pack_padded_sequence(y, lengths)
    return PackedSequence(data, batch_sizes, packed.sorted_indices, packed.unsorted_indices)
