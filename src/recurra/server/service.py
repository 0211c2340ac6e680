"""What all routes share: the settings, the models, the thread that calls them, and what is counted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from recurra.bundle import Bundle
from recurra.server.batching import Batcher
from recurra.server.limits import Gate
from recurra.server.metrics import Metrics
from recurra.server.models import Models
from recurra.server.settings import Serving
from recurra.server.states import Signer
from recurra.server.stores import open_store


class Service:
    """One server's state.

    Args:
        folders: of the models, by name.
        settings: of the server.
    """

    def __init__(self, folders: dict[str, Path], settings: Serving) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.worker = ThreadPoolExecutor(1, "model", initializer=torch.set_num_threads, initargs=(settings.threads,))
        self.models = Models(folders, self._batcher)
        self.gate = Gate(settings.queue, f"All {settings.queue} places for requests are taken.")
        self.metrics.watch(
            "recurra_requests_in_progress", "requests let in and not yet answered", lambda: self.gate.inside
        )
        self.writers = ThreadPoolExecutor(
            settings.writers, "writer", initializer=torch.set_num_threads, initargs=(settings.threads,)
        )
        self.desk = Gate(settings.writers, f"{settings.writers} texts are being written, no more can be.")
        self.sessions = Gate(settings.sessions, f"All {settings.sessions} places for streams are taken.")
        self.metrics.watch("recurra_sessions", "streams that are open", lambda: self.sessions.inside)
        self.signer = Signer.read(settings.key)
        self.store = open_store(settings)
        self.closing = False

    def _batcher(self, bundle: Bundle) -> Batcher:
        def answer(checked: Any) -> Any:
            return bundle.task.answer(bundle.model, checked)  # type: ignore[attr-defined]  # Responds, see routes

        return Batcher(
            answer, self.worker, self.settings.wait / 1000, self.settings.batch, self.metrics.batches.observe
        )

    async def close(self) -> None:
        """Let the threads end what they do."""
        await self.store.close()
        self.worker.shutdown()
        self.writers.shutdown()
