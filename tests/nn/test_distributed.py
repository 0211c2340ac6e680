"""Data-parallel training: two processes with half of the batch each have the gradients of the whole batch."""

import pytest
import torch
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

from recurra.nn import LSTM
from tolerances import assert_close

pytestmark = pytest.mark.skipif(not distributed.is_available(), reason="torch was built without torch.distributed")
LENGTHS = torch.tensor([5, 2, 4, 0])


def build() -> LSTM:
    torch.manual_seed(0)
    return LSTM(3, 8, 2, bidirectional=True, batch_first=True, peephole="diagonal")


def batch() -> torch.Tensor:
    return torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(1))


def take_part(rank: int, meeting_place: str, results) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting_place}", rank=rank, world_size=2)
    layer = build()
    parallel = DistributedDataParallel(layer)
    for _ in range(2):  # a second pass finds the buckets built anew
        layer.zero_grad()
        y, _ = parallel(batch()[rank::2], lengths=LENGTHS[rank::2])
        y.square().sum().backward()
    results[rank] = {name: weight.grad for name, weight in layer.named_parameters()}
    distributed.destroy_process_group()


def test_gradients_are_those_of_the_whole_batch(tmp_path):
    with multiprocessing.get_context("spawn").Manager() as manager:
        results = manager.dict()
        multiprocessing.spawn(take_part, (str(tmp_path / "meeting"), results), nprocs=2)
        found = [dict(results[rank]) for rank in range(2)]
    layer = build()
    y, _ = layer(batch(), lengths=LENGTHS)
    (y.square().sum() / 2).backward()  # the processes' mean
    for name, weight in layer.named_parameters():
        assert torch.equal(found[0][name], found[1][name])
        assert_close(found[0][name], weight.grad, "gradient")
