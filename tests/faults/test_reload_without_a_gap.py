"""Row 40: while new workers load the application, the old ones accept and answer, and are stopped only then."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.polling import wait_until
from tests.support.repeated import RepeatedAction, repeat_requests
from tools.common.gunicorn_server import POLL_INTERVAL, GunicornServer, extended_config
from tools.common.raw_client import fetch, stream_chat

# An application that is loaded once the test lets the process pass, which may be the child that tests a reload.
HELD_APPLICATION = """
import os, sys, time
from pathlib import Path

folder = Path(__file__).parent
(folder / f"loading-{os.getpid()}").touch()
until = time.monotonic() + 60
while not any((folder / name).exists() for name in ("let-all", f"let-{os.getpid()}")):
    if time.monotonic() > until:
        sys.exit("the test has not let this process pass")
    time.sleep(0.005)

from wsgi import app
"""
# Seconds for the next step of a reload on a busy machine.
STEP = 30.0


class HeldServer:
    """A server whose processes load the application when the test lets them."""

    def __init__(self, folder: Path, *, args: tuple[str, ...] = (), **env: object) -> None:
        self._folder = folder
        self._seen: set[int] = set()
        (folder / "held_application.py").write_text(HELD_APPLICATION)
        self.config = extended_config(folder, "")
        self._let("all")
        self.server = GunicornServer(
            env, config=self.config, app="held_application:app", args=["--pythonpath", str(folder), *args]
        )

    def __enter__(self) -> HeldServer:
        self.server.start()
        self._seen |= self._loading()
        return self

    def __exit__(self, *error: object) -> None:
        self._let("all")
        self.server.stop()

    def _loading(self) -> set[int]:
        return {int(path.name.partition("-")[2]) for path in self._folder.glob("loading-*")}

    def _let(self, name: object) -> None:
        (self._folder / f"let-{name}").touch()

    def hold(self) -> None:
        """Hold all processes that begin to load the application from now on."""
        self._seen |= self._loading()
        (self._folder / "let-all").unlink(missing_ok=True)

    def wait_held(self) -> int:
        """Wait until one more process has begun to load the application; return its pid."""
        wait_until(lambda: bool(self._loading() - self._seen), STEP, pause=POLL_INTERVAL)
        pid = min(self._loading() - self._seen)
        self._seen.add(pid)
        return pid

    def let(self, *pids: int) -> None:
        """Let processes load the application."""
        for pid in pids:
            self._let(pid)

    def begin_reload(self, workers: int = 1, *, to_all: bool = False) -> list[int]:
        """Send HUP to the master, or to all processes, and let the trial pass; return the new workers, held."""
        self.hold()
        if to_all:
            os.killpg(self.server.pid, signal.SIGHUP)
        else:
            self.server.signal(signal.SIGHUP)
        self.let(self.wait_held())
        return [self.wait_held() for _ in range(workers)]


def answers(server: GunicornServer) -> RepeatedAction:
    """Request /healthz again and again. In a gap, a request would take longer than its time limit."""
    return repeat_requests(server.url, timeout=3)


def assert_all_answered(health: RepeatedAction) -> None:
    """Fail unless some more requests, and all before, were answered."""
    health.wait_times(20)
    assert not health.failures
    assert set(health.results) == {200}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldServer]:
    """A server that each test leaves with one worker that serves."""
    with HeldServer(tmp_path_factory.mktemp("held")) as shared:
        yield shared


def test_the_only_worker_answers_until_its_successor_has_loaded_the_application(held: HeldServer) -> None:
    """Row 40."""
    replace_the_only_worker(held)


@pytest.mark.parametrize("worker_class", ["gthread", pytest.param("sync", marks=pytest.mark.long)])
def test_so_does_a_worker_of_gunicorns_own_classes(tmp_path: Path, worker_class: str) -> None:
    with HeldServer(tmp_path, args=("-k", worker_class)) as own:
        replace_the_only_worker(own)


def replace_the_only_worker(held: HeldServer) -> None:
    """Reload, and check that no request waits for the new worker."""
    server = held.server
    old = server.wait_workers(1)
    with answers(server) as health:
        # As by `pkill -HUP gunicorn`.
        (new,) = held.begin_reload(to_all=True)
        assert_all_answered(health)
        assert server.worker_pids() == sorted([*old, new])
        held.let(new)
        assert server.wait_workers(1, without=old, timeout=STEP) == [new]
        assert_all_answered(health)
    server.wait_for_log(re.escape(f"Worker exiting (pid: {old[0]})"))
    assert "SIGKILL" not in server.log


def test_all_old_workers_answer_until_as_many_new_ones_serve_as_the_new_configuration_says(held: HeldServer) -> None:
    server, before = held.server, held.config.read_text()
    with answers(server) as health:
        for n in (2, 1):
            held.config.write_text(f"{before}\nworkers = {n}\n")
            old = server.worker_pids()
            new = held.begin_reload(n)
            held.config.write_text(before)
            for pid in new:
                assert_all_answered(health)
                assert set(server.worker_pids()) == {*old, *new}
                held.let(pid)
            assert set(server.wait_workers(n, without=old, timeout=STEP)) == set(new)
        assert_all_answered(health)


def test_a_new_worker_that_dies_while_it_loads_is_started_again_and_the_old_one_answers(held: HeldServer) -> None:
    server = held.server
    old = server.wait_workers(1)
    with answers(server) as health:
        (new,) = held.begin_reload()
        for _ in range(2):
            os.kill(new, signal.SIGKILL)
            new = held.wait_held()
            assert_all_answered(health)
        held.let(new)
        assert server.wait_workers(1, without=old, timeout=STEP) == [new]
        assert_all_answered(health)


def test_a_hup_during_a_reload_is_carried_out_behind_it_and_every_request_is_answered(held: HeldServer) -> None:
    server = held.server
    old = server.wait_workers(1)
    with answers(server) as health:
        (new,) = held.begin_reload()
        server.signal(signal.SIGHUP)
        assert_all_answered(health)
        held.let(new)
        # The trial of the second HUP.
        held.let(held.wait_held())
        newest = held.wait_held()
        assert server.wait_workers(2, without=old, timeout=STEP) == sorted([new, newest])
        assert_all_answered(health)
        held.let(newest)
        assert server.wait_workers(1, without=[new], timeout=STEP) == [newest]
        assert_all_answered(health)


def test_ttou_stops_no_worker_before_one_that_ttin_has_started_serves(held: HeldServer) -> None:
    server = held.server
    old = server.wait_workers(1)
    with answers(server) as health:
        held.hold()
        server.signal(signal.SIGTTIN)
        new = held.wait_held()
        server.signal(signal.SIGTTOU)
        server.wait_for_log("Handling signal: ttou")
        assert_all_answered(health)
        held.let(new)
        assert server.wait_workers(1, without=old, timeout=STEP) == [new]
        assert_all_answered(health)


def test_an_old_address_is_served_until_the_new_workers_serve_the_new_one(tmp_path: Path) -> None:
    address = tmp_path / "server"
    with HeldServer(tmp_path) as held, answers(held.server) as health:
        old = held.server.wait_workers(1)
        held.config.write_text(f"{held.config.read_text()}\nbind = 'unix:{address}'\n")
        (new,) = held.begin_reload()
        wait_until(address.exists, STEP, pause=POLL_INTERVAL)
        assert_all_answered(health)
        held.let(new)
        assert held.server.wait_workers(1, without=old, timeout=STEP) == [new]
    with pytest.raises(ConnectionRefusedError):
        fetch(held.server.url, "/healthz")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_server_that_is_told_to_end_while_new_workers_load_ends_without_them(
    tmp_path: Path, number: signal.Signals
) -> None:
    settings = {"SLUICE_DEMO_TOKENS_PER_SECOND": 2, "SLUICE_DRAIN_TIMEOUT": 1}
    with HeldServer(tmp_path, **settings) as held:
        with stream_chat(held.server.url, message="A table, please") as client:
            client.next_event()
            held.begin_reload()
            told = time.monotonic()
            held.server.signal(number)
            assert client.read_stream(timeout=10)[1].payload["code"] == "shutting_down"
        assert held.server.wait_exit() == 0
    assert time.monotonic() - told < 1 + 2
    assert held.server.log.count("Booting worker") == 2
    assert "SIGKILL" not in held.server.log


def test_new_workers_that_take_longer_than_the_timeout_are_named_and_the_old_one_answers_until_they_serve(
    tmp_path: Path,
) -> None:
    with HeldServer(tmp_path) as held, answers(held.server) as health:
        old = held.server.wait_workers(1)
        # Read in the reload; the trial before it has the usual time.
        held.config.write_text(f"{held.config.read_text()}\ntimeout = 3\ngraceful_timeout = 1\n")
        (new,) = held.begin_reload()
        held.server.wait_for_log("the new workers do not serve after 3 s; the old ones go on until they do")
        # The master handles signals again.
        held.server.signal(signal.SIGUSR1)
        held.server.wait_for_log("Handling signal: usr1")
        assert_all_answered(health)
        held.let(new)
        assert held.server.wait_workers(1, without=old, timeout=STEP) == [new]
        assert_all_answered(health)
