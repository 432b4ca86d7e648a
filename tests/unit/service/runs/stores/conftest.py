"""The stores that pass one suite. Tests here are coroutines, and run on the loop that a worker has."""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.support.redis_stores import RedisBackend
from tests.support.run_stores import Backend, MemoryBackend, SqliteBackend, Workers
from tests.support.valkey import ValkeyCluster, ValkeyServer

# Seconds after which a test is cancelled, so that its connections are closed.
TEST_TIMEOUT = 60.0


@contextmanager
def short_folder() -> Iterator[Path]:
    """Make a folder whose path is short enough for sockets in it. Pytest's is not; and other users can reach it."""
    with tempfile.TemporaryDirectory(prefix="store-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """An empty folder with a short path."""
    with short_folder() as folder:
        yield folder


@contextmanager
def memory_backend(tmp_path: Path) -> Iterator[Backend]:
    yield MemoryBackend()


@contextmanager
def sqlite_backend(tmp_path: Path) -> Iterator[Backend]:
    with short_folder() as folder:
        yield SqliteBackend(folder / "store")


# What holds Valkey servers, which a session starts once, and of these only what its tests use.
VALKEY: dict[str, Callable[[], ValkeyServer | ValkeyCluster]] = {
    "valkey": ValkeyServer,
    "valkey cluster": ValkeyCluster,
}
RUNNING: dict[str, ValkeyServer | ValkeyCluster] = {}


@pytest.fixture(scope="session", autouse=True)
def valkey_servers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Start them before the first test: they are no leak of one."""
    used = {item.callspec.params.get("backend") for item in request.session.items if hasattr(item, "callspec")}
    with ExitStack() as running:
        for name, make in VALKEY.items():
            if name in used:
                RUNNING[name] = running.enter_context(make())
        yield
        RUNNING.clear()


@contextmanager
def valkey_backend(tmp_path: Path, *, name: str) -> Iterator[Backend]:
    yield RedisBackend(RUNNING[name])


BACKENDS: dict[str, Callable[[Path], AbstractContextManager[Backend]]] = {
    "memory": memory_backend,
    "sqlite": sqlite_backend,
    **{name: partial(valkey_backend, name=name) for name in VALKEY},
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """An empty store of each kind."""
    with BACKENDS[request.param](tmp_path) as running:
        yield running


@pytest.fixture
def workers(backend: Backend) -> Workers:
    """Workers that share the store. Their connections are closed with the test's loop."""
    return Workers(backend)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    uvloop.run(_run(pyfuncitem.obj, arguments))
    return True


async def _run(test: Callable[..., Any], arguments: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(TEST_TIMEOUT):
            await test(**arguments)
    finally:
        for each in arguments.values():
            if isinstance(each, Workers):
                await each.close()
