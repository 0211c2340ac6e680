"""The settings of a server, their one home. This module imports neither torch nor FastAPI."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from recurra.data.columns import Names
from recurra.settings import settings

Seconds = Annotated[float, Field(gt=0)]


@settings
class Serving:
    """Where a server listens, what it takes on, and what it refuses.

    >>> Serving(port=9000).host
    '127.0.0.1'
    """

    host: Annotated[str, Field(description="address to listen on; others than this machine's own need a decision")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Field(ge=0, le=65535, description="port to listen on; 0 for any free one")] = 8000
    allowed_host: Annotated[
        Names, Field(description="name under which browsers may reach the server, besides its address")
    ] = ()
    tokens: Annotated[
        Path | None, Field(description="file of bearer tokens, one a line; without it everybody is answered")
    ] = None
    wait: Annotated[float, Field(ge=0, description="milliseconds to wait for requests to answer together")] = 2.0
    batch: Annotated[int, Field(ge=1, description="sequences that one call of a model answers at most")] = 64
    queue: Annotated[int, Field(ge=1, description="requests in progress at most; more are refused with 503")] = 256
    deadline: Annotated[Seconds, Field(description="seconds within which a request is answered, else 503")] = 10.0
    receive: Annotated[Seconds, Field(description="seconds within which a request must have come, else 408")] = 10.0
    body: Annotated[int, Field(ge=1, description="bytes of a request at most, else 413")] = 2**20
    length: Annotated[int, Field(ge=1, description="steps of a sequence at most, else 422")] = 10_000
    sequences: Annotated[int, Field(ge=1, description="sequences of a request at most, else 422")] = 256
    writers: Annotated[int, Field(ge=1, description="texts that are written at the same time, else 503")] = 4
    sessions: Annotated[int, Field(ge=1, description="streams that are open at the same time, else 429")] = 2000
    idle: Annotated[Seconds, Field(description="seconds after which a stream that is fed nothing is closed")] = 600.0
    key: Annotated[
        Path | None, Field(description="file of 32 bytes or more that signs the states of streams; default: a new key")
    ] = None
    store: Annotated[
        str,
        Field(pattern=r"^(memory|sqlite:.+|rediss?://.+)$", description="memory, sqlite:FILE or redis://HOST:PORT/N"),
    ] = "memory"
    keep: Annotated[Seconds, Field(description="seconds for which the store keeps a stream that is fed nothing")] = (
        86400.0
    )
    threads: Annotated[int, Field(ge=1, description="threads of one call of a model")] = 1
    grace: Annotated[Seconds, Field(description="seconds to finish what was accepted when told to stop")] = 30.0
    log_requests: Annotated[bool, Field(description="log method, route, status and time of each request")] = False
