"""How a run shows itself: one bar on a terminal, plain lines anywhere else, or nothing."""

from __future__ import annotations

import sys
import time
import warnings
from typing import TYPE_CHECKING, Protocol, TextIO

from recurra.training.history import Epoch

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

_REDRAW_SECONDS = 0.2
_LINE_SECONDS = 3.0


class Progress(Protocol):
    """What the loop tells; every method returns at once."""

    def stage(self, title: str) -> None:
        """Name what is trained next, as ``member 2 of 5``."""
        ...

    def start(self, step: int, steps: int) -> None:
        """Begin or go on with a run of ``steps`` steps of which ``step`` are done."""
        ...

    def update(self, step: int, loss: float) -> None:
        """Tell the loss of a step."""
        ...

    def validated(self, epoch: Epoch) -> None:
        """Tell the result of a validation."""
        ...

    def tell(self, text: str) -> None:
        """Tell what is done, for who watches."""
        ...

    def notice(self, text: str) -> None:
        """Tell something that the user should know."""
        ...

    def stop(self) -> None:
        """End the run, whether it is finished or not."""
        ...


def progress_on(stream: TextIO | None = None) -> Progress:
    """Choose the bar for a terminal, plain lines for a file or a pipe; the stream is ``sys.stderr`` by default."""
    stream = stream or sys.stderr
    return Bar(stream) if stream.isatty() else Lines(stream)


class Silent:
    """Shows nothing; notices become Python warnings."""

    def stage(self, title: str) -> None:
        """Show nothing."""

    def start(self, step: int, steps: int) -> None:
        """Show nothing."""

    def update(self, step: int, loss: float) -> None:
        """Show nothing."""

    def validated(self, epoch: Epoch) -> None:
        """Show nothing."""

    def tell(self, text: str) -> None:
        """Show nothing."""

    def notice(self, text: str) -> None:
        """Warn."""
        warnings.warn(text, RuntimeWarning, stacklevel=2)

    def stop(self) -> None:
        """Show nothing."""


class Lines:
    """One line per validation, at most one in a few seconds, and always the last one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._title = "training"
        self._steps = 0
        self._clock = _Clock(0, 0)
        self._shown = float("-inf")
        self._waiting: str | None = None

    def stage(self, title: str) -> None:
        """Put the title before the lines to come."""
        self._title = title

    def start(self, step: int, steps: int) -> None:
        """Begin to measure the time."""
        self._steps, self._clock = steps, _Clock(step, steps)
        if step:
            self._print(f"{self._title}: going on from step {step} of {steps}")

    def update(self, step: int, loss: float) -> None:
        """Show nothing: lines are for validations."""

    def validated(self, epoch: Epoch) -> None:
        """Print the line of an epoch, or keep it if the last one is just a moment old."""
        left = self._clock.left(epoch.step)
        self._waiting = f"{self._title}: step {epoch.step} of {self._steps}, {_scores(epoch)}, {left} left"
        if time.monotonic() - self._shown >= _LINE_SECONDS:
            self._flush()

    def tell(self, text: str) -> None:
        """Print the text."""
        self._print(text)

    def notice(self, text: str) -> None:
        """Print the text as a notice."""
        self._print(f"notice: {text}")

    def stop(self) -> None:
        """Print the last line if it was kept."""
        self._flush()
        self._shown = float("-inf")

    def _flush(self) -> None:
        if self._waiting is not None:
            self._print(self._waiting)
            self._waiting, self._shown = None, time.monotonic()

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class Bar:
    """One bar with loss, validation score and time left, on a terminal; it stays when the run ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._title = "training"
        self._bar: RichProgress | None = None
        self._clock = _Clock(0, 0)
        self._drawn = 0.0
        self._validation = ""
        self._last = (0, float("nan"))

    def stage(self, title: str) -> None:
        """Put the title before the next bar."""
        self._title = title

    def start(self, step: int, steps: int) -> None:
        """Draw the bar."""
        self._bar, self._clock = _rich_bar(self._stream), _Clock(step, steps)
        self._validation, self._last = "", (step, float("nan"))
        self._bar.add_task(self._title, total=steps, completed=step, scores="", left="")
        self._bar.start()

    def update(self, step: int, loss: float) -> None:
        """Redraw, but only a few times per second: a step may take less time than a drawing."""
        self._last = (step, loss)
        if time.monotonic() - self._drawn >= _REDRAW_SECONDS:
            self._draw()

    def validated(self, epoch: Epoch) -> None:
        """Show the new score."""
        self._last = (epoch.step, epoch.loss)
        self._validation = "" if epoch.validation is None else f"  validation {epoch.validation:.4g}"
        self._draw()

    def notice(self, text: str) -> None:
        """Print the text as a notice above the bar."""
        self.tell(f"notice: {text}")

    def tell(self, text: str) -> None:
        """Print the text above the bar."""
        if self._bar:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self._stream, flush=True)

    def stop(self) -> None:
        """Leave the bar as it is last."""
        if self._bar:
            self._draw()
            self._bar.stop()
            self._bar = None

    def _draw(self) -> None:
        if self._bar is None:
            return
        step, loss = self._last
        scores = f"loss {loss:.4g}{self._validation}" if loss == loss else ""
        self._bar.update(self._bar.task_ids[0], completed=step, scores=scores, left=self._clock.left(step))
        self._bar.refresh()
        self._drawn = time.monotonic()


def _rich_bar(stream: TextIO) -> RichProgress:
    # Imported here: a run without a terminal needs no rich, and starts faster.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[scores]}", markup=False),
        TextColumn("{task.fields[left]} left", markup=False),
    )
    return RichProgress(*columns, console=Console(file=stream), auto_refresh=False)


class _Clock:
    """The time left, from the mean speed of this sitting."""

    def __init__(self, step: int, steps: int) -> None:
        self._first, self._steps, self._started = step, steps, time.monotonic()

    def left(self, step: int) -> str:
        if step <= self._first:
            return "?"
        seconds = (time.monotonic() - self._started) / (step - self._first) * (self._steps - step)
        minutes, seconds = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _scores(epoch: Epoch) -> str:
    validation = "" if epoch.validation is None else f", validation {epoch.validation:.4g}"
    return f"loss {epoch.loss:.4g}{validation}"
