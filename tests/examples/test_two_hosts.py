"""Two applications with Sluice in one worker, below a path."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.running_server import PLANTED_KEY, RunningServer, cleared_model
from tools.common.gunicorn_server import GunicornServer
from tools.common.model_scripts import finished, reply, said
from tools.common.raw_client import RawClient, fetch
from tools.common.scripted_model import MODEL_NAME, ScriptedModel

ROOT = "/site"
PATHS = (f"{ROOT}/assistant", f"{ROOT}/second/assistant")


@pytest.fixture(scope="module")
def shared_hosts() -> Iterator[RunningServer]:
    with ScriptedModel() as model:
        env = {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, "OPENAI_BASE_URL": model.base_url}
        app = "tests.examples.two_hosts:application"
        with GunicornServer({**env, "SCRIPT_NAME": ROOT}, app=app, ready_path=f"{ROOT}/") as server:
            yield RunningServer(server, model)


@pytest.fixture
def hosts(shared_hosts: RunningServer) -> Iterator[RunningServer]:
    with cleared_model(shared_hosts):
        yield shared_hosts


def begin(hosts: RunningServer, path: str, mode: str = "stream") -> RawClient:
    client = RawClient(hosts.url)
    body = json.dumps({"message": "Hi", "interaction_mode": mode}).encode()
    client.request("POST", f"{path}/api/chat", {"Content-Type": "application/json", "Connection": "close"}, body)
    return client


@pytest.mark.parametrize("path", PATHS)
def test_each_has_its_page_and_answers_in_both_modes_below_the_path(hosts: RunningServer, path: str) -> None:
    assert fetch(hosts.url, f"{path}/").status == 200
    assert fetch(hosts.url, f"{path}/openapi.json").json()["servers"] == [{"url": path}]
    for mode in ("block", "stream"):
        hosts.model.enqueue(reply("Hel", "lo"))
        with begin(hosts, path, mode) as client:
            text = client.read_body().decode()
            assert client.status == 200
            assert ("x-length" in client.headers) == ("second" in path)
        assert '"done": true' in text if mode == "stream" else '"message":"Hello"' in text


def test_a_disconnect_ends_the_answer_of_either(hosts: RunningServer) -> None:
    for number, path in enumerate(PATHS, 1):
        hosts.model.enqueue([*said("Half"), hosts.model.gate()])
        with begin(hosts, path) as client:
            hosts.model.wait_for_request(number)
            if "second" not in path:
                assert client.next_event().message == "Half"
        hosts.model.wait_idle()
        assert hosts.model.exchanges[number - 1].ended_by == "abort"


def test_a_function_that_reads_streams_is_named_once_in_the_log(hosts: RunningServer) -> None:
    for _ in range(2):
        with begin(hosts, PATHS[1]) as client:
            assert b"world" in client.read_body()
    warning = "an after_request function of the application reads the bodies of streams"
    hosts.server.wait_for_log(warning)
    assert hosts.server.log.count(warning) == 1


def test_open_answers_of_both_end_whole_at_sigterm(model: ScriptedModel) -> None:
    env = {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, "OPENAI_BASE_URL": model.base_url}
    app = "tests.examples.two_hosts:application"
    gate = model.gate()
    with (
        GunicornServer({**env, "SCRIPT_NAME": ROOT}, app=app, ready_path=f"{ROOT}/") as server,
        ExitStack() as stack,
    ):
        hosts = RunningServer(server, model)
        clients = []
        for number, path in enumerate(PATHS, 1):
            model.enqueue([*said("Hel"), gate, *said("lo"), *finished()])
            clients.append(stack.enter_context(begin(hosts, path)))
            model.wait_for_request(number)
        server.signal(signal.SIGTERM)
        server.wait_for_log("draining", times=2)
        gate.open()
        for client in clients:
            assert b'"done": true' in client.read_body()
        assert server.wait_exit() == 0
