"""A server from start to end: models, socket, signals."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import signal
import socket
import threading
from functools import partial
from pathlib import Path

import uvicorn

from recurra.errors import SettingsError
from recurra.server.app import make_app
from recurra.server.connections import GuardedProtocol
from recurra.server.service import Service
from recurra.server.settings import Serving

_log = logging.getLogger("recurra.server")


def serve(folders: dict[str, Path], settings: Serving) -> None:
    """Load the models and answer requests until SIGTERM or Ctrl-C.

    Raises:
        SettingsError: the address cannot be used, or no model could be loaded.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # it logs the addresses of WebSockets, queries and all
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server listens to it
    service = Service(folders, settings)
    server = Server(service)
    service.models.load()
    if not list(service.models):
        raise SettingsError("serve", f"no model could be loaded: {'; '.join(service.models.failed.values())}")
    gc.freeze()  # what is there now, stays: looking through it again and again would stop the server for 0.1 s
    server.run(sockets=[listen(settings)])


class Server(uvicorn.Server):
    """Uvicorn's server, which also loads models anew on SIGHUP, and says that it is about to stop."""

    def __init__(self, service: Service) -> None:
        settings = service.settings
        super().__init__(
            uvicorn.Config(
                make_app(service),
                http=partial(GuardedProtocol, receive=settings.receive),  # type: ignore[arg-type]
                ws_max_size=settings.body,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=math.ceil(settings.grace),
            )
        )
        self.service = service
        self._reloading: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; SIGHUP is heard from now on."""
        await super().startup(sockets)
        if threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)

    def _reload(self) -> None:
        self._reloading = asyncio.create_task(self.service.models.reload())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop taking requests, finish those that were accepted."""
        self.service.closing = True
        await super().shutdown(sockets)


def listen(settings: Serving) -> socket.socket:
    """The socket to listen on, and a word on how it is reached."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        raise SettingsError(
            f"{settings.host}:{settings.port}", f"the address must be free and this machine's own: {error.strerror}."
        ) from None
    host = f"[{settings.host}]" if family == socket.AF_INET6 else settings.host
    _log.info("listening on http://%s:%d", host, listening.getsockname()[1])
    return listening


def name_folders(places: list[str]) -> dict[str, Path]:
    """Names from ``DIR`` or ``NAME=DIR``, each once.

    >>> name_folders(["models/mail", "sales=models/2024"])
    {'mail': PosixPath('models/mail'), 'sales': PosixPath('models/2024')}
    """
    folders: dict[str, Path] = {}
    for place in places:
        name, mark, folder = place.partition("=")
        if not mark or "/" in name:  # a sign in a path
            name, folder = Path(place).resolve().name, place
        if not name or name in folders:
            raise SettingsError(place, f"every model needs a name of its own, {name!r} is not. Write NAME=DIR.")
        folders[name] = Path(folder)
    return folders
