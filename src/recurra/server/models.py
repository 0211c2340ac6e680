"""The models in service: loaded from their folders, replaced while old requests finish; a bad one stands alone."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from recurra.bundle import Bundle, load
from recurra.errors import RecurraError, SettingsError, nearest
from recurra.manifest import MANIFEST
from recurra.server.batching import Batcher
from recurra.server.refusals import RefusalError
from recurra.session import Session
from recurra.task import Explains, Generates, Responds

T = TypeVar("T")
_log = logging.getLogger("recurra.server")
_DIGITS = 12  # of the SHA-256 that names a version


@dataclass(frozen=True, eq=False)
class Model:
    """One version of a model."""

    name: str
    version: str
    """The first digits of the SHA-256 of its manifest, which holds those of its weights."""
    bundle: Bundle
    batcher: Batcher
    predicts: Responds | None
    """Its task, if it answers single requests; below likewise."""
    explains: Explains | None
    writes: Generates | None
    streams: bool

    @classmethod
    def of(cls, name: str, version: str, bundle: Bundle, batcher: Batcher) -> Model:
        """Find out what a bundle can, once: to ask a protocol takes as long as a request."""
        task = bundle.task
        return cls(
            name=name,
            version=version,
            bundle=bundle,
            batcher=batcher,
            predicts=task if isinstance(task, Responds) else None,
            explains=task if isinstance(task, Explains) and task.weighs_words else None,
            writes=task if isinstance(task, Generates) else None,
            streams=_can_stream(bundle),
        )

    def require(self, task: T | None, verb: str) -> T:
        """Its task, as one that can do something; 409 if it cannot."""
        if task is None:
            what = self.bundle.task.name
            raise RefusalError(409, self.name, f"this model for {what} does not {verb}. Ask it for what it can do.")
        return task

    def describe(self) -> dict[str, Any]:
        """What it is, for those who want to use it."""
        can = {"predict": self.predicts, "explain": self.explains, "generate": self.writes, "stream": self.streams}
        return {
            "name": self.name,
            "version": self.version,
            "task": self.bundle.task.name,
            "can": [word for word, able in can.items() if able],
            "request": None if self.predicts is None else self.predicts.request_schema,
            "scores": self.bundle.scores,
        }


def _can_stream(bundle: Bundle) -> bool:
    try:
        Session(bundle)
    except SettingsError:
        return False
    return True


class Models:
    """All models by name; those that could not be loaded are known by name only.

    Args:
        folders: where each is.
        batcher: makes what gathers the requests to one.
    """

    def __init__(self, folders: Mapping[str, Path], batcher: Callable[[Bundle], Batcher]) -> None:
        self._folders, self._make_batcher = folders, batcher
        self._models: dict[str, Model] = {}
        self.failed: dict[str, str] = {}
        """Those that could not be loaded, or not anew, and why."""

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    @property
    def names(self) -> list[str]:
        """Of all, also of those that failed."""
        return list(self._folders)

    def load(self) -> None:
        """Load all whose files have changed; one that fails leaves its last version in service."""
        for name, folder in self._folders.items():
            try:
                self._load_one(name, folder)
                self.failed.pop(name, None)
            except (RecurraError, OSError) as error:
                self.failed[name] = str(error)
                kept = "; the version before stays in service" if name in self._models else ""
                _log.error("model %r could not be loaded: %s%s", name, error, kept)

    def _load_one(self, name: str, folder: Path) -> None:
        manifest = folder / MANIFEST
        version = hashlib.sha256(manifest.read_bytes()).hexdigest()[:_DIGITS] if manifest.is_file() else ""
        old = self._models.get(name)
        if old is None or old.version != version:
            bundle = load(folder)
            self._models[name] = Model.of(name, version, bundle, self._make_batcher(bundle))
            _log.info("model %r: version %s of %s, %s", name, version, bundle.task.name, folder)

    async def reload(self) -> None:
        """Load anew on another thread; who has begun with an old version ends with it."""
        await asyncio.to_thread(self.load)

    def get(self, name: str) -> Model:
        """The model in service under a name."""
        model = self._models.get(name)
        if model is None and name in self._folders:
            raise RefusalError(503, name, "this model could not be loaded; the server's log says why.", retry_after=60)
        if model is None:
            raise RefusalError(404, "model", f"there is no model {name!r:.80}. {nearest(name[:80], self.names)}")
        return model
