"""What streams do under each server that serves Flask applications, run for real."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.test_disconnects import PROMISE
from tests.servers.rows import BIN, ROWS, UWSGI, Row
from tests.support.polling import wait_until
from tests.support.running_server import PLANTED_KEY
from tools.common.gunicorn_server import REPOSITORY, GunicornServer
from tools.common.raw_client import CutShort, RawClient, WireViolation, chat_request, stream_chat
from tools.common.scripted_model import MODEL_NAME, Headers, ScriptedModel, finished, said, stalling_after

HEARTBEAT = 0.4
#: A closed connection fails at its second or third write, and with it the heartbeat.
HEARTBEATS = 5
DRAIN = 0.5


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@contextmanager
def serving(row: Row, model: ScriptedModel) -> Iterator[GunicornServer]:
    """Run a server, ready, with a folder that any user may read."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-servers-"))
    try:
        folder.chmod(0o755)
        port = 0
        if row.prepare is not None:
            port = free_port()
            row.prepare(folder, port)
        env = {
            "PYTHONPATH": str(REPOSITORY),
            "OPENAI_API_KEY": PLANTED_KEY,
            "OPENAI_MODEL": MODEL_NAME,
            "OPENAI_BASE_URL": model.base_url,
            "SLUICE_HEARTBEAT_INTERVAL": HEARTBEAT,
            "SLUICE_DRAIN_TIMEOUT": DRAIN,
        }
        command = [part.replace("{folder}", str(folder)) for part in row.command]
        with GunicornServer(env, command=command, port=port, start_in=folder) as server:
            yield server
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_server_gives_what_its_row_of_the_matrix_says(row: Row, model: ScriptedModel) -> None:
    if (reason := row.missing()) is not None:
        pytest.skip(reason)
    with serving(row, model) as server:
        _tokens_come_one_by_one(row, server, model)
        _a_disconnect_is_seen(row, server, model)
        if row.disconnect == "never":
            server.wait_for_log("requests come through the WSGI adapter of")
        if row.sigterm is not None:
            _an_open_answer_ends_at_sigterm(row, server, model)


def _tokens_come_one_by_one(row: Row, server: GunicornServer, model: ScriptedModel) -> None:
    first, second = model.gate(), model.gate()
    model.enqueue(
        (Headers(), *said("A"), first, *said("B"), *finished()), (Headers(), *said("C"), second, *finished())
    )
    with stream_chat(server.url) as client, RawClient(server.url) as other:
        assert client.next_event().message == "A"
        other.send(chat_request(server.url.removeprefix("http://"), {"message": "Hi", "interaction_mode": "stream"}))
        if row.at_once:
            other.read_head()
            assert other.next_event().message == "C"
        else:
            with pytest.raises(TimeoutError):
                other.read_head(timeout=0.3)
        first.open()
        assert client.read_stream()[0] == "B"
        second.open()
        other.read_head()
        assert other.read_stream()[0] == ("" if row.at_once else "C")


def _a_disconnect_is_seen(row: Row, server: GunicornServer, model: ScriptedModel) -> None:
    gate = model.gate()
    model.enqueue((Headers(), *said("Hello"), gate, *said("."), *finished()))
    with stream_chat(server.url) as client:
        assert client.next_event().message == "Hello"
        exchange = model.exchanges[-1]
        disconnected_at = time.monotonic()
        client.close()
    if row.disconnect == "never":
        # Nothing tells of it, so the answer goes on to its end.
        gate.open()
        exchange.wait_finished()
        return
    within = PROMISE if row.disconnect == "at once" else HEARTBEATS * HEARTBEAT + PROMISE
    assert exchange.wait_aborted() - disconnected_at < within


def _an_open_answer_ends_at_sigterm(row: Row, server: GunicornServer, model: ScriptedModel) -> None:
    model.enqueue(stalling_after("Hello"))
    with stream_chat(server.url) as client:
        assert client.next_event().message == "Hello"
        server.signal(signal.SIGTERM)
        if row.sigterm == "frame":
            assert client.read_stream()[1].payload["code"] == "shutting_down"
        else:
            with pytest.raises((CutShort, WireViolation, ConnectionResetError)):
                client.read_stream()
    server.wait_exit()


def test_flasks_reloader_ends_open_answers_with_a_terminal_frame_and_the_new_process_serves(
    model: ScriptedModel, tmp_path: Path
) -> None:
    file = tmp_path / "host.py"
    file.write_text("from tests.servers.application import app\n")
    command = ["flask", "--app", str(file), "run", "--port={port}", "--reload"]
    with serving(Row("reloader", command), model) as server:
        # The process that only watches the files has no loop.
        assert len(list(Path(f"/proc/{server.pid}/task").iterdir())) == 1
        (serving_process,) = [each.pid for each in server.group() if each.parent == server.pid]
        model.enqueue(stalling_after("Hello"), (Headers(), *said("Again"), *finished()))
        with stream_chat(server.url) as client:
            assert client.next_event().message == "Hello"
            exchange = model.exchanges[-1]
            file.write_text("from tests.servers.application import app  # changed\n")
            assert client.read_stream()[1].payload["code"] == "shutting_down"
        exchange.wait_aborted()
        wait_until(lambda: serving_process not in [each.pid for each in server.group()], 5.0)
        server.wait_ready()
        with stream_chat(server.url) as client:
            assert client.read_stream()[0] == "Again"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ([*UWSGI, "--gevent=8"], "uWSGI is started with 'gevent'"),
        (
            ["python", "-c", "from gevent import monkey; monkey.patch_all(); import tests.servers.waitress_server"],
            "gevent has replaced Python's threading module",
        ),
    ],
    ids=["uWSGI", "waitress"],
)
def test_greenlets_are_refused_with_a_sentence(command: list[str], sentence: str, model: ScriptedModel) -> None:
    if not (BIN / command[0]).exists():
        pytest.skip(f"{command[0]} is not installed")
    with pytest.raises(AssertionError, match="the server exited with") as refused, serving(Row("", command), model):
        pass
    assert sentence in str(refused.value)
