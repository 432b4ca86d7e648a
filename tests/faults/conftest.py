"""The house in which faults are committed: a real server, a scripted model, and the oracle around each test."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import pytest

from tests.conftest import PLANTED_KEY
from tests.support.house import LIMITS
from tests.support.house import House as PlainHouse
from tools.common import raw_client
from tools.common.gunicorn_server import GunicornServer
from tools.common.leaks import SETTLE, ServerBaseline, wait_nothing_left, warm_up
from tools.common.raw_client import RawClient, fetch
from tools.common.scripted_model import MODEL_NAME, ScriptedModel

SABOTEUR = "tests.faults.saboteur:app"

# A key that only models know of, in what they say: it is recognised by its look alone.
STRANGERS_KEY = "sk-of-a-stranger"

# ------------------------------------------------------------------------------------------------- the house


class House(PlainHouse):
    """A server and the model behind it, with the oracle around a block."""

    @contextmanager
    def left_as_it_was(self, *, threads: bool = True) -> Iterator[None]:
        """Fail unless, soon after the block, the server holds no more than before it: the leak oracle.

        Args:
            threads: False where the block is the first to need so many that the pool of threads grows in it.
        """
        rest = Rest(self)
        yield
        rest.assert_restored(threads=threads)


class Rest:
    """What a house holds while nothing happens in it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._baseline = ServerBaseline.capture(house.server, house.model)
        self._tasks = self._most_tasks()

    def assert_restored(self, *, threads: bool = True) -> None:
        """Fail unless the house soon holds no more than that: streams, tasks, threads, descriptors, connections."""
        self._baseline.assert_restored(threads=threads)
        wait_nothing_left(self._tasks_left, SETTLE, f"{self.house.server!r}")
        # The service pools them, which is right; the next test should not depend on how many there are.
        self.house.model.drop_idle_connections()

    def _tasks_left(self) -> list[str]:
        now = self._most_tasks()
        return [] if len(now) <= len(self._tasks) else [f"tasks {now}, where there were {self._tasks}"]

    def _most_tasks(self) -> list[str]:
        """Return the tasks of the busiest loop; with several workers, of those that happen to answer."""
        asked = 1 if len(self._baseline.workers) == 1 else 8
        found: list[list[str]] = [fetch(self.house.url, "/sabotage/held").json()["tasks"] for _ in range(asked)]
        return max(found, key=len)


@contextmanager
def a_house(
    *,
    warm: int = 4,
    send_buffer: int | None = None,
    args: Sequence[str] = (),
    workers: int | None = None,
    config: str | Path = "gunicorn.conf.py",
    **env: object,
) -> Iterator[House]:
    """Run a server with the saboteur's application, and its model.

    Args:
        warm: As many streams at one time as the tests will have, so that pools of threads have grown.
        send_buffer: The model's send buffer for each connection, in bytes.
        args: Further arguments of gunicorn.
        workers: How many workers.
        config: The configuration file.
        env: Settings, over the tests' usual ones.
    """
    with ExitStack() as stack:
        model = stack.enter_context(ScriptedModel(send_buffer=send_buffer))
        variables = {
            "OPENAI_API_KEY": PLANTED_KEY,
            "OPENAI_MODEL": MODEL_NAME,
            "OPENAI_BASE_URL": model.base_url,
            "OPENAI_MAX_RETRIES": 0,
            **env,
        }
        given = {name: value for name, value in variables.items() if value is not None}
        server = GunicornServer(given, app=SABOTEUR, config=config, args=args, workers=workers, collector=False)
        house = House(stack.enter_context(server), model)
        if warm:
            warm_up(server, model, warm)
            model.drop_idle_connections()
        yield house


class Build(Protocol):
    """The type of the `build` fixture: `a_house` without the `with`."""

    def __call__(self, **how: Any) -> House:
        """Start a house that is stopped after the test."""


@pytest.fixture
def build() -> Iterator[Build]:
    """A function that starts houses with settings of the test's own."""
    with ExitStack() as stack:
        yield lambda **how: stack.enter_context(a_house(**how))


@pytest.fixture(scope="module")
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """A house that the tests of a module share; the module's `HOUSE` says how it is built."""
    with a_house(**{**LIMITS, **getattr(request.module, "HOUSE", {})}) as shared:
        yield shared


