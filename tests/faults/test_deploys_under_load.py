"""Row 28: HUP, USR2 and `max_requests` under load. Nothing is refused or reset."""

from __future__ import annotations

import signal
from contextlib import ExitStack

import pytest

from tests.support.fault_server import FaultServer, StartOwnServer, whole_stream
from tests.support.repeated import RepeatedAction, repeat_requests
from tools.common.raw_client import RawClient


class KeptConnection:
    """Asks again and again over one connection, and takes another when the server says that it closes it."""

    def __init__(self, running_server: FaultServer) -> None:
        self._running = running_server
        self._client: RawClient | None = None

    def ask(self) -> None:
        """Get one whole block reply."""
        if self._client is None:
            self._client = RawClient(self._running.url, timeout=15)
        try:
            closes = self._ask(self._client)
        except BaseException:
            self.close()
            raise
        if closes:
            self.close()

    def _ask(self, client: RawClient) -> bool:
        body = b'{"message": "Hi", "interaction_mode": "block"}'
        client.request("POST", "/api/chat", {"Content-Type": "application/json"}, body)
        assert client.status == 200, client.read_body()
        assert b"Hello, world!" in client.read_body()
        return client.headers.get("connection") == "close"

    def close(self) -> None:
        """Close it, if it is open."""
        if self._client is not None:
            self._client.close()
            self._client = None


class Load:
    """A load of streams, blocks over kept connections, and asks of /healthz; nothing of it may fail."""

    def __init__(self, running_server: FaultServer) -> None:
        self._stack = ExitStack()
        kept = [KeptConnection(running_server) for _ in range(2)]
        for connection in kept:
            self._stack.callback(connection.close)
        actions = [lambda: whole_stream(running_server)] * 3 + [connection.ask for connection in kept]
        self.parts = [RepeatedAction(action) for action in actions] + [
            repeat_requests(running_server.url, timeout=15)
        ]

    def __enter__(self) -> Load:
        for part in self.parts:
            self._stack.enter_context(part)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def wait_times(self, n: int) -> None:
        """Wait until each part was done that many times more."""
        for part in self.parts:
            part.wait_times(n)

    def check(self) -> int:
        """Fail unless everything went well; return how much it was."""
        failures = [repr(failure) for part in self.parts for failure in part.failures]
        assert not failures, (len(failures), failures[:5])
        assert set(self.parts[-1].results) == {200}
        return sum(part.done for part in self.parts)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_hup_under_load_refuses_and_resets_nothing(start_own_server: StartOwnServer, workers: int) -> None:
    """Row 28."""
    running_server = start_own_server(workers=workers, warm=2)
    with Load(running_server) as load:
        load.wait_times(3)
        old = running_server.server.worker_pids()
        running_server.server.signal(signal.SIGHUP)
        running_server.server.wait_workers(workers, without=old, timeout=20)
        load.wait_times(5)
    print(f"HUP with {workers} worker(s): {load.check()} requests")


def test_usr2_under_load_refuses_and_resets_nothing(start_own_server: StartOwnServer) -> None:
    """Row 28: a new master beside the old one, which is then told to leave."""
    running_server = start_own_server(warm=2)
    with Load(running_server) as load:
        load.wait_times(3)
        running_server.server.signal(signal.SIGUSR2)
        running_server.server.wait_for_log("Sluice listens on", times=2)
        (new,) = (pid for pid in running_server.server.master_pids() if pid != running_server.server.pid)
        running_server.server.wait_workers(1, master=new)
        load.wait_times(5)
        running_server.server.signal(signal.SIGTERM)
        running_server.server.wait_exit()
        load.wait_times(5)
        print(f"USR2: {load.check()} requests")
    load.check()


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 2])
def test_max_requests_under_load_refuses_and_resets_nothing(start_own_server: StartOwnServer, workers: int) -> None:
    """Row 28."""
    running_server = start_own_server(workers=workers, args=["--max-requests", "20"], warm=0)
    with Load(running_server) as load:
        # A worker is replaced once the other one has room: after up to twice its requests, on a busy machine slowly.
        running_server.server.wait_for_log("requests served: this worker is replaced", times=2, timeout=60)
        load.wait_times(5)
    print(f"max_requests of 20 with {workers} worker(s): {load.check()} requests")
