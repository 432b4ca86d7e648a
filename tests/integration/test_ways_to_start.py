"""What operators type to start the server: each way runs, or says what to type."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tools.common.gunicorn_server import REPOSITORY, GunicornServer
from tools.common.raw_client import fetch, stream_chat

MIDDLEWARE = """
from wsgi import app as inside

class Middleware:
    def __call__(self, environ, start_response):
        return inside(environ, start_response)

app = Middleware()
"""

OTHER = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"other"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sluice as it is deployed, with two more applications beside it."""
    made = tmp_path_factory.mktemp("deployed") / "sluice"
    for name in ("sluice", "service", "web"):
        shutil.copytree(REPOSITORY / name, made / name, ignore=shutil.ignore_patterns("vendor", "__pycache__"))
    for name in ("wsgi.py", "gunicorn.conf.py"):
        shutil.copy(REPOSITORY / name, made)
    (made / "middleware.py").write_text(MIDDLEWARE)
    (made / "other.py").write_text(OTHER)
    # Elsewhere, to be told from the one that is meant.
    (made.parent / "wsgi.py").write_text("raise LookupError('this is not the application that is meant')")
    (made.parent / ".env").write_text("PORT=none")
    (made.parent / "elsewhere").mkdir()
    return made


@dataclass(frozen=True)
class Way:
    """A command line."""

    command: list[str]
    env: dict[str, object] = field(default_factory=dict)
    #: Where it is typed, seen from Sluice's folder.
    where: str = "."

    @property
    def name(self) -> str:
        """What is typed."""
        return " ".join([*(f"{name}={value}" for name, value in self.env.items()), *self.command])


