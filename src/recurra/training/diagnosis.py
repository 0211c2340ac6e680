"""Why a loss or a gradient is not finite: which examples, the likely cause, what to do."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from recurra.errors import TrainingError
from recurra.task import Examples, Streams
from recurra.training.options import TrainingOptions

Loss = Callable[[nn.Module, Any], Tensor]

_NAMED = 5  # examples in the message
_TRIED = 256  # examples computed one by one
_LARGE = 1e3  # no healthy recurrent network has weights of this size


@dataclasses.dataclass(frozen=True)
class Failure:
    """The step that was not taken: all that there is to look at."""

    model: nn.Module
    examples: Examples | Streams
    index: Tensor  # [B]
    loss: Loss
    value: float
    norm: float
    step: int  # counted from 1
    options: TrainingOptions


def explain(failure: Failure, where: str, what_remains: str) -> TrainingError:
    """Build the error that names the step, the examples and the likely cause, and ends with ``what_remains``."""
    what = "loss" if not math.isfinite(failure.value) else "gradient"
    got = failure.value if what == "loss" else failure.norm
    cause, advice = _cause(failure, what)
    return TrainingError(
        where,
        f"the {what} of every step must be finite, got {got} at step {failure.step} of {failure.options.steps}, "
        f"{_which(failure, what)}. The weights are those before this step. Likely cause: {cause}. "
        f"{advice}{what_remains}",
    )


def _which(failure: Failure, what: str) -> str:
    count = len(failure.index)
    bad = _guilty(failure, what)
    if not bad:
        return f"in a batch of {count} examples that begins with {_names(failure, failure.index.tolist())}"
    return f"from {len(bad)} of the {count} examples of the batch: {_names(failure, bad)}"


def _names(failure: Failure, numbers: list[int]) -> str:
    named = "; ".join(failure.examples.name(number) for number in numbers[:_NAMED])
    return named + ("; …" if len(numbers) > _NAMED else "")


def _guilty(failure: Failure, what: str) -> list[int]:
    """The examples whose own loss or gradient is not finite; none if they cannot be computed one by one."""
    try:
        return [number for number in failure.index[:_TRIED].tolist() if not _is_finite_alone(failure, what, number)]
    except (RuntimeError, ValueError, IndexError):
        return []


def _is_finite_alone(failure: Failure, what: str, number: int) -> bool:
    batch = failure.examples.batch(torch.tensor([number]))
    with torch.set_grad_enabled(what == "gradient"):
        value = failure.loss(failure.model, batch)
    if what == "loss":
        return math.isfinite(value.item())
    weights = [weight for weight in failure.model.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(value, weights, allow_unused=True)
    return all(bool(gradient.isfinite().all()) for gradient in gradients if gradient is not None)


def _cause(failure: Failure, what: str) -> tuple[str, str]:
    """The likely cause, and what to do about it."""
    options = failure.options
    slower = f"Start again with a learning rate below {options.learning_rate:g}"
    slower += "." if options.clip is not None else " and with gradient clipping (clip = 1)."
    weights = list(failure.model.parameters())
    if not all(bool(weight.isfinite().all()) for weight in weights):
        return "a weight of the model is not finite", slower
    weight = _largest(weights)
    broken = _not_finite(failure.examples.batch(failure.index))
    if broken:
        return f"{broken} of the numbers in the batch are not finite", "Correct or fill these rows of the data."
    if weight > _LARGE:
        return f"the weights have grown out of bounds, the largest is {weight:.3g}", slower
    if what == "gradient":
        return "the gradient exploded on the way back through time", slower
    largest = _largest(_numbers(failure.examples.batch(failure.index)))
    return (
        f"numbers in the batch too large for {_dtype(failure.model)} (up to {largest:.3g}) or a too high learning rate",
        f"Look at these rows; scale the values, or: {slower[0].lower()}{slower[1:]}",
    )


def _largest(tensors: Iterable[Tensor]) -> float:
    return max((float(tensor.detach().abs().max()) for tensor in tensors if tensor.numel()), default=0.0)


def _dtype(model: nn.Module) -> str:
    return str(next(model.parameters()).dtype).removeprefix("torch.")


def _not_finite(batch: Any) -> int:
    return sum(int((~tensor.isfinite()).sum()) for tensor in _numbers(batch))


def _numbers(value: Any) -> Iterator[Tensor]:
    """All tensors of floating-point numbers anywhere in a batch."""
    if isinstance(value, Tensor):
        if value.is_floating_point() and value.numel():
            yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _numbers(part)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _numbers(part)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _numbers(getattr(value, field.name))
