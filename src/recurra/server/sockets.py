"""What is said over a WebSocket: ``start``, then chunks; each message is a JSON object and has one for an answer.

    ▶ {"start": {}}                                  a new stream
    ▶ {"start": {"state": "…"}}                      going on where a state was handed out, here or elsewhere
    ▶ {"start": {"id": "till-7"}}                    a stream that the server keeps; new if there is none
    ◀ {"started": {"sequence": 0, "steps": 0, "version": "…"}}
    ▶ {"sequence": 1, "observations": [1.5, 2.0]}
    ◀ {"sequence": 1, "outputs": [{…}, {…}], "state": "…"}

A stream with an id has no ``state`` in its answers: the store has it before the answer is sent.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect

from recurra.errors import DataError, RecurraError
from recurra.server import wire
from recurra.server.models import Model
from recurra.server.service import Service
from recurra.server.states import State
from recurra.server.streams import Stream

T = TypeVar("T")
_log = logging.getLogger("recurra.server")
_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_TAKEN, _IDLE, _STORE = 4409, 4408, 4503  # codes with which a connection is closed


class _CloseError(Exception):
    """The connection is to be closed, with a code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


async def converse(service: Service, model: Model, socket: WebSocket) -> None:
    """Hold one stream until the client goes, is idle for too long, or another one goes on with its stream."""
    connection = _Connection(service, model, socket)
    try:
        await connection.go()
    except _CloseError as closed:
        await socket.close(closed.code, closed.reason)
    except WebSocketDisconnect:
        return


class _Connection:
    """A WebSocket and its stream."""

    def __init__(self, service: Service, model: Model, socket: WebSocket) -> None:
        self.service, self.model, self.socket = service, model, socket
        self.stream: Stream | None = None
        self.name: str | None = None
        """Of the stream in the store."""

    async def go(self) -> None:
        while True:
            try:
                message = await self._hear()
                answer = await (self._start(message) if self.stream is None else self._feed(self.stream, message))
            except RecurraError as error:
                answer = {"error": str(error)}
                if self.stream is not None:
                    answer["expected"] = self.stream.sequence + 1
            await self.socket.send_text(wire.write_json(answer).decode())

    async def _hear(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.service.settings.idle):
                message = await self.socket.receive()
        except TimeoutError:
            raise _CloseError(_IDLE, "nothing came for too long") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        content = wire.read_json(message.get("bytes") or (message.get("text") or "").encode())
        if not isinstance(content, dict):
            raise DataError("message", "an object must come.")
        return content

    async def _start(self, message: dict[str, Any]) -> dict[str, Any]:
        start = message.get("start")
        if (
            not isinstance(start, dict)
            or set(message) != {"start"}
            or len(start) > 1
            or not set(start) <= {"state", "id"}
        ):
            raise DataError("message", 'a stream begins with {"start": {}}, or with a "state" or an "id" in it.')
        state = await self._find(start)
        self.stream = await self._on_worker(Stream, self.model.bundle, state)
        about = {"sequence": self.stream.sequence, "steps": self.stream.steps, "version": self.model.version}
        return {"started": about}

    async def _find(self, start: dict[str, Any]) -> State | None:
        """Where to go on: in a signed state, or in the store."""
        if not start:
            return None
        ((kind, place),) = start.items()
        if not isinstance(place, str):
            raise DataError(f"start, {kind!r}", "it must be a text.")
        if kind == "state":
            return self.service.signer.open(place)
        if not _ID.fullmatch(place):
            raise DataError("start, 'id'", "an id has 1 to 128 letters, digits and the signs . _ ~ - only.")
        self.name = f"{self.model.name}/{place}"
        kept = await self._ask_store(self.service.store.get(self.name))
        return None if kept is None else State.unpack(kept)

    async def _feed(self, stream: Stream, message: dict[str, Any]) -> dict[str, Any]:
        sequence, observations = message.get("sequence"), message.get("observations")
        most = self.service.settings.sequences
        if set(message) != {"sequence", "observations"} or type(sequence) is not int or sequence < 1:
            raise DataError("message", 'a chunk has a whole number "sequence" from 1, and "observations".')
        if not isinstance(observations, list) or not 1 <= len(observations) <= most:
            raise DataError("message, 'observations'", f"a list of 1 to {most} must come.")
        outputs = stream.answered(sequence)
        if outputs is not None:
            return {"sequence": sequence, "outputs": outputs, "repeated": True}
        state = await self._on_worker(stream.feed, sequence, observations)
        answer = {"sequence": sequence, "outputs": state.outputs}
        if self.name is None:
            return answer | {"state": self.service.signer.sign(state)}
        if not await self._ask_store(self.service.store.put(self.name, sequence, state.pack())):
            raise _CloseError(_TAKEN, "another connection went on with this stream")
        return answer

    async def _ask_store(self, asked: Awaitable[T]) -> T:
        """What the store says; where it says nothing, the client must come again, and send the chunk again."""
        try:
            return await asked
        except Exception as error:
            _log.error("the store failed: %s", type(error).__name__)
            raise _CloseError(_STORE, "the store of streams is out of order") from error

    async def _on_worker(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.service.worker, call, *arguments)
