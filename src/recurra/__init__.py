"""Recurra: LSTM-family sequence models on PyTorch, from your file to a model in service.

The names below are the public API; each is imported when it is first used, so that the command line answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recurra import nn as nn
    from recurra.bundle import Bundle as Bundle
    from recurra.bundle import load as load
    from recurra.data.columns import Reading as Reading
    from recurra.data.repairs import Repairs as Repairs
    from recurra.data.tokens import Tokens as Tokens
    from recurra.errors import RecurraError as RecurraError
    from recurra.pipeline import resume as resume
    from recurra.pipeline import train as train
    from recurra.session import Session as Session
    from recurra.settings import Encoder as Encoder
    from recurra.settings import Sampling as Sampling
    from recurra.tasks.classification import Classification as Classification
    from recurra.tasks.forecasting import Forecasting as Forecasting
    from recurra.tasks.generation import Generation as Generation
    from recurra.training.options import TrainingOptions as TrainingOptions

    __version__: str

_HOMES = {
    "Bundle": "recurra.bundle",
    "Classification": "recurra.tasks.classification",
    "Encoder": "recurra.settings",
    "Forecasting": "recurra.tasks.forecasting",
    "Generation": "recurra.tasks.generation",
    "Reading": "recurra.data.columns",
    "Repairs": "recurra.data.repairs",
    "RecurraError": "recurra.errors",
    "Sampling": "recurra.settings",
    "Session": "recurra.session",
    "Tokens": "recurra.data.tokens",
    "TrainingOptions": "recurra.training.options",
    "load": "recurra.bundle",
    "resume": "recurra.pipeline",
    "train": "recurra.pipeline",
}

__all__ = [
    "Bundle",
    "Classification",
    "Encoder",
    "Forecasting",
    "Generation",
    "Reading",
    "RecurraError",
    "Repairs",
    "Sampling",
    "Session",
    "Tokens",
    "TrainingOptions",
    "__version__",
    "load",
    "nn",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "nn":
        return import_module("recurra.nn")
    if name == "__version__":
        return import_module("importlib.metadata").version("recurra")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'recurra' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
