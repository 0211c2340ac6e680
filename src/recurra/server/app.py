"""The application: routes, what stands around them, and errors as sentences."""

from __future__ import annotations

import logging
import re
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
from recurra.server.routes import Endpoint, make_predict, make_routes
from recurra.server.service import Service

_log = logging.getLogger("recurra.server")


def make_app(service: Service) -> ASGIApp:
    """The application of a service; it is closed with its lifespan."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    app = FastAPI(title="Recurra", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False)
    predict = make_predict(service)
    app.include_router(make_routes(service, predict))
    app.include_router(make_pages())
    app.openapi = lambda: describe(service)  # type: ignore[method-assign]  # models come and go
    app.add_exception_handler(RecurraError, _say)
    app.add_exception_handler(HTTPException, _say_http)
    app.add_exception_handler(RequestValidationError, _say_invalid)
    app.add_exception_handler(Exception, _say_internal)
    guarded = Guarded(_Shortcut(app, predict), service.settings)
    return _Contained(Measured(guarded, service.metrics, service.settings.log_requests))


class _Shortcut:
    """Leads requests for predictions past the framework, which costs them as much as all else that is done for them."""

    _PATH = re.compile("/v1/models/([^/]+)/predict")

    def __init__(self, app: ASGIApp, predict: Endpoint) -> None:
        self.app, self.predict = app, predict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for predictions; pass on any other."""
        found = self._PATH.fullmatch(scope["path"]) if scope.get("method") == "POST" else None
        if found is None:
            await self.app(scope, receive, send)
            return
        scope["path_params"], scope["endpoint"] = {"name": found[1]}, self.predict
        request = Request(scope, receive)
        try:
            response = await self.predict(request)
        except RecurraError as error:
            response = await _say(request, error)
        except Exception as error:
            await (await _say_internal(request, error))(scope, receive, send)
            raise
        await response(scope, receive, send)


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
