"""The processes of servers: Flask's reloader, and those in which greenlets have replaced threads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.rows import BIN, UWSGI, Row
from tests.servers.running import serving
from tests.support.polling import wait_until
from tools.common.raw_client import stream_chat
from tools.common.scripted_model import Headers, ScriptedModel, finished, said, stalling_after


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
