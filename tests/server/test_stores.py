"""Each store keeps streams, lets only the next chunk take the place of the last, and forgets what is old."""

from __future__ import annotations

import asyncio
import shutil
import subprocess

import pytest

from recurra.errors import SettingsError
from recurra.server.settings import Serving
from recurra.server.stores import open_store
from server.running import free_port, wait_until


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    """The address of a real Redis server."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    client = pytest.importorskip("redis", reason="its client is needed: pip install 'recurra[redis]'")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path_factory.mktemp("redis"))]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)

    def answers() -> bool:
        try:
            return client.Redis(port=port).ping()
        except client.ConnectionError:
            return False

    try:
        wait_until(answers)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def place(request, tmp_path) -> str:
    if request.param == "redis":
        return request.getfixturevalue("redis")
    return "memory" if request.param == "memory" else f"sqlite:{tmp_path / 'streams.db'}"


def using(place: str, work, keep: float = 60):
    async def go():
        store = open_store(Serving(store=place, keep=keep))
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(go())


def test_a_state_takes_the_place_of_the_one_before_and_of_no_other(place):
    async def work(store):
        assert await store.get("a/b") is None
        assert await store.put("a/b", 1, b"\x00one")
        assert await store.get("a/b") == b"\x00one"
        assert not await store.put("a/b", 1, b"again")
        assert not await store.put("a/b", 3, b"gap")
        assert await store.put("a/b", 2, b"two")
        assert not await store.put("other", 2, b"nothing before")
        return await store.get("a/b")

    assert using(place, work) == b"two"


def test_of_many_that_put_the_same_chunk_one_succeeds(place):
    async def work(store):
        return await asyncio.gather(*(store.put("same", 1, bytes([n])) for n in range(20)))

    assert sum(using(place, work)) == 1


def test_what_is_not_used_is_forgotten(place):
    async def work(store):
        await store.put("brief", 1, b"x")
        await asyncio.sleep(0.3)
        return await store.get("brief"), await store.put("brief", 1, b"a new one")

    assert using(place, work, keep=0.2) == (None, True)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_another_process_finds_it(kind, tmp_path, request):
    place = request.getfixturevalue("redis") if kind == "redis" else f"sqlite:{tmp_path / 'streams.db'}"

    async def put(store):
        return await store.put("found", 1, b"x")

    async def get(store):
        return await store.get("found")

    assert using(place, put)
    assert using(place, get) == b"x"


def test_places_that_are_none(tmp_path):
    with pytest.raises(SettingsError, match="store"):
        Serving(store="disk")
    with pytest.raises(SettingsError, match="a database must be there or be made"):
        open_store(Serving(store=f"sqlite:{tmp_path / 'no' / 'such.db'}"))
    (tmp_path / "text.db").write_text("no database, but long enough to be looked at as one " * 5)
    with pytest.raises(SettingsError, match="a database must be there or be made"):
        open_store(Serving(store=f"sqlite:{tmp_path / 'text.db'}"))
