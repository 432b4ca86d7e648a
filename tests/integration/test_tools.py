"""Tools behind real gunicorn: an answer goes on with their results, and none of them outlives its answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.run_client import RunClient, run_id_of
from tests.support.running_server import PLANTED_KEY, RunningServer, cleared_model
from tools.common.gunicorn_server import GunicornServer
from tools.common.leaks import ServerBaseline, wait_nothing_left, warm_up
from tools.common.raw_client import fetch, post_chat, stream_chat
from tools.common.scripted_model import MODEL_NAME, ScriptedModel, calling, reply, usage_of

WITHIN = 5.0
HANG = calling(("c1", "hang", "{}"), ("c2", "hang", "{}"), text=["Wait. "])


def start(model: ScriptedModel, **further: object) -> GunicornServer:
    env = {
        "OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, "OPENAI_BASE_URL": model.base_url,
        "SLUICE_HEARTBEAT_INTERVAL": 0.2, "SLUICE_DRAIN_TIMEOUT": 0.5, **further,
    }  # fmt: skip
    return GunicornServer(env, app="tests.integration.tool_application:app", collector=False)


@pytest.fixture(scope="module")
def house() -> Iterator[RunningServer]:
    """The application, shared by the tests of this module."""
    # More threads would be made at any time, and the test of what is left counts them.
    with ScriptedModel() as model, start(model, SLUICE_RESERVE_THREADS=1) as server:
        yield RunningServer(server, model)


@pytest.fixture
def served(house: RunningServer) -> Iterator[RunningServer]:
    with cleared_model(house):
        yield house


def cancelled_calls(server: RunningServer) -> float:
    """Return how many calls of the waiting tool were cancelled."""
    found = re.findall(
        r'^sluice_tool_calls_total\{[^}]*outcome="cancelled"[^}]*\} (\S+)', fetch(server.url, "/metrics").text, re.M
    )
    return sum(map(float, found))


def wait_for_call(client: object) -> None:
    """Read a stream up to its second call."""
    seen = 0
    while seen < 2:
        seen += "tool_call" in client.next_event(WITHIN).payload  # type: ignore[attr-defined]


@pytest.mark.parametrize("mode", ["stream", "block"])
def test_an_answer_goes_on_with_the_result_of_its_tool(served: RunningServer, mode: str) -> None:
    served.model.enqueue(
        calling(("c1", "search", '{"query": "x"}'), text=["Let me see. "], usage=usage_of(5, 3)),
        reply("There.", usage=usage_of(9, 1)),
    )
    if mode == "block":
        whole = post_chat(served.url, message="Hi", interaction_mode="block").json()
        # Another message of the model begins a paragraph.
        assert (whole["message"], whole["usage"]) == ("Let me see. \n\nThere.", usage_of(14, 4))
        assert [(call["name"], call["text"]) for call in whole["tool_calls"]] == [("search", "found x")]
        assert whole["custom_events"] == [{"name": "citation", "data": {"title": "x"}}]
        return
    with stream_chat(served.url) as client:
        payloads = [frame.payload for frame in client.frames() if frame.comment is None]
    kinds = [next(iter(payload.keys() - {"success", "message", "interaction_mode"}), "text") for payload in payloads]
    assert [kind for kind in kinds if kind != "text"][:3] == ["tool_call", "custom", "tool_result"]
    assert "".join(payload["message"] for payload in payloads) == "Let me see. There."
    assert payloads[-1]["usage"] == usage_of(14, 4)


def test_a_client_that_leaves_cancels_the_tools_of_its_answer_and_nothing_is_left(served: RunningServer) -> None:
    warm_up(served.server, served.model, 2)
    served.model.drop_idle_connections()
    baseline = ServerBaseline.capture(served.server, served.model)
    before = cancelled_calls(served)
    for reset in (False, True):
        served.model.enqueue(HANG)
        with stream_chat(served.url) as client:
            wait_for_call(client)
            # Heartbeats go on while tools run.
            assert client.next_frame(WITHIN).comment is not None  # type: ignore[union-attr]
            if reset:
                client.reset()
    served.model.drop_idle_connections()
    wait_nothing_left(
        lambda: [] if cancelled_calls(served) == before + 4 else ["calls"], WITHIN, "two clients that have left"
    )
    baseline.assert_restored()


def test_an_answer_that_outlives_its_client_runs_its_tools_and_keeps_calls_and_results(
    served: RunningServer,
) -> None:
    browser = RunClient(served.url)
    gate = served.model.gate()
    served.model.enqueue((gate, *calling(("c1", "search", '{"query": "x"}'))), reply("There."))
    with browser.begin() as client:
        run_id = run_id_of(client)
    gate.open()
    with browser.follow(run_id) as client:
        payloads = [frame.payload for frame in client.frames() if frame.comment is None]
    assert [payload["tool_call"]["id"] for payload in payloads if "tool_call" in payload] == ["c1"]
    assert [payload["custom"]["data"] for payload in payloads if "custom" in payload] == [{"title": "x"}]
    assert [payload["tool_result"]["text"] for payload in payloads if "tool_result" in payload] == ["found x"]
    assert payloads[-1]["done"] is True


def test_a_stopped_answer_cancels_its_tools(served: RunningServer) -> None:
    browser = RunClient(served.url)
    before = cancelled_calls(served)
    served.model.enqueue(HANG)
    with browser.begin() as client:
        wait_for_call(client)
        assert browser.stop(run_id_of(client)).json()["state"] == "stopped"
        assert client.next_event(WITHIN).payload["code"] == "stopped"
    wait_nothing_left(lambda: [] if cancelled_calls(served) == before + 2 else ["calls"], WITHIN, "a stop")


def test_a_server_that_drains_ends_an_answer_whose_tool_hangs_with_a_terminal_frame(model: ScriptedModel) -> None:
    model.enqueue(HANG)
    with start(model) as server, stream_chat(server.url) as client:
        wait_for_call(client)
        server.stop()
        frames = list(client.frames(WITHIN))
    assert frames[-1].payload["code"] == "shutting_down"
    assert server.exit_code == 0


def test_a_call_waits_for_its_person_while_heartbeats_go_on_and_the_decision_comes_by_another_server(
    tmp_path: Path, model: ScriptedModel
) -> None:
    store = f"sqlite:{tmp_path / 'store' / 'runs.db'}"
    # The limit of a token is not the person's.
    limits = {"SLUICE_STORE": store, "SLUICE_NEXT_TOKEN_TIMEOUT": 0.3, "SLUICE_FIRST_TOKEN_TIMEOUT": 2}
    with start(model, **limits) as one, start(model, **limits) as two:
        browser = RunClient(one.url)
        for allow, told in ((True, "sent to bob"), (False, "The person did not allow it.")):
            model.enqueue(calling(("c1", "send", '{"to": "bob"}')), reply("I see."))
            with browser.begin() as client:
                run_id = run_id_of(client)
                call = client.next_event(WITHIN).payload["tool_call"]
                assert call["needs_consent"] is True
                for _ in range(3):
                    frame = client.next_frame(WITHIN)
                    assert frame is not None
                    assert frame.comment is not None
                assert decide(RunClient(two.url), run_id, "c1", allow) == 404
                assert decide(browser, run_id, "c2", allow, two.url) == 404
                assert decide(browser, run_id, "c1", allow, two.url) == 204
                assert decide(browser, run_id, "c1", allow, one.url) in (404, 409)
                frames = [frame.payload for frame in client.frames(WITHIN) if frame.comment is None]
            (result,) = [frame["tool_result"] for frame in frames if "tool_result" in frame]
            assert (result["text"], result["is_error"]) == (told, not allow)
            assert frames[-1]["done"] is True


def decide(browser: RunClient, run_id: str, call: str, allow: bool, url: str = "") -> int:
    """Take a decision, and return the status."""
    headers = {"Cookie": browser.cookie, "Content-Type": "application/json"}
    body = json.dumps({"call": call, "allow": allow}).encode()
    path = f"/api/runs/{run_id}/consent"
    return fetch(url or browser.url, path, method="POST", headers=headers, body=body).status
