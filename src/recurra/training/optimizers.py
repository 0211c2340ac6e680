"""Optimisers, schedules of the learning rate, and what is done to a gradient before a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from recurra.errors import SettingsError
from recurra.training.options import L2, TrainingOptions

_PLATEAU_VALIDATIONS = 3  # without a gain, then the rate is halved


def weights_of(model: nn.Module) -> list[nn.Parameter]:
    """The trained matrices of a model: what L1 and L2 act upon. Biases, gains and other vectors are left alone."""
    return [weight for weight in model.parameters() if weight.requires_grad and weight.ndim > 1]


@runtime_checkable
class Layered(Protocol):
    """A model whose layers learn at different rates, and begin to learn one after the other."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """All parameters, each once, in groups from the input upwards to the head."""
        ...


def layer_groups(model: nn.Module, options: TrainingOptions) -> list[list[nn.Parameter]]:
    """The groups of parameters from the head downwards; a model whose layers all learn alike is one group."""
    if options.rate_divisor is None and options.unfreeze is None:
        return [list(model.parameters())]
    if not isinstance(model, Layered):
        raise SettingsError(
            "TrainingOptions.rate_divisor",
            "needs a model that knows its layer groups, this one does not. Leave it out.",
        )
    return model.layer_groups()[::-1]


def unfreeze(groups: Sequence[Sequence[nn.Parameter]], options: TrainingOptions, step: int) -> None:
    """Let those groups learn whose turn has come at a step: one more, from the head down, in each share of the run.

    What is frozen has no gradient, none is computed for it, and no optimiser moves it. Gradual unfreezing: Howard &
    Ruder 2018.
    """
    assert options.steps is not None
    share = options.unfreeze or 0.0
    for depth, group in enumerate(groups):
        for weight in group:
            weight.requires_grad_(step >= depth * share * options.steps)


def build_optimizer(model: nn.Module, options: TrainingOptions) -> Optimizer:
    """Build torch's own optimiser over the trained parameters, in its fused form, which is the fastest one.

    The rate of each layer group is that of the one above it by ``rate_divisor`` (Howard & Ruder 2018).
    """
    groups: list[dict[str, Any]] = []
    for depth, group in enumerate(layer_groups(model, options)):
        trained = [weight for weight in group if weight.requires_grad]
        matrices = [weight for weight in trained if weight.ndim > 1]
        vectors = [weight for weight in trained if weight.ndim <= 1]
        share = (options.rate_divisor or 1.0) ** -depth
        groups.append({"params": matrices, "weight_decay": L2 if options.l2 is None else options.l2, "share": share})
        groups.append({"params": vectors, "weight_decay": 0.0, "share": share})
    groups = [group for group in groups if group["params"]]
    assert options.learning_rate is not None
    rate, fused = options.learning_rate, _can_fuse(model)
    if options.optimizer == "sgd":
        return SGD(groups, lr=rate, momentum=options.momentum, fused=fused)
    if options.optimizer == "adam":
        return Adam(groups, lr=rate, fused=fused)
    return AdamW(groups, lr=rate, fused=fused)


def _can_fuse(model: nn.Module) -> bool:
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return all(weight.is_floating_point() and weight.device.type in ("cpu", "cuda") for weight in trained)


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """The state of an optimiser by ``number/name``, not copied."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}/{name}": value
        for number, values in state.items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def set_optimizer_tensors(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give an optimiser the state that :func:`optimizer_tensors` read."""
    state: dict[int, dict[str, Tensor]] = {}
    for path, value in tensors.items():
        number, name = path.split("/")
        state.setdefault(int(number), {})[name] = value.clone()
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of the next step, that of the highest layers; the others have a share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def scheduled_rate(options: TrainingOptions, step: int, plateau: Plateau) -> float:
    """Return the learning rate of a step, counted from 0; ``options`` are resolved.

    one-cycle: a cosine rise from 1/25 of the highest rate over 30 % of the run, then a cosine fall to 1/250000
    (Smith 2018, the values of torch's ``OneCycleLR``). cosine: a fall from the highest rate to zero (Loshchilov 2017).
    plateau: halved after 3 validations without a gain.
    """
    assert options.steps is not None
    assert options.learning_rate is not None
    if options.schedule == "one-cycle":
        return options.learning_rate * _one_cycle(step, options.steps)
    if options.schedule == "cosine":
        return options.learning_rate * _between(1.0, 0.0, step / options.steps)
    if options.schedule == "plateau":
        return options.learning_rate * plateau.scale
    return options.learning_rate


def _one_cycle(step: int, steps: int) -> float:
    last = steps - 1
    top = max(0.3 * steps - 1, 0.0)
    if step < top:
        return _between(1 / 25, 1.0, step / top)
    return _between(1.0, 1 / 25e4, (step - top) / (last - top)) if last > top else 1.0


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


@dataclass
class Plateau:
    """Halves the learning rate when the score stops falling."""

    scale: float = 1.0
    best: float | None = None
    without_gain: int = 0

    def see(self, score: float) -> None:
        """Take note of the score of one validation; lower is better."""
        if self.best is None or score < self.best:
            self.best, self.without_gain = score, 0
            return
        self.without_gain += 1
        if self.without_gain == _PLATEAU_VALIDATIONS:
            self.scale, self.without_gain = self.scale / 2, 0


def gradient_norm(parameters: list[nn.Parameter]) -> float:
    """Return the Euclidean norm of all gradients together."""
    return torch.nn.utils.get_total_norm([weight.grad for weight in parameters if weight.grad is not None]).item()


def clip(parameters: list[nn.Parameter], norm: float, largest: float | None) -> None:
    """Shorten the gradient to ``largest``; one that is short enough is not touched."""
    if largest is not None and norm > largest:
        torch.nn.utils.clip_grads_with_norm_(parameters, largest, torch.tensor(norm))


@torch.no_grad()
def add_l1(weights: list[nn.Parameter], l1: float) -> None:
    """Add the gradient of ``l1 * sum |w|``, after the clipping, as torch does with L2."""
    for weight in weights:
        if l1 and weight.grad is not None:
            weight.grad.add_(weight.sign(), alpha=l1)
