"""The training loop.

A step: cut a batch by index, compute the loss and its gradient, look whether both are finite, clip, move the weights.
An epoch: some steps, then a validation. All that the next step depends on is in :mod:`recurra.training.state`, and
all of that is in a checkpoint: a run that was killed goes on bit for bit as if it had not been.
"""

from __future__ import annotations

import dataclasses
import math
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import nn

from recurra.errors import DataError, SettingsError, TrainingError
from recurra.ops.threads import threads
from recurra.settings import to_dict
from recurra.task import Examples, Streams
from recurra.training import optimizers
from recurra.training.diagnosis import Failure, Loss, explain
from recurra.training.feed import open_feed
from recurra.training.history import Epoch, Trained
from recurra.training.log import Log
from recurra.training.options import TrainingOptions
from recurra.training.progress import Progress, Silent
from recurra.training.randomness import mix, seeded
from recurra.training.signals import Interrupted, StopRequest, stop_requests
from recurra.training.state import Parts, State, Store, held
from recurra.training.weights import Average, put_back, snapshot

__all__ = ["Epoch", "Interrupted", "Trained", "fit", "seeded"]

_LONGEST_EPOCH = 200  # steps, where the user gives no other
_ANY_VALUE = {"threads", "checkpoint_steps", "log_steps"}  # may differ when a run goes on: the steps are the same


def fit(
    model: nn.Module,
    examples: Examples | Streams,
    loss: Loss,
    options: TrainingOptions,
    *,
    validate: Callable[[nn.Module], float] | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
    where: str = "train",
    resume_hint: str | None = None,
) -> Trained:
    """Train a model in place and leave it in eval mode with the best weights.

    Args:
        model: with its first weights; build it under :func:`seeded` to have the same ones again.
        examples: cut by index, ``examples.batch(index)`` with ``[B]`` int64; or streams, read in order.
        loss: the mean loss of a batch, a scalar tensor; streams bring their own.
        options: with ``steps``, ``batch_size`` and ``learning_rate`` resolved.
        validate: the score of the model on held-out data, lower is better; called in eval mode without gradients
            after every epoch. The weights of the best epoch are kept; without it, the last ones are.
        folder: where checkpoints and ``log.jsonl`` live. A run found there goes on exactly; a finished one is loaded
            and returned at once. None trains in memory only.
        progress: shows the run; None for silence.
        where: how errors name this run.
        resume_hint: the command that goes on with this run, for the message after Ctrl-C or SIGTERM.

    Raises:
        SettingsError: an option is not resolved, or ``patience`` is given without ``validate``.
        DataError: there are no examples.
        TrainingError: a loss, gradient or score is not finite; the weights are those before that step.
        CheckpointError: ``folder`` holds a run with other options or another model, or one that is going on now.
        Interrupted: a signal came; the run is saved.

    >>> series = torch.sin(torch.arange(60.0)).unfold(0, 21, 1)  # [40, 21]
    >>> class Windows:
    ...     lengths = None  # all are equally long
    ...     def __len__(self): return len(series)
    ...     def batch(self, index): return series[index]
    ...     def name(self, index): return f"rows {index + 1} to {index + 21}"
    >>> with seeded(0):
    ...     model = nn.Linear(20, 1)
    >>> def squared_error(model, windows):
    ...     return (model(windows[:, :-1]) - windows[:, -1:]).square().mean()
    >>> trained = fit(model, Windows(), squared_error, TrainingOptions(steps=200, batch_size=40, learning_rate=0.02))
    >>> trained.steps, trained.stopped, trained.best.loss < 0.01
    (200, 'finished', True)
    """
    _check(examples, options, validate, where)
    progress = progress or Silent()
    with ExitStack() as stack:
        stack.enter_context(seeded(mix(options.seed, "training"), _device(model)))
        stack.enter_context(threads(options.threads))
        if folder is not None:
            stack.enter_context(held(folder, where))
        stop = stack.enter_context(stop_requests())
        run = _Run(model, examples, loss, options, validate, folder, progress, where, resume_hint, stop)
        stack.callback(run.close)
        return run.go()


def _check(examples: Examples | Streams, options: TrainingOptions, validate: object, where: str) -> None:
    for name in ("steps", "batch_size", "learning_rate"):
        if getattr(options, name) is None:
            raise SettingsError(f"{where}: TrainingOptions.{name}", "must be known here, got None. Set it.")
    if options.patience is not None and validate is None:
        raise SettingsError(
            f"{where}: TrainingOptions.patience",
            "early stopping needs held-out data to validate on, there is none. Hold some out or drop patience.",
        )
    if not len(examples):
        raise DataError(where, "there must be at least one training example, got none. Give more data.")


