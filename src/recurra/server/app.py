"""The application: routes, what stands around them, and errors as sentences."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from recurra.errors import RecurraError
from recurra.server.access import Guarded
from recurra.server.metrics import Measured
from recurra.server.openapi import describe
from recurra.server.pages import make_pages
from recurra.server.refusals import RefusalError, answer_refused
from recurra.server.routes import make_routes
from recurra.server.service import Service

_log = logging.getLogger("recurra.server")


def make_app(service: Service) -> ASGIApp:
    """The application of a service; it is closed with its lifespan."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    app = FastAPI(title="Recurra", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.include_router(make_routes(service))
    app.include_router(make_pages())
    app.openapi = lambda: describe(service)  # type: ignore[method-assign]  # models come and go
    app.add_exception_handler(RecurraError, _say)
    app.add_exception_handler(HTTPException, _say_http)
    app.add_exception_handler(RequestValidationError, _say_invalid)
    app.add_exception_handler(Exception, _say_internal)
    guarded = Guarded(app, service.settings)
    return _Contained(Measured(guarded, service.metrics, service.settings.log_requests))


class _Contained:
    """Ends what should not happen: the log is told where it was, without the values that made it happen."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            places = "".join(traceback.format_tb(error.__traceback__))
            _log.error("internal error, %s:\n%s", type(error).__name__, places)


async def _say(_: Request, error: Exception) -> Response:
    """A refusal has a status of its own; any other error on purpose is about what the request says."""
    return answer_refused(error) if isinstance(error, RefusalError) else JSONResponse({"error": str(error)}, 422)


async def _say_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)


async def _say_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return JSONResponse({"error": f"[{'.'.join(map(str, first['loc']))}] {first['msg']}"}, 422)


async def _say_internal(_: Request, error: Exception) -> Response:  # noqa: ARG001 - its words may hold values
    return JSONResponse({"error": "[server] an internal error; the server's log says where."}, 500)
