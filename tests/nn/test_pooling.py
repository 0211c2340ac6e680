"""Pooling and fronts: values against loops, and that padding leaves no trace."""

from __future__ import annotations

import pytest
import torch

from recurra.nn.front import Convolution, SymbolEmbedding
from recurra.nn.pooling import Pooling

LENGTHS = torch.tensor([5, 1, 3, 0])
MASK = torch.arange(5) < LENGTHS[:, None]


@pytest.fixture
def outputs() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(4, 5, 3) * MASK[..., None]


def test_mean_and_maximum_are_those_of_the_real_steps(outputs):
    outputs = outputs - 5 * MASK[..., None]  # all negative: padding would win a maximum
    mean, _ = Pooling("mean", 3)(outputs, MASK, torch.zeros(4, 3))
    most, _ = Pooling("max", 3)(outputs, MASK, torch.zeros(4, 3))
    for b, length in enumerate(LENGTHS.tolist()):
        real = outputs[b, :length]
        torch.testing.assert_close(mean[b], real.mean(0) if length else torch.zeros(3))
        torch.testing.assert_close(most[b], real.max(0).values if length else torch.zeros(3))


def test_attention_is_a_weighted_mean_of_the_real_steps(outputs):
    pool = Pooling("attention", 3)
    pooled, weights = pool(outputs, MASK, torch.zeros(4, 3))
    for b, length in enumerate(LENGTHS.tolist()):
        real = outputs[b, :length]
        scores = torch.tanh(real @ pool.hidden.weight.T + pool.hidden.bias) @ pool.score.weight[0]
        expected = torch.softmax(scores, dim=0)
        torch.testing.assert_close(weights[b, :length], expected)
        torch.testing.assert_close(pooled[b], expected @ real)
    assert not weights[~MASK].any()


def test_last_is_the_final_state(outputs):
    last = torch.randn(4, 3)
    assert Pooling("last", 3)(outputs, MASK, last)[0] is last


def test_concat_is_last_maximum_and_mean(outputs):
    last = torch.randn(4, 3)
    pool = Pooling("concat", 3)
    pooled, _ = pool(outputs, MASK, last)
    for b, length in enumerate(LENGTHS.tolist()):
        real = outputs[b, :length] if length else torch.zeros(1, 3)
        torch.testing.assert_close(pooled[b], torch.cat([last[b], real.max(0).values, real.mean(0)]))
    assert pooled.shape[1] == pool.output_size == 9


@pytest.mark.parametrize("kind", ["mean", "max", "attention", "concat"])
def test_gradients_are_finite_also_for_a_sequence_without_steps(outputs, kind):
    pool = Pooling(kind, 3)
    outputs.requires_grad_()
    pool(outputs, MASK, torch.zeros(4, 3))[0].sum().backward()
    assert torch.isfinite(outputs.grad).all()


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_convolution_never_sees_padding(stride):
    torch.manual_seed(0)
    front = Convolution(2, 4, stride)
    values = torch.randn(3, 9, 2)
    lengths = torch.tensor([9, 4, 1])
    values *= (torch.arange(9) < lengths[:, None])[..., None]
    together, shorter = front(values, lengths)
    for b, length in enumerate(lengths.tolist()):
        alone, own = front(values[b : b + 1, :length], torch.tensor([length]))
        assert own.tolist() == [-(-length // stride)] == [shorter[b]]
        torch.testing.assert_close(together[b, : own[0]], alone[0])
        assert not together[b, own[0] :].any()


def test_symbols_are_left_out_in_training_only():
    torch.manual_seed(0)
    embedding = SymbolEmbedding(10, 6, dropout=0.5, symbol_dropout=0.5)
    ids = torch.tensor([[2, 3, 4, 5, 0, 0]] * 50)
    embedding.eval()
    torch.testing.assert_close(embedding(ids), embedding.table.weight[ids])
    embedding.train()
    seen = embedding(ids)
    kept = seen.abs().sum(dim=1) > 0  # [B, E] a feature is there at all steps of a sequence or at none
    real = seen[:, :4].detach()
    expected = embedding.table.weight[ids[:, :4]].detach() * 2 * kept[:, None]
    unknown = embedding.table.weight[1].detach() * 2 * kept[:, None]
    same, left_out = (torch.isclose(real, one).all(-1) for one in (expected, unknown.expand_as(real)))
    assert (same | left_out).all()
    assert 0.35 < left_out.float().mean() < 0.65
    assert 0.35 < kept.float().mean() < 0.65
    assert not seen[:, 4:].any()
