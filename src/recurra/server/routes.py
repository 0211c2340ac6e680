"""What is answered at which address."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray

from recurra.errors import DataError
from recurra.server.asking import read
from recurra.server.limits import read_body
from recurra.server.metrics import CONTENT_TYPE
from recurra.server.models import Model
from recurra.server.refusals import busy
from recurra.server.service import Service

_AT_ONCE = 32 * 1024  # bytes of a body that is checked between two others; larger ones are checked on a thread


def make_routes(service: Service) -> APIRouter:
    """The routes of a service."""
    router = APIRouter()

    async def predict(request: Request) -> Response:
        """Predict for one sequence or for many."""
        await service.gate.refuse_if_full()
        with service.gate.pass_through():
            model = service.models.get(request.path_params["name"])
            body = await read_body(request, service.settings.body)
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            where = (kind, model, body, request.query_params, service.settings)
            asked = read(*where) if len(body) <= _AT_ONCE else await asyncio.to_thread(read, *where)
            return Response(asked.reply(await _answer(service, model, asked.checked)), media_type=asked.kind)

    router.add_route("/v1/models/{name}/predict", predict, ["POST"])  # Starlette's own: FastAPI's costs twice as much

    @router.get("/v1/models")
    async def models() -> Any:
        """The models in service."""
        return {
            "models": [
                {"name": model.name, "task": model.bundle.task.name, "version": model.version}
                for model in service.models
            ],
            "failed": sorted(service.models.failed),
        }

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process lives."""
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz(response: Response) -> dict[str, Any]:
        """Whether requests should be sent here: there is a model, and the server is not about to stop."""
        names = [model.name for model in service.models]
        if service.closing or not names:
            response.status_code = 503
        return {"ready": response.status_code != 503, "models": names}

    @router.get("/metrics")
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(service.metrics.render(), media_type=CONTENT_TYPE)

    return router


async def _answer(service: Service, model: Model, checked: Sequence[Any]) -> Sequence[NDArray[np.float64]]:
    """The numbers of the answers, within the deadline."""
    try:
        async with asyncio.timeout(service.settings.deadline):
            answers: Sequence[NDArray[np.float64]] = await model.batcher.ask(checked)
    except TimeoutError:
        raise busy(f"There was no answer within {service.settings.deadline:g} s.") from None
    if not all(np.isfinite(numbers).all() for numbers in answers):
        raise DataError("request", "its numbers must have a finite answer, they have none. Check their size.")
    return answers
