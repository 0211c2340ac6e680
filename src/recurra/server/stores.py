"""Streams kept by id: in memory, in SQLite for the processes of one machine, in Redis for those of several.

A stream is put away with the number of the chunk that it is after. It takes the place of the one before it only: of two
connections that go on with the same stream, one is told that the other was first.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from recurra.errors import MissingExtraError, SettingsError
from recurra.server.settings import Serving

_MOST_IN_MEMORY = 100_000  # streams; beyond them the one that was used least recently is forgotten


class Store(Protocol):
    """Where streams are kept."""

    async def get(self, name: str) -> bytes | None:
        """The state of a stream; None if there is none."""
        ...

    async def put(self, name: str, sequence: int, state: bytes) -> bool:
        """Put a state after chunk ``sequence`` in the place of the one before; False if that is not there."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


class MemoryStore:
    """Streams of this process; they end with it."""

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._streams: OrderedDict[str, tuple[int, bytes, float]] = OrderedDict()

    async def get(self, name: str) -> bytes | None:
        """The state of a stream."""
        self._forget()
        found = self._streams.get(name)
        return None if found is None else found[1]

    async def put(self, name: str, sequence: int, state: bytes) -> bool:
        """Put a state in the place of the one before."""
        before = self._streams.get(name)
        if (0 if before is None else before[0]) != sequence - 1:
            return False
        self._streams[name] = (sequence, state, time.monotonic())
        self._streams.move_to_end(name)
        self._forget()
        return True

    async def close(self) -> None:
        """Forget all."""
        self._streams.clear()

    def _forget(self) -> None:
        old = time.monotonic() - self._keep
        while self._streams and (len(self._streams) > _MOST_IN_MEMORY or next(iter(self._streams.values()))[2] < old):
            self._streams.popitem(last=False)


class SqliteStore:
    """Streams in a file; its processes may come and go, and be killed."""

    def __init__(self, path: Path, keep: float) -> None:
        self._keep = keep
        self._thread = ThreadPoolExecutor(1, "store")
        try:
            self._database = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")  # what was committed outlives a kill of the process
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS streams (name TEXT PRIMARY KEY, sequence INTEGER, state BLOB, used REAL)"
            )
            self._database.execute("CREATE INDEX IF NOT EXISTS by_use ON streams (used)")
        except sqlite3.Error as error:
            raise SettingsError(f"--store sqlite:{path}", f"a database must be there or be made: {error}.") from None

    async def get(self, name: str) -> bytes | None:
        """The state of a stream."""
        query = "SELECT state FROM streams WHERE name = ? AND used >= ?"
        found = await self._run(lambda: self._database.execute(query, (name, self._oldest())).fetchone())
        return None if found is None else bytes(found[0])

    async def put(self, name: str, sequence: int, state: bytes) -> bool:
        """Put a state in the place of the one before."""
        return bool(await self._run(lambda: self._put(name, sequence, state)))

    def _put(self, name: str, sequence: int, state: bytes) -> int:
        self._database.execute("DELETE FROM streams WHERE used < ?", (self._oldest(),))
        values: tuple[Any, ...] = (sequence, state, time.time(), name)
        if sequence == 1:
            insert = "INSERT OR IGNORE INTO streams (sequence, state, used, name) VALUES (?, ?, ?, ?)"
            return self._database.execute(insert, values).rowcount
        update = "UPDATE streams SET sequence = ?, state = ?, used = ? WHERE name = ? AND sequence = ?"
        return self._database.execute(update, (*values, sequence - 1)).rowcount

    def _oldest(self) -> float:
        return time.time() - self._keep

    async def _run(self, work: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Close the file."""
        await self._run(self._database.close)
        self._thread.shutdown()


class RedisStore:
    """Streams in a Redis server, for any number of processes and machines."""

    _PUT = """
        local before = tonumber(redis.call('HGET', KEYS[1], 'sequence') or '0')
        if before ~= tonumber(ARGV[1]) - 1 then return 0 end
        redis.call('HSET', KEYS[1], 'sequence', ARGV[1], 'state', ARGV[2])
        redis.call('PEXPIRE', KEYS[1], ARGV[3])
        return 1
    """

    def __init__(self, url: str, keep: float) -> None:
        try:
            import redis.asyncio as redis
        except ImportError:
            raise MissingExtraError("--store redis", "its client must be there: pip install 'recurra[redis]'") from None
        self._redis = redis.from_url(url)
        self._keep = int(1000 * keep)

    async def get(self, name: str) -> bytes | None:
        """The state of a stream."""
        found = await self._redis.hget(f"recurra:{name}", "state")
        return found if isinstance(found, bytes) else None

    async def put(self, name: str, sequence: int, state: bytes) -> bool:
        """Put a state in the place of the one before."""
        done = await self._redis.eval(self._PUT, 1, f"recurra:{name}", sequence, state, self._keep)
        return bool(done)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def open_store(settings: Serving) -> Store:
    """The store that the settings name."""
    kind, _, place = settings.store.partition(":")
    if kind == "memory":
        return MemoryStore(settings.keep)
    if kind == "sqlite":
        return SqliteStore(Path(place), settings.keep)
    return RedisStore(settings.store, settings.keep)