@pytest.fixture(scope="module")
def rest(house: House) -> Rest:
    """What the shared house holds before the first test: each of them is held to the same."""
    return Rest(house)


@pytest.fixture(autouse=True)
def the_shared_house_is_left_as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold the oracle after each test that uses the shared house."""
    if "house" not in request.fixturenames:
        yield
        return
    rest: Rest = request.getfixturevalue("rest")
    rest.house.model.clear()
    yield
    rest.assert_restored()


# -------------------------------------------------------------------------------------- witnesses of the key


@dataclass
class Witness:
    """Has read every byte that a test's client received and every line that a server logged."""

    keys: tuple[str, ...]
    bytes_read: int = 0
    log_lines: int = 0
    seen_in: list[str] = field(default_factory=list)
    #: Lines in which a key was taken out: a witness that never saw one would prove nothing.
    redactions: int = 0
    _tails: dict[int, bytes] = field(default_factory=dict)

    def read(self, reader: object, data: bytes) -> None:
        """Look at bytes of a reply, and at the seam to what the same reader had before."""
        block = self._tails.get(id(reader), b"") + data
        self.bytes_read += len(data)
        if any(key.encode() in block for key in self.keys):
            self.seen_in.append(f"a reply: {block[:2000]!r}")
        self._tails[id(reader)] = block[-max(map(len, self.keys)) :]

    def read_log(self, server: GunicornServer) -> None:
        """Look at the whole log of a server that has ended."""
        log = server.log
        self.log_lines += log.count("\n")
        self.redactions += log.count("[key]")
        self.seen_in.extend(f"a log: {line}" for line in log.splitlines() if any(key in line for key in self.keys))


@pytest.fixture(scope="session", autouse=True)
def witness() -> Iterator[Witness]:
    """Stand behind every client and every server of the run."""
    present = Witness((PLANTED_KEY, STRANGERS_KEY))
    feed, receive, stop = raw_client.ResponseReader.feed, RawClient.wait_closed, GunicornServer.stop

    def feed_seen(self: raw_client.ResponseReader, data: bytes) -> bytes:
        present.read(self, data)
        return feed(self, data)

    def wait_closed_seen(self: RawClient, timeout: float | None = None) -> bytes:
        data = receive(self, timeout)
        present.read(self, data)
        return data

    def stop_seen(self: GunicornServer) -> None:
        try:
            stop(self)
        finally:
            present.read_log(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_client.ResponseReader, "feed", feed_seen)
        patch.setattr(RawClient, "wait_closed", wait_closed_seen)
        patch.setattr(GunicornServer, "stop", stop_seen)
        yield present


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ask the witness last, once every server of the fault run has ended."""
    last = [item for item in items if item.path.name == "test_the_planted_key.py"]
    if last:
        items[:] = [item for item in items if item not in last] + last


# ------------------------------------------------------------------------------------------------- observers


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


class Repeated:
    """Do something again and again in a thread of its own while the block runs; keep times and failures.

    Args:
        action: What to do; its exceptions are kept in `failures`.
        pause: Seconds between two times.
    """

    def __init__(self, action: Callable[[], object], *, pause: float = 0.01) -> None:
        self.took: list[float] = []
        self.results: list[object] = []
        self.failures: list[BaseException] = []
        self._action = action
        self._pause = pause
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="repeated", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(30)
        assert not self._thread.is_alive(), "a repeated action did not end"

    def wait_times(self, n: int, timeout: float = 20.0) -> None:
        """Wait until it was done that many times more than now."""
        with self._changed:
            goal = self.done + n
            assert self._changed.wait_for(lambda: self.done >= goal, timeout), f"{self.done} of {goal} times"

    @property
    def done(self) -> int:
        """How often it was done, failures included."""
        return len(self.took) + len(self.failures)

    def _run(self) -> None:
        while not self._over.wait(self._pause):
            began = time.monotonic()
            try:
                result = self._action()
            except Exception as error:
                with self._changed:
                    self.failures.append(error)
                    self._changed.notify_all()
            else:
                with self._changed:
                    self.took.append(time.monotonic() - began)
                    self.results.append(result)
                    self._changed.notify_all()


def asking(url: str, path: str = "/healthz", timeout: float = 5.0) -> Repeated:
    """Ask a path again and again; a result is the status."""
    return Repeated(lambda: fetch(url, path, timeout=timeout).status)
