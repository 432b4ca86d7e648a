"""Row 40: HUP, USR2 and workers that are started later, where what is on disk cannot start. The server goes on."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.polling import wait_until
from tests.support.repeated import RepeatedAction, repeat_requests
from tools.common.gunicorn_server import POLL_INTERVAL, REPOSITORY, GunicornServer, processes
from tools.common.raw_client import fetch, stream_chat

# Seconds for reloads to end on a busy machine.
SETTLED = 30.0
# What the log says of one that is followed: it is tried, it is followed, and there is a new worker.
RELOADS = ("testing whether a worker can start", "Hang up", "Booting worker")
REFUSED = "HUP was not carried out, because a new worker could not start"


class Deployed:
    """Sluice in a folder of its own, and the server that runs there; each file can be broken for a while."""

    def __init__(self, folder: Path, tokens_per_second: int = 5000, drain_timeout: int = 3) -> None:
        self.folder = folder
        for name in ("service", "sluice", "web"):
            # With what is compiled already, which takes a second.
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("vendor"))
        for name in ("wsgi.py", "gunicorn.conf.py"):
            shutil.copy(REPOSITORY / name, folder)
        self.set(SLUICE_MAX_HISTORY=100)
        environment = {"SLUICE_DEMO_TOKENS_PER_SECOND": tokens_per_second, "SLUICE_DRAIN_TIMEOUT": drain_timeout}
        # Relative paths: gunicorn itself looks for them in the folder that it has gone to, and ends at HUP.
        command = ["gunicorn", "-c", f"{folder.name}/gunicorn.conf.py", "--chdir", folder.name, "wsgi:app"]
        self.server = GunicornServer(environment, command=command, start_in=folder.parent)

    def set(self, **settings: object) -> None:
        """Write `.env`."""
        (self.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    @contextmanager
    def broken(self, name: str, added: bytes) -> Iterator[None]:
        """Have a file end with this for a while; an import comes first, so that nothing else is loaded before."""
        before = (self.folder / name).read_bytes()
        with self.replaced(name, added + before if added.startswith(b"import ") else before + added):
            yield

    @contextmanager
    def replaced(self, name: str, content: bytes) -> Iterator[Path]:
        """Have a file hold this for a while."""
        path = self.folder / name
        before = path.read_bytes()
        path.write_bytes(content)
        try:
            yield path
        finally:
            path.write_bytes(before)

    def max_history(self) -> object:
        """Ask the server for a setting."""
        return fetch(self.server.url, "/api/config").json()["max_history"]

    def reload(self) -> None:
        """Send HUP and wait for the new worker."""
        old = self.server.worker_pids()
        self.server.signal(signal.SIGHUP)
        self.server.wait_workers(1, without=old)
        self.server.wait_ready()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A server that the tests leave as they found it."""
    deployed = Deployed(tmp_path_factory.mktemp("deployed") / "sluice")
    with deployed.server:
        yield deployed


