"""What a run does: the same for the same seed, the best weights kept, every option felt."""

import random
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from recurra.errors import DataError, SettingsError, TrainingError
from recurra.training.loop import fit, seeded


def test_the_same_seed_gives_the_same_bits(small, same_weights, same_history):
    (first, trained), (second, again) = small.fit(), small.fit()
    assert same_weights(first, second)
    assert same_history(trained, again)


def test_global_state_is_left_alone(small):
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate(), torch.get_num_threads()
    small.fit(threads=torch.get_num_threads() + 1)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()
    assert random.getstate() == states[2]
    assert torch.get_num_threads() == states[3]


def test_the_state_of_the_caller_does_not_matter(small, same_weights):
    torch.manual_seed(1)
    first, _ = small.fit()
    torch.manual_seed(2)
    torch.rand(3)
    second, _ = small.fit()
    assert same_weights(first, second)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 11},
        {"batch_size": 8},
        {"optimizer": "adam"},
        {"optimizer": "sgd"},
        {"learning_rate": 0.02},
        {"schedule": "cosine"},
        {"schedule": "constant"},
        {"clip": 0.01},
        {"l1": 0.01},
        {"l2": 0.1},
        {"average": 0.9},
        {"seed": 1},
    ],
    ids=str,
)
def test_every_option_changes_the_weights(small, same_weights, change):
    assert not same_weights(small.fit()[0], small.fit(**change)[0])


def test_momentum_changes_the_weights(small, same_weights):
    weights = [small.fit(optimizer="sgd", momentum=momentum)[0] for momentum in (0.0, 0.9)]
    assert not same_weights(*weights)


def test_dropout_draws_from_the_seed(small):
    small.dropout = 0.0
    without = small.fit()[1].history[0].loss
    small.dropout = 0.3
    assert small.fit()[1].history[0].loss != without


@pytest.mark.parametrize(("epoch_steps", "expected"), [(5, [5, 10, 12]), (None, [3, 6, 9, 12])])
def test_epochs_end_where_they_should(small, epoch_steps, expected):
    _, trained = small.fit(epoch_steps=epoch_steps)  # 40 examples in batches of 16: a pass is 3 steps
    assert [epoch.step for epoch in trained.history] == expected
    assert [epoch.epoch for epoch in trained.history] == list(range(1, len(expected) + 1))


def test_an_epoch_of_many_examples_ends_after_200_steps(small):
    small.windows.values = small.windows.values.repeat(6, 1)  # 240
    _, trained = small.fit(epoch_steps=None, batch_size=1, steps=201)
    assert [epoch.step for epoch in trained.history] == [200, 201]


def test_threads_are_set_for_the_run(small):
    seen = set()

    def loss(model, batch):
        seen.add(torch.get_num_threads())
        return small.loss(model, batch)

    small.fit(threads=1, steps=1, loss=loss)
    small.fit(threads=2, steps=1, loss=loss)
    assert seen == {1, 2}


def scripted(scores):
    """A validation whose scores are given; it sees the weights at each."""
    scores, seen = iter(scores), []

    def validate(model):
        assert not model.training
        assert not torch.is_grad_enabled()
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return next(scores)

    return validate, seen


def test_early_stopping_keeps_the_best_weights(small):
    validate, seen = scripted([3.0, 1.0, 2.0, 1.0, 0.5])
    model = small.build()
    options = small.options(epoch_steps=2, patience=2)
    trained = fit(model, small.windows, small.loss, options, validate=validate)
    assert trained.stopped == "no gain for 2 validations"
    assert (trained.steps, trained.best.epoch, trained.best.validation) == (8, 2, 1.0)
    assert all(torch.equal(value, seen[1][name]) for name, value in model.state_dict().items())
    assert not torch.equal(seen[1]["head.bias"], seen[3]["head.bias"])


def test_without_patience_the_best_weights_are_kept_too(small):
    validate, seen = scripted([3.0, 1.0, 2.0])
    model = small.build()
    trained = fit(model, small.windows, small.loss, small.options(), validate=validate)
    assert (trained.stopped, trained.steps, trained.best.epoch) == ("finished", 12, 2)
    assert torch.equal(model.head.bias, seen[1]["head.bias"])