@dataclass
class _Run:
    """One run from its first or saved step to its end."""

    model: nn.Module
    examples: Examples | Streams
    loss: Loss
    options: TrainingOptions
    validate: Callable[[nn.Module], float] | None
    folder: Path | None
    progress: Progress
    where: str
    resume_hint: str | None
    stop: StopRequest

    def __post_init__(self) -> None:
        assert self.options.steps is not None
        self.steps = self.options.steps
        self.feed = open_feed(self.examples, self.loss, self.options)
        self.epoch_steps = self.options.epoch_steps or min(self.feed.steps_per_pass, _LONGEST_EPOCH)
        self.trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.matrices = optimizers.weights_of(self.model)
        self.optimizer = optimizers.build_optimizer(self.model, self.options)
        self.average = Average(self.model, self.options.average) if self.options.average else None
        self.parts = Parts(self.model, self.optimizer, self.average, self.feed, _device(self.model))
        self.store = Store(self.folder, self.identity(), self.where) if self.folder else None
        self.started = time.perf_counter()
        self.state = self.store.restore(self.parts, self.progress.notice) if self.store else State()
        self.log = Log(self.store.folder / "log.jsonl", kept=self.state.step) if self.store else None

    def go(self) -> Trained:
        self.progress.start(self.state.step, self.steps)
        self.model.train()
        while self.state.stopped is None:
            self.take_step()
            if self.state.step % self.epoch_steps == 0 or self.state.step == self.steps:
                self.close_epoch()
            if self.state.step % self.options.checkpoint_steps == 0 or self.state.stopped:
                self.save()
            if self.stop.signal:
                self.interrupt(self.stop.signal)
        return self.result()

    def take_step(self) -> None:
        step = self.state.step
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.feed.loss(self.model, step)
        loss.backward()  # type: ignore[no-untyped-call]
        value, norm = loss.item(), optimizers.gradient_norm(self.trained)
        if not (math.isfinite(value) and math.isfinite(norm)):
            self.fail(value, norm)
        optimizers.clip(self.trained, norm, self.options.clip)
        optimizers.add_l1(self.matrices, self.options.l1)
        optimizers.set_rate(self.optimizer, optimizers.scheduled_rate(self.options, step, self.state.plateau))
        self.optimizer.step()
        if self.average:
            self.average.update(step + 1)
        self.close_step(value)

    def close_step(self, loss: float) -> None:
        state = self.state
        state.step += 1
        state.loss_sum += loss
        state.loss_count += 1
        if self.log and self.options.log_steps and state.step % self.options.log_steps == 0:
            self.log.write(step=state.step, loss=loss)
        self.progress.update(state.step, loss)

    def close_epoch(self) -> None:
        state = self.state
        with self.average.inside(self.model) if self.average else nullcontext():
            epoch = Epoch(
                epoch=len(state.history) + 1,
                step=state.step,
                loss=state.loss_sum / state.loss_count,
                validation=self.score(),
                learning_rate=self.optimizer.param_groups[0]["lr"],
                seconds=self.seconds(),
            )
            if self.is_best(epoch):
                state.best, self.parts.best = epoch, snapshot(self.model)
        state.history.append(epoch)
        state.loss_sum, state.loss_count = 0.0, 0
        state.plateau.see(epoch.loss if epoch.validation is None else epoch.validation)
        state.stopped = self.reason_to_stop()
        if self.log:
            self.log.write(**dataclasses.asdict(epoch))
        self.progress.validated(epoch)

    def score(self) -> float | None:
        if self.validate is None:
            return None
        self.model.eval()
        with torch.no_grad():
            score = float(self.validate(self.model))
        self.model.train()
        if not math.isfinite(score):
            raise TrainingError(
                self.where,
                f"the validation score must be finite, got {score} at step {self.state.step} of {self.steps}. "
                f"Look at the held-out data, or lower the learning rate.{self.what_remains()}",
            )
        return score

    def is_best(self, epoch: Epoch) -> bool:
        best = self.state.best
        if epoch.validation is None:
            return epoch.step == self.steps  # nothing to choose by: the last one
        return best is None or best.validation is None or epoch.validation < best.validation

    def reason_to_stop(self) -> str | None:
        patience, best = self.options.patience, self.state.best
        if self.state.step == self.steps:
            return "finished"
        if patience and best and len(self.state.history) - best.epoch >= patience:
            return f"no gain for {patience} validations"
        return None

    def seconds(self) -> float:
        return self.state.seconds + time.perf_counter() - self.started

    def result(self) -> Trained:
        state = self.state
        assert state.best is not None
        assert state.stopped is not None
        put_back(self.model, self.parts.best)
        self.model.eval()
        return Trained(tuple(state.history), state.best, state.step, state.history[-1].seconds, state.stopped)

    def fail(self, value: float, norm: float) -> NoReturn:
        step = self.state.step
        index = self.feed.index(step)
        failure = Failure(self.model, self.examples, index, self.feed.loss_alone, value, norm, step + 1, self.options)
        raise explain(failure, self.where, self.what_remains())

    def what_remains(self) -> str:
        if self.store is None or not self.store.saved_step:
            return ""
        return f" The checkpoint of step {self.store.saved_step} remains in {self.store.folder}."

    def interrupt(self, by: signal.Signals) -> NoReturn:
        at = f"stopped by {by.name} after step {self.state.step} of {self.steps}"
        if self.store is None:
            raise Interrupted(self.where, f"{at}; nothing is saved, as the run has no folder. Give it one.", by)
        self.save()
        again = f"Go on with: {self.resume_hint}" if self.resume_hint else "Call fit again with this folder to go on."
        raise Interrupted(self.where, f"{at}; the run is saved in {self.store.folder}. {again}", by)

    def save(self) -> None:
        if self.store and self.log and self.store.saved_step != self.state.step:
            self.log.sync()  # a checkpoint counts on the lines before it
            self.store.save(self.state, self.parts, self.seconds())

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on exactly."""
        options = {f"option {name}": value for name, value in to_dict(self.options).items() if name not in _ANY_VALUE}
        return {**options, **self.feed.identity(), "validation": self.validate is not None}

    def close(self) -> None:
        self.progress.stop()
        if self.log:
            self.log.close()


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
