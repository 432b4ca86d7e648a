"""The stores that pass one suite. Tests here are coroutines, and run on the loop that a worker has."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.support.run_stores import Backend, MemoryBackend, SqliteBackend, Workers

# Seconds after which a test is cancelled, so that its connections are closed.
TEST_TIMEOUT = 60.0


@contextmanager
def memory_backend(tmp_path: Path) -> Iterator[Backend]:
    yield MemoryBackend()


@contextmanager
def sqlite_backend(tmp_path: Path) -> Iterator[Backend]:
    yield SqliteBackend(tmp_path / "store")


BACKENDS: dict[str, Callable[[Path], AbstractContextManager[Backend]]] = {
    "memory": memory_backend,
    "sqlite": sqlite_backend,
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
