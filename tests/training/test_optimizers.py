"""Optimisers and schedules against torch's own."""

import pytest
import torch
from torch import nn

from recurra.training.optimizers import Plateau, add_l1, build_optimizer, clip, gradient_norm, scheduled_rate
from recurra.training.options import TrainingOptions


def rates(schedule, steps):
    options = TrainingOptions(steps=steps, schedule=schedule, learning_rate=0.5)
    return [scheduled_rate(options, step, Plateau()) for step in range(steps)]


def torch_rates(kind, steps, **arguments):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = kind(optimizer, **arguments)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if len(found) < steps else None
    return found


@pytest.mark.parametrize("steps", [10, 37, 400])
def test_one_cycle_is_that_of_torch(steps):
    arguments = {"max_lr": 0.5, "total_steps": steps, "cycle_momentum": False}
    expected = torch_rates(torch.optim.lr_scheduler.OneCycleLR, steps, **arguments)
    assert rates("one-cycle", steps) == pytest.approx(expected, rel=1e-9)


def test_cosine_is_that_of_torch():
    expected = torch_rates(torch.optim.lr_scheduler.CosineAnnealingLR, 50, T_max=50)
    assert rates("cosine", 50) == pytest.approx(expected, rel=1e-9)


def test_constant():
    assert rates("constant", 3) == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "plateau", "constant"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_short_runs_move(schedule, steps):
    found = rates(schedule, steps)
    assert max(found) > 0.2
    assert all(0 < rate <= 0.5 for rate in found)


def test_plateau_halves_after_three_without_gain():
    plateau = Plateau()
    scales = []
    for score in [5.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 3.0, 4.0]:
        plateau.see(score)
        scales.append(plateau.scale)
    assert scales == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


def one_step(model, options, gradient=0.0):
    optimizer = build_optimizer(model, options)
    for weight in model.parameters():
        weight.grad = torch.full_like(weight, gradient)
    optimizer.step()


@pytest.mark.parametrize(("optimizer", "factor"), [("adamw", 1 - 0.1 * 0.5), ("sgd", 1 - 0.1 * 0.5)])
def test_l2_shrinks_matrices_and_no_vectors(optimizer, factor):
    model = nn.Linear(3, 2)
    weight, bias = model.weight.detach().clone(), model.bias.detach().clone()
    one_step(model, TrainingOptions(optimizer=optimizer, learning_rate=0.1, l2=0.5))
    torch.testing.assert_close(model.weight.detach(), factor * weight)
    assert torch.equal(model.bias, bias)


def test_l2_of_adam_is_a_penalty():
    model = nn.Linear(3, 2)
    weight = model.weight.detach().clone()
    one_step(model, TrainingOptions(optimizer="adam", learning_rate=0.1, l2=0.5))
    torch.testing.assert_close(model.weight.detach(), weight - 0.1 * weight.sign())  # the first step of Adam


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_that_of_torch(momentum):
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    options = TrainingOptions(optimizer="sgd", learning_rate=0.1, momentum=momentum, l2=0.0)
    optimizers = build_optimizer(ours, options), torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=momentum)
    x = torch.randn(8, 3)
    for _ in range(5):
        for model, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_clip_cuts_to_the_norm_and_leaves_short_ones():
    weights = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1, 1))]
    weights[0].grad, weights[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])
    assert gradient_norm(weights) == 5.0
    clip(weights, 5.0, 6.0)
    clip(weights, 5.0, None)
    assert gradient_norm(weights) == 5.0
    clip(weights, 5.0, 1.0)
    assert gradient_norm(weights) == pytest.approx(1.0, rel=1e-5)


def test_l1_is_the_gradient_of_the_absolute_values():
    weight = nn.Parameter(torch.tensor([[2.0, -3.0, 0.0]]))
    weight.grad = torch.zeros(1, 3)
    add_l1([weight], 0.25)
    assert weight.grad.tolist() == [[0.25, -0.25, 0.0]]
