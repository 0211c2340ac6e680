"""The proof of an export: the graph in ONNX Runtime beside the model in torch, on inputs of many shapes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import onnxruntime

from recurra.errors import ExportError
from recurra.exporting.subject import Subject, Trial
from recurra.runtime.pair import open_session

LIMIT = 1e-4
BATCHES = (1, 3, 8)


@dataclass(frozen=True)
class Verification:
    """What was tried, and how far the two were apart at most."""

    largest_difference: float
    limit: float
    steps: tuple[int, ...]
    batches: tuple[int, ...]
    states: tuple[str, ...]
    onnxruntime: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def verify(subject: Subject, model: bytes, limit: float = LIMIT) -> Verification:
    """Run the graph at three lengths and three batch sizes, with and without an initial state.

    Raises:
        ExportError: ONNX Runtime cannot run it, or it is further than ``limit`` from the model in torch.
    """
    try:
        session = open_session(model)
    except Exception as error:  # ONNX Runtime has a kind of error for each cause, without a common one
        reason = str(error).splitlines()[0]
        raise ExportError("export", f"ONNX Runtime must run the graph, it cannot: {reason}. Try --opset 17.") from None
    random = np.random.default_rng(0)
    begun = (False, True) if subject.streams else (False,)
    worst = 0.0
    for steps, batch, state in product(subject.steps, BATCHES, begun):
        found = difference(session, subject.trial(random, steps, batch, state))
        if not found <= limit:
            raise ExportError(
                "export",
                f"the graph must answer as the model does, up to {limit:g}; at {steps} steps, a batch of {batch} "
                f"{'and a state ' if state else ''}it is {found:g} off. Nothing was written; please report this.",
            )
        worst = max(worst, found)
    states = ("zero", "drawn") if subject.streams else ()
    return Verification(worst, limit, subject.steps, BATCHES, states, onnxruntime.__version__)


def difference(session: onnxruntime.InferenceSession, trial: Trial) -> float:
    """The largest difference of any output."""
    names = list(trial.expected)
    answers = session.run(names, dict(trial.inputs))
    pairs = zip(answers, trial.expected.values(), strict=True)
    return max(_furthest(answer, expected, trial.unit) for answer, expected in pairs)


def _furthest(answer: Any, expected: Any, unit: float | None) -> float:
    """Infinite where the shapes differ or one of the two is no number; equal infinities do not differ."""
    if answer.shape != expected.shape:
        return float("inf")
    size = np.maximum(np.abs(expected), 1.0) if unit is None else unit
    with np.errstate(invalid="ignore"):
        apart = np.where(answer == expected, 0.0, np.abs(answer.astype(np.float64) - expected) / size)
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))
