"""The page to try models on, and the one that shows the API: plain files, without network and without a build."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

_FOLDER = Path(__file__).parent / "page"
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
_HEADERS = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}


def make_pages() -> APIRouter:
    """The two pages and what they need."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page() -> FileResponse:
        return FileResponse(_FOLDER / "index.html", headers=_HEADERS)

    @router.get("/docs")
    async def docs() -> FileResponse:
        return FileResponse(_FOLDER / "docs.html", headers=_HEADERS)

    router.routes.append(Mount("/static", StaticFiles(directory=_FOLDER)))
    return router