def test_without_validation_the_last_weights_are_kept(small):
    model, trained = small.fit(validated=False)
    assert trained.best == trained.history[-1]
    assert trained.best.validation is None
    assert not torch.equal(model.head.bias, small.build().head.bias)
    assert not model.training


def test_the_average_is_what_is_validated_and_kept(small):
    weights = []

    def loss(model, batch):
        if model.training:
            weights.append(model.head.weight.detach().clone())
        return small.loss(model, batch)

    model, _ = small.fit(validated=False, average=0.5, loss=loss)
    last, _ = small.fit(validated=False)
    weights.append(last.head.weight)
    expected = weights[0]
    for step in range(1, 13):
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weights[step]
    torch.testing.assert_close(model.head.weight, expected)


def test_plateau_lowers_the_rate(small):
    validate, _ = scripted([1.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    options = small.options(schedule="plateau", epoch_steps=2)
    trained = fit(small.build(), small.windows, small.loss, options, validate=validate)
    assert [epoch.learning_rate for epoch in trained.history] == [0.01, 0.01, 0.01, 0.01, 0.005, 0.005]


@pytest.mark.parametrize("batch_size", [1, 7, 40, 64])
def test_any_batch_size_works(small, batch_size):
    sizes = []

    def loss(model, batch):
        if model.training:
            sizes.append(len(batch))
        return small.loss(model, batch)

    small.fit(batch_size=batch_size, loss=loss)
    assert sizes == [min(batch_size, 40)] * 12


def test_one_example_is_enough(small):
    small.windows.values = small.windows.values[:1]
    assert small.fit()[1].steps == 12


def test_tied_and_frozen_weights(small, tmp_path, same_weights):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.frozen = nn.Linear(11, 11), nn.Linear(11, 1)
            self.second = nn.Linear(11, 11)
            self.second.weight = self.first.weight
            self.frozen.requires_grad_(False)

        def forward(self, x):
            return self.frozen(self.second(self.first(x))).squeeze(-1)

    def build():
        with seeded(1):
            return Tied()

    frozen = build().frozen.weight
    model, _ = small.fit(model=build())
    saved, _ = small.fit(tmp_path, model=build())
    assert same_weights(model, saved)
    assert torch.equal(model.frozen.weight, frozen)
    assert model.second.weight is model.first.weight


def test_a_run_learns(small):
    small.dropout = 0.0
    _, trained = small.fit(steps=300, epoch_steps=50, learning_rate=0.03)
    assert trained.best.validation < 0.1 * small.windows.values.var()


def test_unresolved_steps_are_refused(small):
    with pytest.raises(SettingsError, match=r"\[train: TrainingOptions.steps\] .* got None"):
        small.fit(steps=None)


def test_patience_without_validation_is_refused(small):
    with pytest.raises(SettingsError, match="early stopping needs held-out data"):
        small.fit(validated=False, patience=2)


def test_no_examples_are_refused(small):
    small.windows.values = small.windows.values[:0]
    with pytest.raises(DataError, match="at least one training example"):
        small.fit()


def test_a_score_that_is_not_finite_is_refused(small):
    with pytest.raises(TrainingError, match="validation score must be finite, got nan at step 4 of 12"):
        fit(small.build(), small.windows, small.loss, small.options(), validate=lambda model: float("nan"))


def test_the_log(small, log_of, tmp_path):
    _, trained = small.fit(tmp_path, log_steps=3)
    lines = log_of(tmp_path)
    assert [line["step"] for line in lines] == [3, 4, 6, 8, 9, 12, 12]
    assert [line["loss"] for line in lines if "epoch" in line] == [epoch.loss for epoch in trained.history]
    assert set(lines[-1]) == {"epoch", "step", "loss", "validation", "learning_rate"}


def test_checkpoints_come_as_often_as_asked(small, tmp_path, monkeypatch):
    steps = []
    monkeypatch.setattr("recurra.training.checkpoint.save", lambda folder, checkpoint: steps.append(checkpoint.step))
    small.fit(Path(tmp_path), checkpoint_steps=5)
    assert steps == [5, 10, 12]


def test_seconds_add_up(small, die_at, killed, tmp_path):
    def slow(model, batch):
        time.sleep(0.02)
        return small.loss(model, batch)

    with pytest.raises(killed):
        small.fit(tmp_path, loss=die_at(7, slow), checkpoint_steps=6)
    _, trained = small.fit(tmp_path)
    assert trained.seconds >= 0.12
