"""Fixtures of the fault tests: servers that inject faults, checked after each test, and the search for keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.fault_server import FaultServer, IdleBaseline, StartOwnServer, start_fault_server
from tests.support.key_detector import KeyDetector, detect_keys
from tests.support.running_server import SHORT_LIMITS


@pytest.fixture
def start_own_server() -> Iterator[StartOwnServer]:
    """A function that starts a server with settings of the test's own."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(start_fault_server(**options))


@pytest.fixture(scope="module")
def running_server(request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    """A server that the tests of a module share; the module's `SERVER_SETTINGS` go over the short limits."""
    with start_fault_server(**{**SHORT_LIMITS, **getattr(request.module, "SERVER_SETTINGS", {})}) as shared:
        yield shared


@pytest.fixture(scope="module")
def idle_baseline(running_server: FaultServer) -> IdleBaseline:
    """What the shared server holds before the first test; after each test it may hold no more."""
    return IdleBaseline(running_server)


@pytest.fixture(autouse=True)
def shared_server_leaks_nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test after which the shared server holds more than before the first test."""
    if "running_server" not in request.fixturenames:
        yield
        return
    baseline: IdleBaseline = request.getfixturevalue("idle_baseline")
    baseline.running.model.clear()
    yield
    baseline.assert_restored()


@pytest.fixture(scope="package", autouse=True)
def key_detector() -> Iterator[KeyDetector]:
    """Search all replies and logs of the fault tests of this process for keys; fail at the end if one has a key."""
    with detect_keys() as detector:
        yield detector
    print(f"{detector.bytes_read} bytes of replies and {detector.log_lines} lines of logs were searched for keys")
    assert detector.seen_in == []