BREAKAGES = {
    "a bad setting": (".env", b"SLUICE_MAX_STREAMS=many\n", "SLUICE_MAX_STREAMS is 'many'"),
    "two bad settings": (".env", b"SLUICE_MAX_STREAMS=many\nPORT_=\nSLUICE_PIN_CPU=x\n", "SLUICE_PIN_CPU is 'x'"),
    "no UTF-8": (".env", b"\xff\xfe\n", r"\.env, line 2, is not UTF-8"),
    "a line that is none": (".env", b"\nOPENAI_API_KEY sk-x\n", r"\.env, line 3, cannot be parsed; it should be"),
    "a name with two values": (".env", b"SLUICE_MAX_HISTORY=50\n", r"\.env, line 1, has no effect, because line 2"),
    "a NUL": (".env", b"OPENAI_MODEL=a\0\n", r"\.env, line 2, has a NUL byte"),
    "a folder as a secret": (".env", b"OPENAI_API_KEY_FILE=/tmp\n", "_FILE is '/tmp', which is no regular file"),
    "a secret that is not there": (".env", b"OPENAI_API_KEY_FILE=key\n", "_FILE is 'key', which cannot be read"),
    "syntax in service": ("service/service.py", b"\ndef (", "SyntaxError: .*service.py"),
    "syntax in the settings": ("service/settings/settings.py", b"\ndef (", "SyntaxError: .*settings.py"),
    "syntax in web": ("web/api/chat.py", b"\ndef (", "SyntaxError: .*chat.py"),
    "syntax in the worker": ("web/server/worker.py", b"\ndef (", "SyntaxError"),
    "syntax in the configuration": ("gunicorn.conf.py", b"\ndef (", "SyntaxError: .*gunicorn.conf.py"),
    "a missing package": ("wsgi.py", b"import not_there\n", "No module named 'not_there'"),
    "an exit": ("wsgi.py", b"import sys; sys.exit('not today')\n", "not today"),
    "an end": ("wsgi.py", b"\nimport os; os._exit(7)", "was killed, or took too long"),
    "no application": ("wsgi.py", b"\ndel app", "Failed to find attribute 'app' in 'wsgi'"),
    "an address of another machine": ("gunicorn.conf.py", b"\nbind = '192.0.2.1:8000'", "no such address"),
    "an address in use": (
        "gunicorn.conf.py",
        b"\nbind = bind.replace('127.0.0.1', '0.0.0.0')",
        "listens there already",
    ),
    "one more address": ("gunicorn.conf.py", b"\nbind = [bind, '127.0.0.1:0']", "the running workers still listen"),
    "an unknown worker class": ("gunicorn.conf.py", b"\nworker_class = 'none'", "class uri 'none' invalid"),
    "an unfit option": ("gunicorn.conf.py", b"\nworkers = 'none'", "exit code 1|ValueError"),
    "a hook that fails": ("gunicorn.conf.py", b"\ndef post_fork(server, worker): 1 / 0", "ZeroDivisionError"),
    "a start that fails": (
        "service/service.py",
        b"\ndef fail(self): 1 / 0\nChatService.start = fail",
        "ZeroDivisionError",
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_hup_with_code_that_cannot_start_keeps_workers_and_settings_and_logs_why(
    shared: Deployed, breakage: str
) -> None:
    """Row 40."""
    name, added, said = BREAKAGES[breakage]
    server = shared.server
    before = server.log.count("then send HUP again")
    workers = server.worker_pids()
    with shared.broken(name, added):
        server.signal(signal.SIGHUP)
        server.wait_for_log("then send HUP again", times=before + 1)
        assert re.search(rf"ERROR .*{REFUSED}: .*({said})", server.log)
        assert server.worker_pids() == workers
        assert shared.max_history() == 100
        with stream_chat(server.url) as client:
            assert client.read_stream()[1].is_done


def test_hup_with_a_folder_in_the_place_of_dotenv_keeps_workers_and_settings_and_logs_why(shared: Deployed) -> None:
    server, path = shared.server, shared.folder / ".env"
    before = server.log.count("then send HUP again")
    path.rename(shared.folder / "away")
    path.mkdir()
    try:
        server.signal(signal.SIGHUP)
        server.wait_for_log("then send HUP again", times=before + 1)
    finally:
        path.rmdir()
        (shared.folder / "away").rename(path)
    assert re.search(rf"ERROR .*{REFUSED}: .*\.env is no regular file", server.log)
    assert shared.max_history() == 100


def test_a_good_hup_behind_a_refused_one_logs_which_model_answers_and_waits_until_dotenv_is_whole(
    shared: Deployed,
) -> None:
    before = shared.server.log.count("then send HUP again")
    with shared.broken(".env", b"SLUICE_MAX_STREAMS=many\n"):
        shared.server.signal(signal.SIGHUP)
        shared.server.wait_for_log("then send HUP again", times=before + 1)
    with shared.replaced(".env", b"SLUICE_MAX_HISTORY=50\nOPENAI_BASE_URL=http://127.0.0.1:9/v1\nOPENAI_MODEL=m\n"):
        shared.reload()
        assert shared.max_history() == 50
        shared.server.wait_for_log("Answers come from m at http://127.0.0.1:9/v1")
    demo = shared.server.log.count("Answers come from the built-in demo")
    with shared.replaced(".env", b"# ") as path:
        workers = shared.server.worker_pids()
        shared.server.signal(signal.SIGHUP)
        # As an editor does that writes a piece at a time.
        with RepeatedAction(lambda: append(path, b"a long comment "), pause=0.05) as pieces:
            pieces.wait_times(20)
        append(path, b"\nSLUICE_MAX_HISTORY=100\n")
        shared.server.wait_workers(1, without=workers)
        shared.server.wait_ready()
        assert shared.max_history() == 100
    shared.server.wait_for_log("Answers come from the built-in demo", times=demo + 1)


def children_of(pid: int) -> list[int]:
    """Return the children of a process, also those that have ended and for which it has not waited."""
    return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def append(path: Path, piece: bytes) -> None:
    """Write a piece at the end of a file."""
    with path.open("ab") as file:
        file.write(piece)


def test_twenty_hups_within_two_seconds_cause_few_reloads_and_refuse_no_client(shared: Deployed) -> None:
    """Row 40."""
    server = shared.server
    old = server.wait_workers(1)
    counted = [server.log.count(line) for line in RELOADS]
    with repeat_requests(server.url, timeout=15) as health, RepeatedAction(lambda: stream_whole(server)) as streams:
        with RepeatedAction(lambda: server.signal(signal.SIGHUP), pause=0.1) as hups:
            hups.wait_times(20)
        server.wait_workers(1, without=old)
        streams.wait_times(2)
        assert not health.failures
        assert not streams.failures
        assert set(health.results) == {200}

    def all_are_done() -> bool:
        tried, followed, booted = (server.log.count(line) - n for line, n in zip(RELOADS, counted, strict=True))
        children = [process for process in processes() if process.parent == server.pid]
        return 0 < tried == followed == booted and [process.state == "Z" for process in children] == [False]

    wait_until(all_are_done, SETTLED, pause=POLL_INTERVAL)
    assert server.log.count("Booting worker") - counted[2] <= 10


def stream_whole(server: GunicornServer) -> None:
    """Get a whole stream."""
    with stream_chat(server.url, timeout=15) as client:
        assert client.read_stream()[1].is_done


@pytest.mark.parametrize("content", [b"SLUICE_MAX_HISTORY=50\nSLUICE_MAX_STREAMS=many\n", b""], ids=["bad", "empty"])
def test_workers_that_start_later_have_the_settings_of_the_last_start_or_reload(
    shared: Deployed, content: bytes
) -> None:
    """As where one dies while somebody edits `.env`."""
    (worker,) = shared.server.wait_workers(1)
    with shared.replaced(".env", content):
        os.kill(worker, signal.SIGKILL)
        shared.server.wait_workers(1, without=[worker])
        shared.server.wait_ready()
        assert shared.max_history() == 100


def test_a_worker_that_cannot_start_later_ends_nothing_and_is_tried_again(shared: Deployed) -> None:
    """As where one is added or dies in the middle of a deploy; gunicorn would end the server."""
    server = shared.server
    with shared.broken("wsgi.py", b"import not_there\n"):
        server.signal(signal.SIGTTIN)
        # Two starts with a pause between them.
        server.wait_for_log("the server continues with the workers that run", timeout=30, times=2)
        assert shared.max_history() == 100
    server.wait_workers(2)
    server.wait_for_log("Booting worker")
    server.signal(signal.SIGTTOU)
    server.wait_workers(1)
    server.wait_ready()


def test_usr2_with_what_cannot_start_keeps_the_old_server_running_and_a_good_one_is_carried_out(
    shared: Deployed,
) -> None:
    server = shared.server
    workers = server.worker_pids()
    for name, added, said in (
        (".env", b"SLUICE_MAX_STREAMS=many\n", "SLUICE_MAX_STREAMS is 'many'"),
        ("wsgi.py", b"import not_there\n", "No module named 'not_there'"),
    ):
        before = server.log.count(said)
        with shared.broken(name, added):
            server.signal(signal.SIGUSR2)
            # The second master says why it ends. Itself it might come and go between two looks.
            server.wait_for_log(said, times=before + 1)
            wait_until(lambda: server.master_pids() == [server.pid], SETTLED, pause=POLL_INTERVAL)
            # One that is about to be gone has no variables any more, and looks like a worker.
            wait_until(lambda: server.worker_pids() == workers, SETTLED, pause=POLL_INTERVAL)
            # Until the master has waited for it, a further USR2 is ignored.
            wait_until(lambda: children_of(server.pid) == workers, SETTLED, pause=POLL_INTERVAL)
            assert shared.max_history() == 100
            assert shared.server.status("/readyz") == 200
    before = server.log.count("Sluice listens on")
    server.signal(signal.SIGUSR2)
    server.wait_for_log("Sluice listens on", times=before + 1)
    (new,) = set(server.master_pids()) - {server.pid}
    os.kill(new, signal.SIGTERM)
    wait_until(lambda: server.master_pids() == [server.pid], SETTLED, pause=POLL_INTERVAL)


def test_a_server_that_gets_sigterm_during_a_reload_drains_once(tmp_path: Path) -> None:
    """gunicorn first waits for the old workers, and only then tells the new ones."""
    deployed = Deployed(tmp_path / "sluice", tokens_per_second=2, drain_timeout=1)
    with deployed.server as server:
        with stream_chat(server.url, message="A table, please") as client:
            client.next_event()
            server.signal(signal.SIGHUP)
            server.wait_for_log("draining: 1 open")
            server.wait_ready()
            with stream_chat(server.url, message="A table, please") as new:
                new.next_event()
                told = time.monotonic()
                server.signal(signal.SIGTERM)
                for each in (client, new):
                    assert each.read_stream(timeout=10)[1].payload["code"] == "shutting_down"
        assert server.wait_exit(timeout=10) == 0
        assert time.monotonic() - told < 1 + 2
    assert "SIGKILL" not in server.log
