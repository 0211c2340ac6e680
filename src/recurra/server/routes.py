"""What is answered at which address."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from numpy.typing import NDArray
from starlette.websockets import WebSocket

from recurra.errors import DataError
from recurra.server.asking import read, read_single
from recurra.server.limits import read_body
from recurra.server.metrics import CONTENT_TYPE
from recurra.server.refusals import RefusalError, answer_refused, busy
from recurra.server.service import Service
from recurra.server.sockets import converse
from recurra.server.writing import read_order, write

T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]
_AT_ONCE = 4 * 1024  # bytes of a body that is checked between two others; larger ones are checked on a thread


def make_predict(service: Service) -> Endpoint:
    """What answers requests for predictions."""
    settings = service.settings

    async def predict(request: Request) -> Response:
        await service.gate.refuse_if_full()
        with service.gate.pass_through():
            model = service.models.get(request.path_params["name"])
            body = await read_body(request, settings.body)
            what = (request.headers.get("content-type", ""), model, body, request.query_params, settings)
            asked = read(*what) if len(body) <= _AT_ONCE else await asyncio.to_thread(read, *what)
            answers = await _answer(service, model.batcher.ask(asked.checked))
            _require_finite(answers)
            return Response(asked.reply(answers), media_type=asked.kind)

    return predict


def make_routes(service: Service, predict: Endpoint) -> APIRouter:
    """The routes of a service; :mod:`recurra.server.openapi` describes them."""
    router = APIRouter()
    settings = service.settings

    async def explain(request: Request) -> Response:
        """Answer one text, and say how much each of its words spoke for the answer."""
        await service.gate.refuse_if_full()
        with service.gate.pass_through():
            model = service.models.get(request.path_params["name"])
            body = await read_body(request, settings.body)
            task, text = read_single(request.headers.get("content-type", ""), model, body)
            weigh = partial(task.explain, model.bundle.model, text, settings.length)
            said = await _answer(service, asyncio.get_running_loop().run_in_executor(service.worker, weigh))
            return JSONResponse({"model": model.name, "version": model.version} | said)

    async def generate(request: Request) -> Response:
        """Go on with a text; its pieces are server-sent events."""
        await service.desk.refuse_if_full()
        model = service.models.get(request.path_params["name"])
        body = await read_body(request, settings.body)
        prompt, sampling = read_order(request.headers.get("content-type", ""), model, body, settings)
        return StreamingResponse(write(service, model, prompt, sampling), media_type="text/event-stream")

    for work in (predict, explain, generate):  # Starlette's own routes: what is read depends on the model
        router.add_route(f"/v1/models/{{name}}/{work.__name__}", work, ["POST"])

    @router.websocket("/v1/models/{name}/stream")
    async def stream(name: str, socket: WebSocket) -> None:
        """Feed a model one observation after the other."""
        try:
            model = service.models.get(name)
            if service.sessions.full:
                raise RefusalError(429, "stream", service.sessions.why, retry_after=5)
        except RefusalError as refusal:
            await socket.send_denial_response(answer_refused(refusal))
            return
        with service.sessions.pass_through():
            await socket.accept()
            await converse(service, model, socket)

    _add_states(router, service)
    return router


def _add_states(router: APIRouter, service: Service) -> None:
    """Add what tells of the service itself."""

    @router.get("/v1/models")
    async def models() -> Any:
        """The models in service, and those that could not be loaded."""
        return {"models": [model.describe() for model in service.models], "failed": sorted(service.models.failed)}

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process lives."""
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz(response: Response) -> dict[str, Any]:
        """Whether requests should be sent here: there is a model, and the server is not about to stop."""
        names = [model.name for model in service.models]
        ready = bool(names) and not service.closing
        response.status_code = 200 if ready else 503
        return {"ready": ready, "models": names}

    @router.get("/metrics")
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(service.metrics.render(), media_type=CONTENT_TYPE)


async def _answer(service: Service, answer: asyncio.Future[T]) -> T:
    """What a model says, within the deadline."""
    try:
        async with asyncio.timeout(service.settings.deadline):
            return await answer
    except TimeoutError:
        raise busy(f"There was no answer within {service.settings.deadline:g} s.") from None


def _require_finite(answers: Sequence[NDArray[np.float64]]) -> None:
    if not all(np.isfinite(numbers).all() for numbers in answers):
        raise DataError("request", "its numbers must have a finite answer, they have none. Check their size.")
