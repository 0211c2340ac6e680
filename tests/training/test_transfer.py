"""Layers that learn at different rates, and begin to learn one after the other."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recurra.errors import SettingsError
from recurra.training.loop import seeded
from recurra.training.optimizers import build_optimizer, set_rate
from recurra.training.options import TrainingOptions


class Layers(nn.Module):
    """Two recurrent layers and a head; it notes which of its weights learn at each step."""

    def __init__(self):
        super().__init__()
        with seeded(1):
            self.low, self.high = nn.GRU(1, 4, batch_first=True), nn.GRU(4, 4, batch_first=True)
            self.head = nn.Linear(4, 1)
        self.learning = []

    def forward(self, x):  # [B, T] -> [B]
        if self.training:
            self.learning.append([weight.requires_grad for weight in (self.low.weight_hh_l0, self.high.weight_hh_l0)])
        low, _ = self.low(x.unsqueeze(-1))
        high, _ = self.high(low)
        return self.head(high[:, -1]).squeeze(-1)

    def layer_groups(self):
        return [list(part.parameters()) for part in (self.low, self.high, self.head)]


def weights(part):
    return [weight.detach().clone() for weight in part.parameters()]


def equal(some, others):
    return [torch.equal(one, other) for one, other in zip(some, others, strict=True)]


def test_the_rate_falls_from_layer_to_layer():
    model = Layers()
    options = TrainingOptions(steps=1, learning_rate=0.1, optimizer="sgd", momentum=0.0, l2=0.0, rate_divisor=2.6)
    optimizer, before = build_optimizer(model, options), [weights(part) for part in (model.low, model.high, model.head)]
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    set_rate(optimizer, 0.1)
    optimizer.step()
    for part, old, depth in zip((model.low, model.high, model.head), before, (2, 1, 0), strict=True):
        for weight, was in zip(part.parameters(), old, strict=True):
            torch.testing.assert_close(was - weight, torch.full_like(was, 0.1 / 2.6**depth))


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_frozen_layers_do_not_move_by_a_bit(small, optimizer, average):
    model = Layers()
    low, high, head = weights(model.low), weights(model.high), weights(model.head)
    # 12 steps: the head from the first on, the upper layer from the seventh, the lower one never
    small.fit(model=model, validated=False, optimizer=optimizer, average=average, unfreeze=0.5, l1=0.01, l2=0.1)
    assert model.learning == [[False, False]] * 6 + [[False, True]] * 6
    assert all(equal(weights(model.low), low))
    assert not any(equal(weights(model.high), high))
    assert not any(equal(weights(model.head), head))
    assert all(weight.requires_grad for weight in model.parameters()), "the model is left as it came"


def test_no_gradient_is_computed_for_what_is_frozen(small):
    model = Layers()

    def loss(model, windows):
        value = small.loss(model, windows)
        value.register_hook(lambda _: seen.append([weight.grad is None for weight in model.low.parameters()]))
        return value

    seen: list[list[bool]] = []
    small.fit(model=model, unfreeze=1.0, loss=loss)
    assert len(seen) == 12
    assert all(map(all, seen))
    assert all(weight.grad is None for part in (model.low, model.high) for weight in part.parameters())
    assert model.head.weight.grad is not None


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_killed_run_thaws_where_it_would_have(small, die_at, killed, same_weights, tmp_path, optimizer, average):
    options = {"optimizer": optimizer, "average": average, "unfreeze": 0.3, "rate_divisor": 2.0, "checkpoint_steps": 1}
    model, _ = small.fit(model=Layers(), **options)
    for calls in (2, 4, 3):
        with pytest.raises(killed):
            small.fit(tmp_path, model=Layers(), loss=die_at(calls), **options)
    again, _ = small.fit(tmp_path, model=Layers(), **options)
    assert same_weights(model, again)


def test_both_settings_change_what_is_learned(small, same_weights):
    models = [small.fit(model=Layers(), **given)[0] for given in ({}, {"rate_divisor": 2.6}, {"unfreeze": 0.2})]
    assert not any(same_weights(models[one], models[other]) for one, other in ((0, 1), (0, 2), (1, 2)))


def test_one_rate_for_all_layers_is_a_divisor_of_one(small, same_weights):
    (plain, _), (divided, _) = small.fit(model=Layers()), small.fit(model=Layers(), rate_divisor=1.0, unfreeze=0.0)
    for one, other in zip(plain.parameters(), divided.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_model_without_layers_is_refused(small):
    with pytest.raises(SettingsError, match="knows its layer groups"):
        small.fit(rate_divisor=2.6)
