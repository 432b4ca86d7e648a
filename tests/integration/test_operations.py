"""What operators ask, and what the log and the metrics say of a stream."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urljoin

from tests.conftest import Serve
from tests.support.running_server import RunningServer
from tools.common.leaks import gauge
from tools.common.raw_client import fetch, post_chat, stream_chat
from tools.common.scripted_model import ScriptedModel, refused, reply, stalling_after

USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


def test_health_and_readiness_are_200_on_a_healthy_server(running_server: RunningServer) -> None:
    assert fetch(running_server.url, "/healthz").json() == {"status": "ok"}
    assert fetch(running_server.url, "/readyz").json() == {"status": "ready"}


def test_the_page_learns_what_it_needs(running_server: RunningServer) -> None:
    assert fetch(running_server.url, "/api/config").json() == {
        "interaction_mode": "stream",
        "model": "scripted",
        "models": ["scripted", "other-model"],
        "demo": False,
        "currency": "",
        "max_message_chars": 100_000,
        "max_history": 200,
        "max_body_bytes": 2**20,
        "allow_system_prompt": False,
        "allow_temperature": False,
        "images": False,
        "resumable": True,
        "starters": None,
        "version": "0.1.0",
        "user": "",
    }


def test_the_page_learns_the_questions_and_the_mode_that_the_operator_set(other_server: RunningServer) -> None:
    told = fetch(other_server.url, "/api/config").json()
    assert told["starters"] == {
        "zh": [{"prompt": "天空为什么是蓝色的？", "label": ""}, {"prompt": "冰为什么会浮？", "label": "冰"}]
    }
    assert told["interaction_mode"] == "block"


def test_the_operators_stream_mode_is_that_of_requests_that_name_none(serve: Serve) -> None:
    server = serve(OPENAI_INTERACTION_MODE="stream")
    assert post_chat(server.url, message="Hi").headers["content-type"].startswith("text/event-stream")


def test_a_finished_stream_is_one_line_in_the_log_without_its_text(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("a secret answer", usage=USAGE))
    with stream_chat(running_server.url, message="a secret question", source="load-test") as client:
        request_id = client.headers["x-request-id"]
        client.read_stream()
    line = running_server.server.wait_for_log(rf"[^\n]*run={request_id}[^\n]*")[0]
    assert re.search(
        rf"\[{request_id}\] run={request_id} source=load-test mode=stream model=scripted provider=127.0.0.1 "
        r"outcome=done code=- prompt_tokens=9 completion_tokens=2 estimated=no cost=- currency=- "
        r"first_token_ms=\d+ duration_ms=\d+ stored=-$",
        line,
    )
    assert "secret" not in running_server.server.log


TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def chat_in_a_trace(running_server: RunningServer, request_id: str, model_fails: bool = False) -> None:
    """Ask for an answer as a part of a distributed trace."""
    running_server.model.enqueue(refused(401) if model_fails else reply("Hello"))
    headers = {
        "Content-Type": "application/json",
        "X-Request-Id": request_id,
        "traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01",
    }
    body = b'{"message": "Hi", "interaction_mode": "block"}'
    fetch(running_server.url, "/api/chat", method="POST", body=body, headers=headers)


def test_the_trace_of_a_request_is_in_its_lines_of_the_log_and_not_sent_to_the_provider(
    running_server: RunningServer,
) -> None:
    chat_in_a_trace(running_server, "traced-1", model_fails=True)
    running_server.server.wait_for_log(rf"WARNING sluice.run \[traced-1 trace={TRACE_ID}\] ")
    running_server.server.wait_for_log(rf"INFO sluice.run \[traced-1 trace={TRACE_ID}\] run=traced-1 ")
    sent = running_server.model.exchanges[-1].headers
    assert "traceparent" not in {name.lower() for name in sent}
    fetch(running_server.url, "/api/nothing")
    chat_in_a_trace(running_server, "traced-2")
    running_server.server.wait_for_log(rf"\[traced-2 trace={TRACE_ID}\]")


def test_the_log_may_be_json_from_the_first_line_to_the_last(other_server: RunningServer) -> None:
    chat_in_a_trace(other_server, "traced-3")
    other_server.server.wait_for_log('"request_id": "traced-3"')
    lines = [json.loads(line) for line in other_server.server.log.splitlines()]
    # the master's first line; a worker is another process, and its lines may come before
    assert any(line["message"].startswith("Starting gunicorn") for line in lines)
    assert {line["logger"] for line in lines} >= {"gunicorn.error", "sluice.run"}
    assert {tuple(line) for line in lines} == {
        ("time", "level", "logger", "request_id", "trace_id", "span_id", "message")
    }
    (ours,) = (line for line in lines if line["request_id"] == "traced-3")
    assert ours["message"].startswith("run=traced-3 ")
    assert (ours["level"], ours["trace_id"], ours["span_id"]) == ("INFO", TRACE_ID, SPAN_ID)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", ours["time"])


def test_metrics_count_streams_tokens_and_times_by_outcome(serve: Serve, model: ScriptedModel) -> None:
    server = serve()
    model.enqueue(reply("Hello", usage=USAGE), refused(401))
    with stream_chat(server.url) as client:
        client.read_stream()
    post_chat(server.url, message="Hi", interaction_mode="block")
    post_chat(server.url, message="")
    text = fetch(server.url, "/metrics").body.decode()
    model_labels = 'gen_ai_operation_name="chat",gen_ai_provider_name="127.0.0.1",gen_ai_request_model="scripted"'
    for line in (
        'sluice_streams_total{code="",mode="stream",outcome="done",source="api"} 1.0',
        'sluice_streams_total{code="key_refused",mode="block",outcome="error",source="api"} 1.0',
        'sluice_tokens_total{estimated="false",gen_ai_token_type="output",outcome="done"} 2.0',
        'sluice_tokens_total{estimated="true",gen_ai_token_type="output",outcome="error"} 0.0',
        'sluice_refused_total{code="invalid_request"} 1.0',
        f'gen_ai_client_token_usage_sum{{{model_labels},gen_ai_token_type="input"}} 9.0',
        f'gen_ai_client_token_usage_sum{{{model_labels},gen_ai_token_type="output"}} 2.0',
        f'gen_ai_client_operation_duration_seconds_count{{error_type="",{model_labels}}} 1.0',
        f"gen_ai_client_operation_time_to_first_chunk_seconds_count{{{model_labels}}} 1.0",
    ):
        assert line in text.splitlines()


def test_one_worker_answers_for_the_metrics_of_all(serve: Serve, model: ScriptedModel) -> None:
    server = serve(workers=2)
    model.default = stalling_after("Hello")
    clients = [stream_chat(server.url) for _ in range(8)]
    try:
        for client in clients:
            client.next_event()
        assert {gauge(server, "sluice_streams_open") for _ in range(6)} == {8.0}
    finally:
        for client in clients:
            client.close()
    model.wait_idle()


def test_metrics_are_served_while_a_workers_file_cannot_be_read(serve: Serve, tmp_path: Path) -> None:
    server = serve(PROMETHEUS_MULTIPROC_DIR=tmp_path)
    (tmp_path / "counter_1.db").touch()
    for _ in range(3):
        assert gauge(server, "sluice_streams_open") == 0
    server.wait_for_log("counter_1.db are left out, because the file cannot be read")
    assert server.log.count("are left out") == 1


def test_every_reply_forbids_inline_scripts_sniffing_and_framing(running_server: RunningServer) -> None:
    for path in ("/", "/healthz", "/static/js/main.js", "/nothing"):
        headers = fetch(running_server.url, path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_replies_that_are_no_document_and_no_script_have_only_the_nosniff_header(
    running_server: RunningServer,
) -> None:
    # A worker runs under the policy of its own script.
    kinds = {
        "js/main.js": False,
        "css/page.css": False,
        "img/mark.svg": True,
        "js/markdown/highlight_worker.js": True,
    }
    for path, document in kinds.items():
        moved = urljoin(f"/static/{path}", fetch(running_server.url, f"/static/{path}").headers["location"])
        headers = fetch(running_server.url, moved).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert ("content-security-policy" in headers) is document


def test_proxies_of_the_environment_do_not_come_between_us_and_our_own_machine(other_server: RunningServer) -> None:
    assert post_chat(other_server.url, message="Hi", interaction_mode="block").status == 200