WAYS = [
    Way(["gunicorn"]),
    Way(["gunicorn", "wsgi"]),
    Way(["gunicorn", "sluice:create_app()"]),
    Way(["gunicorn", "-k", "gthread", "wsgi:app"]),
    Way(["gunicorn", "-k", "sync", "wsgi:app"]),
    Way(["gunicorn", "-k", "gthread", "--preload", "-w", "2", "wsgi:app"]),
    Way(["gunicorn", "--reload", "wsgi:app"]),
    Way(["gunicorn", "middleware:app"]),
    Way(["gunicorn", "-k", "gthread", "middleware:app"]),
    Way(["gunicorn", "wsgi:app"], {"GUNICORN_CMD_ARGS": "-w 2 -k gthread"}),
    Way(["python", "-m", "gunicorn", "-c", "sluice/gunicorn.conf.py", "--chdir", "sluice", "wsgi:app"], where=".."),
    Way(["gunicorn", "-c", "sluice/gunicorn.conf.py", "wsgi:app"], {"GUNICORN_CMD_ARGS": "--chdir sluice"}, ".."),
    Way(["gunicorn", "-c", "../sluice/gunicorn.conf.py", "wsgi:app"], where="../elsewhere"),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_way_to_start_the_server_serves_a_stream(folder: Path, way: Way) -> None:
    environment = {"SLUICE_DEMO_TOKENS_PER_SECOND": 5000, **way.env}
    with GunicornServer(environment, command=way.command, start_in=folder / way.where) as server:
        with stream_chat(server.url, message="A table, please") as client:
            text, terminal = client.read_stream()
        assert "demo model" in text
        assert terminal.is_done
    assert server.exit_code == 0
    assert "Traceback" not in server.log
    assert "Error" not in server.log


def test_a_checkout_without_the_pages_libraries_starts_and_says_how_to_add_them(folder: Path) -> None:
    with GunicornServer({}, command=["gunicorn"], start_in=folder) as server:
        server.wait_for_log(r"WARNING sluice.web .*the page shows answers as plain text: .* run `make vendor`")
        assert fetch(server.url, "/").status == 200


@pytest.mark.parametrize("options", [[], ["-k", "gthread"]], ids=["own worker", "gthread"])
def test_an_application_without_sluice_is_served_from_sluices_folder(folder: Path, options: list[str]) -> None:
    command = ["gunicorn", *options, "other:app"]
    with GunicornServer({}, command=command, start_in=folder, ready_path="/") as server:
        assert fetch(server.url, "/").body == b"other"
    assert server.exit_code == 0
    assert "Traceback" not in server.log
    if not options:
        server.wait_for_log("WARNING .*other:app does not use Sluice")


@pytest.mark.parametrize("worker", ["sluice.web.server.worker.SluiceWorker", "gthread"])
def test_a_unix_socket_is_served_and_named_in_the_log(folder: Path, tmp_path: Path, worker: str) -> None:
    path = tmp_path / "sluice.sock"
    command = ["gunicorn", "-k", worker, "-b", f"unix:{path}", "-b", "127.0.0.1:{port}", "wsgi:app"]
    with GunicornServer({"SLUICE_DEMO_TOKENS_PER_SECOND": 5000}, command=command, start_in=folder) as server:
        server.wait_for_log(f"Sluice listens on unix:{path}")
        body = b'{"message": "Hi", "interaction_mode": "stream"}'
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            head = "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json"
            client.sendall(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200")
        assert b'"finish_reason": "stop"' in answer
    assert server.exit_code == 0
    assert "Traceback" not in server.log


def start_and_fail(folder: Path, *command: str) -> str:
    """Start a server that cannot start, and return what it says."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOST": "127.0.0.1", "PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,  # it takes 2 s of a core; a busy machine may give it a fifteenth of one
        check=False,
    )
    assert done.returncode not in (0, -9)
    return done.stdout


BAD_DOTENV = {
    "a line that is none": (
        b"PORT=0\n\nOPENAI_API_KEY sk-secret\n",
        ".env, line 3, cannot be parsed; it should be NAME=",
    ),
    "a name alone": (b"OPENAI_API_KEY\n", ".env, line 1, has no `=`; it should be NAME=value"),
    "no UTF-8": (b"PORT=0\nOPENAI_API_KEY=sk-secret\xff\n", ".env, line 2, is not UTF-8; it should be"),
    "a NUL": (b"OPENAI_API_KEY=sk-secret\0\n", ".env, line 1, has a NUL byte; it should be text"),
    "a folder": (None, ".env is no regular file; it should be a text file that can be read, or not be there"),
}


@pytest.mark.parametrize("kind", BAD_DOTENV)
def test_a_dotenv_that_cannot_be_read_stops_the_start_with_a_sentence_that_names_file_and_line(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    """And not as the demo, which is what answers without settings."""
    raw, sentence = BAD_DOTENV[kind]
    path = tmp_path / ".env"
    if raw is None:
        path.mkdir()
    else:
        path.write_bytes(raw)
    said = start_and_fail(folder, "gunicorn", "--chdir", str(tmp_path), "wsgi:app")
    assert f"Sluice cannot start:\n{tmp_path}/{sentence}" in said
    assert "secret" not in said
    assert "Traceback" not in said
    assert "python-dotenv" not in said


def test_a_worker_class_without_threads_is_refused_with_a_message(folder: Path) -> None:
    said = start_and_fail(folder, "gunicorn", "-k", "gevent", "wsgi:app")
    assert "The worker class is 'gevent', in which its event loop's thread cannot run" in said
    assert "Traceback" not in said


def test_a_unix_socket_in_a_folder_that_is_not_there_is_refused_with_a_message(folder: Path) -> None:
    said = start_and_fail(folder, "gunicorn", "-b", "unix:/nowhere/sluice.sock", "wsgi:app")
    assert "The address is unix:/nowhere/sluice.sock" in said
    assert "Traceback" not in said


PATCHED = "threading module in this process, so that the event loop's thread would never run"


@pytest.mark.parametrize("options", [[], ["--preload"], ["-w", "2"]], ids=["", "preloaded", "two workers"])
@pytest.mark.parametrize("when", ["before", "behind"])
def test_an_application_that_gevent_has_patched_is_refused_with_a_message(
    folder: Path, when: str, options: list[str]
) -> None:
    """Not at the first chat, whose worker would wait for ever."""
    lines = ["import gevent.monkey; gevent.monkey.patch_all()", "from wsgi import app"]
    (folder / "patched.py").write_text("\n".join(lines if when == "before" else reversed(lines)))
    said = start_and_fail(folder, "gunicorn", *options, "patched:app")
    assert f"gevent has replaced Python's {PATCHED}" in said
    assert said.count("Booting worker") <= 2


def test_an_application_that_fails_in_patching_threads_is_refused_with_a_message(folder: Path) -> None:
    # A lock that was acquired before, and is released behind the patch, may fail so.
    patched = "import gevent.monkey; gevent.monkey.patch_all()\nraise RuntimeError('cannot release un-acquired lock')"
    (folder / "patched.py").write_text(patched)
    assert f"gevent has replaced Python's {PATCHED}" in start_and_fail(folder, "gunicorn", "--preload", "patched:app")


def test_gunicorns_gevent_worker_is_refused_also_by_another_configuration(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "own.conf.py").write_text("control_socket_disable = True")
    said = start_and_fail(folder, "gunicorn", "-c", str(tmp_path / "own.conf.py"), "-k", "gevent", "wsgi:app")
    assert f"gevent has replaced Python's {PATCHED}" in said
    assert said.count("Booting worker") == 1
