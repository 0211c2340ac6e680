"""One measurement: recurra on a text, and beside it the model by hand, the same number of steps."""

from __future__ import annotations

import dataclasses
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import by_hand
import torch

import recurra
from recurra.data.text import read_text
from recurra.tasks.generation.parts import Part
from recurra.training.loop import fit, seeded
from recurra.training.progress import progress_on

_TRIAL = 40  # steps that tell how long a step takes, after some that do not count, as the first ones are slower
_SHARE = 0.85  # of the time that is planned for: validations, the reading and other work on the machine take the rest


def measure(
    settings: recurra.Generation, training: str, test: str, minutes: float, rival: str | None, **options: Any
) -> dict[str, Any]:
    """Train for about ``minutes`` on one text, score on the other; the rival has the same ``"steps"`` or ``"time"``."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.txt" for name in ("training", "test")}
        files["training"].write_text(training)
        files["test"].write_text(test)
        task, parts = settings.learn(read_text(files["training"]))
        chosen = {**task.training_defaults, **options}
        steps = options.get("steps") or round(_SHARE * 60 * minutes / _seconds_per_step(task, parts, chosen))
        options = {**chosen, "steps": steps}
        started = time.perf_counter()
        bundle = recurra.train(
            settings, files["training"], options=recurra.TrainingOptions(**options), progress=progress_on()
        )
        seconds = time.perf_counter() - started
        scores = bundle.evaluate(files["test"])
        result = {
            "steps": steps,
            "weights": sum(weight.numel() for weight in bundle.model.parameters()),
            "recurra": {
                "seconds of training": round(seconds, 1),
                "nats per symbol": round(scores.nats["model"], 4),
                "perplexity": round(scores.perplexity(), 2),
                "bits per character": round(scores.bits_per_character(), 4),
            },
            "scored": {"symbols": scores.symbols, "characters": scores.characters, "unknown": scores.unknown},
            "guessing by frequencies, nats": round(scores.nats["frequencies"], 4),
        }
        if rival:
            seconds_for_rival = seconds if rival == "time" else None
            result["torch.nn.LSTM by hand"] = _by_hand(task, parts, files["test"], options, seconds_for_rival)
    return result


def _seconds_per_step(task: Any, parts: Any, options: dict[str, Any]) -> float:
    """Of a model that is thrown away."""
    streams = task.split(parts).training
    with seeded(0):
        model = task.build_model()[0]
    trial = {**options, "schedule": "constant"}
    times = []
    for steps in (_TRIAL // 4, _TRIAL):
        started = time.perf_counter()
        fit(model, streams, task.loss, recurra.TrainingOptions(**{**trial, "steps": steps}))
        times.append(time.perf_counter() - started)
    return times[1] / _TRIAL


def _by_hand(task: Any, parts: Any, test: Path, options: dict[str, Any], seconds_given: float | None) -> dict[str, Any]:
    encoder, chunk = task.settings.encoder, task.settings.chunk
    plan = by_hand.Plan(
        symbols=len(task.vocabulary),
        embedding_size=task.embedding_size,
        hidden_size=encoder.hidden_size,
        layers=encoder.layers,
        dropout=encoder.dropout,
        tied=task.tied,
        chunk=chunk,
        streams=options["batch_size"],
        steps=options["steps"],
        learning_rate=options["learning_rate"],
        validate_every=min(200, len(parts.training) // chunk // options["batch_size"]),
    )
    training, validation, scored = (
        torch.from_numpy(part.ids.astype("int64"))
        for part in (parts.training, parts.validation, Part.encode(read_text(test), task.vocabulary))
    )
    if seconds_given is not None:
        for steps in (_TRIAL // 4, _TRIAL):
            trial = dataclasses.replace(plan, steps=steps, validate_every=steps)
            _, seconds = by_hand.train(trial, training, validation[:_TRIAL])
        plan.steps = max(_TRIAL, round(seconds_given / (seconds / _TRIAL)))  # its validations come on top
    model, seconds = by_hand.train(plan, training, validation)
    loss = by_hand.nats(model, scored)
    return {
        "steps": plan.steps,
        "seconds of training": round(seconds, 1),
        "nats per symbol": round(loss, 4),
        "perplexity": round(math.exp(loss), 2),
    }
