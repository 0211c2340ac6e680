"""The models in service: loaded from their folders, replaced while old requests finish; a bad one stands alone."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recurra.bundle import MANIFEST, Bundle, load
from recurra.errors import RecurraError, SettingsError, nearest
from recurra.server.batching import Batcher
from recurra.server.refusals import RefusalError
from recurra.task import Explains, Generates, GoesLive, Responds

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
    """Its task, if it answers single requests."""

    def describe(self) -> dict[str, Any]:
        """What it is, for those who want to use it."""
        task = self.bundle.task
        can = {"predict": Responds, "explain": Explains, "generate": Generates, "stream": GoesLive}
        return {
            "name": self.name,
            "version": self.version,
            "task": task.name,
            "can": [word for word, protocol in can.items() if isinstance(task, protocol)],
            "request": None if self.predicts is None else self.predicts.request_schema,
            "scores": self.bundle.scores,
        }

    @property
    def responder(self) -> Responds:
        """Its task; 409 if it does not predict."""
        if self.predicts is None:
            what = self.bundle.task.name
            raise RefusalError(409, self.name, f"a model for {what} does not predict. Ask it for what it can do.")
        return self.predicts


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
            predicts = bundle.task if isinstance(bundle.task, Responds) else None
            self._models[name] = Model(name, version, bundle, self._make_batcher(bundle), predicts)
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


def name_folders(places: list[str]) -> dict[str, Path]:
    """Names from ``DIR`` or ``NAME=DIR``, each once.

    >>> name_folders(["models/mail", "sales=models/2024"])
    {'mail': PosixPath('models/mail'), 'sales': PosixPath('models/2024')}
    """
    folders: dict[str, Path] = {}
    for place in places:
        name, _, folder = place.rpartition("=")
        path = Path(folder)
        name = name or path.resolve().name
        if not name or "/" in name or name in folders:
            raise SettingsError(place, f"every model needs a name of its own, {name!r} is not. Write NAME=DIR.")
        folders[name] = path
    return folders
