"""A padded batch knows its lengths."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from recurra.data.sequences import Sequences
from recurra.errors import ShapeError


def test_from_list_pads_at_the_end() -> None:
    parts = [torch.randn(n, 2) for n in (3, 0, 5)]
    batch = Sequences.from_list(parts, padding=-1.0)
    assert batch.values.shape == (3, 5, 2)
    assert batch.lengths.tolist() == [3, 0, 5]
    for b, part in enumerate(parts):
        assert torch.equal(batch.values[b, : len(part)], part)
        assert (batch.values[b, len(part) :] == -1).all()
        assert batch.mask[b].tolist() == [True] * len(part) + [False] * (5 - len(part))
    assert len(batch) == 3


def test_whole_numbers_stay_whole() -> None:
    batch = Sequences.from_list([torch.tensor([5, 6]), torch.tensor([7])])
    assert batch.values.dtype == torch.int64
    assert batch.lengths.dtype == torch.int64


def test_to_and_frozen() -> None:
    batch = Sequences(torch.zeros(2, 3), [3, 1]).to("cpu")
    assert batch.values.device == batch.lengths.device == torch.device("cpu")
    with pytest.raises(dataclasses.FrozenInstanceError):
        batch.values = torch.zeros(1, 1)


@pytest.mark.parametrize("lengths", [[4, 1], [-1, 1], [1], [1.0, 2.0], [[1, 2]], [True, False]])
def test_bad_lengths(lengths: list) -> None:
    with pytest.raises(ShapeError, match=r"Sequences\.lengths"):
        Sequences(torch.zeros(2, 3), torch.tensor(lengths))


def test_bad_values() -> None:
    with pytest.raises(ShapeError, match=r"Sequences\.values"):
        Sequences(torch.zeros(3), torch.tensor([1]))
    with pytest.raises(ShapeError, match="at least one"):
        Sequences.from_list([])
    with pytest.raises(ShapeError, match="agree"):
        Sequences.from_list([torch.zeros(3, 2), torch.zeros(3, 1)])
