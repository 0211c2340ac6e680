"""Errors for people: ``[where] what must hold, what came. What to do.``

Every error that Recurra raises on purpose is a :class:`RecurraError`. The kinds are also the built-in exceptions
that a caller would expect, so ``except ValueError`` catches a bad shape without knowing this package.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RecurraError(Exception):
    """The base of all errors raised on purpose; the CLI prints its sentence and exits with 2."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"[{where}] {message}")
        self.where = where
        self.message = message


class ShapeError(RecurraError, ValueError):
    """A tensor has another shape or dtype than the layer or operator needs."""


class DataError(RecurraError, ValueError):
    """The user's data cannot be used as it is; the message names file and line, or row and column."""


class SettingsError(RecurraError, ValueError):
    """A setting is unknown, out of range or contradicts another one."""


class BundleError(RecurraError, ValueError):
    """A bundle on disk is damaged, incomplete, hostile or of an unknown format."""


class CheckpointError(RecurraError, ValueError):
    """A training run on disk cannot be continued."""


class TrainingError(RecurraError, RuntimeError):
    """Training cannot go on: a loss or a gradient is not finite."""


class ExportError(RecurraError, ValueError):
    """A model cannot be exported, or its export is not what it is."""


class MissingExtraError(RecurraError, ImportError):
    """An optional dependency is not installed; the message names the install command."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which names are known and which one was probably meant.

    >>> nearest("lstn", ["gru", "lstm"])
    "Did you mean 'lstm'? Known: gru, lstm."
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}Known: {', '.join(known)}."
