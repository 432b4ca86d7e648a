"""A real server with routes that inject faults, a scripted model, and the check that a test leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from tests.support.running_server import PLANTED_KEY, RunningServer
from tools.common.gunicorn_server import GunicornServer
from tools.common.leaks import SETTLE, ServerBaseline, wait_nothing_left, warm_up
from tools.common.raw_client import fetch, stream_chat
from tools.common.scripted_model import MODEL_NAME, ScriptedModel

FAULT_APPLICATION = "tests.support.fault_application:app"


class FaultServer(RunningServer):
    """A server that runs `FAULT_APPLICATION`, and the model behind it."""

    @contextmanager
    def without_leaks(self) -> Iterator[None]:
        """Fail unless, soon after the block, the server holds no more than before it."""
        baseline = IdleBaseline(self)
        yield
        baseline.assert_restored()


class IdleBaseline:
    """What a server holds while it serves no request."""

    def __init__(self, idle: FaultServer) -> None:
        self.running = idle
        self._baseline = ServerBaseline.capture(idle.server, idle.model)
        self._held = self._most_held()

    def assert_restored(self) -> None:
        """Fail unless the server soon holds no more: streams, tasks, threads, descriptors, connections.

        Threads of the pool are not counted: it starts them when they are first needed, up to its limit, and keeps
        them.
        """
        self._baseline.assert_restored(threads=False)
        wait_nothing_left(self._left, SETTLE, f"{self.running.server!r}")
        # The service pools them, which is right; the next test should not depend on how many there are.
        self.running.model.drop_idle_connections()

    def _left(self) -> list[str]:
        now = self._most_held()
        return [
            f"{kind} {now[kind]}, where there were {before}"
            for kind, before in self._held.items()
            if len(now[kind]) > len(before)
        ]

    def _most_held(self) -> dict[str, list[str]]:
        """Return the tasks and threads of the busiest worker; with several, of those that happen to answer."""
        asked = 1 if len(self._baseline.workers) == 1 else 8
        found = [fetch(self.running.url, "/faults/held").json() for _ in range(asked)]
        return {kind: max((held[kind] for held in found), key=len) for kind in ("tasks", "threads")}


@contextmanager
def start_fault_server(
    *,
    warm: int = 4,
    send_buffer: int | None = None,
    args: Sequence[str] = (),
    workers: int | None = None,
    config: str | Path = "gunicorn.conf.py",
    **env: object,
) -> Iterator[FaultServer]:
    """Run a server with `FAULT_APPLICATION`, and its model, until the block ends.

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
        server = GunicornServer(
            given, app=FAULT_APPLICATION, config=config, args=args, workers=workers, collector=False
        )
        running = FaultServer(stack.enter_context(server), model)
        if warm:
            warm_up(server, model, warm)
            model.drop_idle_connections()
        yield running


class StartOwnServer(Protocol):
    """The type of the `start_own_server` fixture: `start_fault_server` without the `with`."""

    def __call__(self, **options: Any) -> FaultServer:
        """Start a server that is stopped after the test."""


def whole_stream(running_server: FaultServer) -> None:
    """Get a whole stream over a connection of its own."""
    with stream_chat(running_server.url, timeout=15) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("Hello, world!", True)
