"""Requests that are not answered: the status, a sentence for people, and when to try again."""

from __future__ import annotations

from starlette.responses import JSONResponse

from recurra.errors import RecurraError


class RefusalError(RecurraError):
    """A request is refused with an HTTP status."""

    def __init__(self, status: int, where: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(where, message)
        self.status = status
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """What is said beside the sentence."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


def answer_refused(refused: RefusalError) -> JSONResponse:
    """The answer to a request that is refused."""
    return JSONResponse({"error": str(refused)}, refused.status, refused.headers)


def busy(why: str) -> RefusalError:
    """The server has enough to do; the client is asked to come again."""
    return RefusalError(503, "server", f"{why} Try again in a second.", retry_after=1)
