"""The masks of all random options: what is drawn, how often, and from which generator."""

import pytest
import torch

from recurra.ops import native
from recurra.ops.scan import dropout_mask, keep_mask

compiled_only = pytest.mark.skipif(native.module is None, reason="the compiled kernels were not built")
LIKE = {dtype: torch.zeros(1, dtype=dtype) for dtype in (torch.float32, torch.float64)}


def philox(counter: int, key: int) -> list[int]:
    """Philox4x32-10 as Salmon et al. 2011 define it, a number at a time."""
    low = 0xFFFFFFFF
    x = [counter & low, counter >> 32 & low, 0, 0]
    k = [key & low, key >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [b >> 32 ^ x[1] ^ k[0], b & low, a >> 32 ^ x[3] ^ k[1], a & low]
        k = [k[0] + 0x9E3779B9 & low, k[1] + 0xBB67AE85 & low]
    return x


def test_philox_is_the_published_one():
    """The first of the authors' known answers (Random123, ``kat_vectors``)."""
    assert philox(0, 0) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


@compiled_only
@pytest.mark.parametrize("dtype", LIKE, ids=str)
@pytest.mark.parametrize("count", [1, 63, 64, 100, 300])
def test_coins_are_philox(count, dtype):
    coins = torch.full((count + 1,), torch.nan, dtype=dtype)
    seed, z = 0x0123456789ABCDEF, 0.3
    native.module.toss(dtype == torch.float64, coins.data_ptr(), count, z, 1.5, seed, 1)
    numbers = [philox(16 * (k // 64) + k % 16, seed)[k % 64 // 16] for k in range(count)]
    assert coins[:count].tolist() == [1.5 if number < int(z * 2**32) else 0.0 for number in numbers]
    assert coins[count].isnan(), "it wrote beyond the end"


@compiled_only
def test_threads_do_not_matter():
    found = []
    for threads in (1, 2, 3):
        coins = torch.empty(200_001)
        native.module.toss(False, coins.data_ptr(), len(coins), 0.5, 1.0, 7, threads)
        found.append(coins)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("dtype", LIKE, ids=str)
@pytest.mark.parametrize("z", [0.02, 0.3, 0.9])
def test_how_often(z, dtype):
    torch.manual_seed(0)
    n = 300_000
    coins = keep_mask((n,), z, LIKE[dtype])
    assert set(coins.unique().tolist()) == {0.0, 1.0}
    bound = 5 * (z * (1 - z) / n) ** 0.5  # five standard deviations
    assert abs(coins.mean().item() - z) < bound
    neighbours = (coins[1:] * coins[:-1]).mean().item()
    assert abs(neighbours - z * z) < 10 * (z * z * (1 - z * z) / n) ** 0.5, "neighbours are not independent"


def test_dropout_keeps_the_mean():
    torch.manual_seed(0)
    mask = dropout_mask((1000, 100), 0.2, LIKE[torch.float32])
    assert torch.allclose(mask.unique(), torch.tensor([0.0, 1.25]))
    assert abs(mask.mean().item() - 1) < 0.01


def test_the_seed_is_torchs():
    def draw() -> torch.Tensor:
        return keep_mask((50,), 0.5, LIKE[torch.float32])

    torch.manual_seed(3)
    first, second = draw(), draw()
    torch.manual_seed(3)
    assert torch.equal(first, draw())
    assert not torch.equal(first, second)
