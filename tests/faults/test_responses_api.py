"""A provider that is asked by the Responses API: its answers in both modes, for each client, and its failures."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.fault_server import FaultServer, start_fault_server
from tests.support.running_server import SHORT_LIMITS
from tools.common.raw_client import fetch, post_chat, stream_chat, stream_many
from tools.common.responses_scripts import (
    began,
    bytes_of,
    call,
    called,
    ended,
    message,
    response,
    response_reply,
    response_usage,
    text,
)
from tools.common.scripted_model import Reset, Script, Stall, document, raw, refused, reply

from .test_model_failures import FAILURES, Failure, ask, held_to

NEXT = SHORT_LIMITS["SLUICE_NEXT_TOKEN_TIMEOUT"]
SUMMARY = "response.reasoning_summary_text.delta"
HELLO = bytes_of([*began(), text("Hel"), text("lo")])
# Of the chat API's table: what no form of an answer decides.
COMMON = [
    "a reset before the headers", "a 200 with HTML", "a 200 with a JSON error", "a 200 with an empty body",
    "an error event", "a rate limit as an event",
    "status 400", "status 401", "status 403", "status 404", "status 422",
    "a redirect", "status 429", "status 500", "status 503", "broken JSON", "JSON of another shape",
    "an event over the size limit", "endless bytes without a line end",
]  # fmt: skip


def failing(*steps: Any) -> Script:
    """Return a script that says "Hello" and then does this."""
    return (*began(), text("Hel"), text("lo"), *steps)


OWN = {
    "a reset in the middle": Failure(12, failing(Reset()), "upstream_truncated", text="Hello"),
    "an end without an event that says so": Failure(13, raw(HELLO), "upstream_truncated", text="Hello"),
    "[DONE] without such an event": Failure(
        13, raw(HELLO + b"data: [DONE]\n\n"), "upstream_truncated", text="Hello"
    ),
    "incomplete for no reason": Failure(13, failing(*ended("incomplete")), "upstream_truncated", text="Hello"),
    "an answer of the chat API": Failure(
        14, reply("Hello"), "upstream_invalid", logged="200 without an event of a response"
    ),
    "a failed response": Failure(
        15, failing(*ended("failed", error={"code": "server_error", "message": "boom"})), "upstream_unavailable",
        text="Hello",
    ),
    "a failed response before the first text": Failure(
        15, (*began(), *ended("failed", error={"code": "rate_limit_exceeded", "message": "slow down"})),
        "upstream_rate_limited", 429,
    ),
    "an error event after words": Failure(
        15, raw(HELLO + b'event: error\ndata: {"type": "error", "code": "server_error", "message": "boom"}\n\n'),
        "upstream_unavailable", text="Hello",
    ),
    "broken JSON after words": Failure(20, raw(HELLO + b"data: {\n\n"), "upstream_invalid", text="Hello"),
}  # fmt: skip
ROWS = {**{name: FAILURES[name] for name in COMMON}, **OWN}


@pytest.fixture(scope="module")
def running_server() -> Iterator[FaultServer]:
    """A server that asks its model by the Responses API."""
    settings = {**SHORT_LIMITS, "OPENAI_API": "responses", "OPENAI_SYSTEM_PROMPT": "Be brief."}
    with start_fault_server(warm=0, **settings) as shared:
        # As `warm` does for the chat API.
        shared.model.default = response_reply("Hello")
        stream_many(shared.url, 4)
        shared.model.drop_idle_connections()
        yield shared


@pytest.mark.parametrize("name", ROWS, ids=lambda name: f"row {ROWS[name].row}: {name}")
def test_a_failure_has_its_code_and_is_never_a_success(running_server: FaultServer, name: str) -> None:
    """Rows 12-18, 20, 21, in both modes."""
    failure = ROWS[name]
    running_server.model.enqueue(failure.script, failure.script)
    seen, code, status, _ = ask(running_server)
    assert (seen, code) == (failure.text, failure.code)
    assert status in (200, failure.status)
    held_to(failure.code, failure.status, post_chat(running_server.url, message="Hi", interaction_mode="block"))
    assert {exchange.path for exchange in running_server.model.exchanges} == {"/v1/responses"}


def test_a_model_that_stalls_mid_stream_ends_at_the_next_token_limit(running_server: FaultServer) -> None:
    """Row 11."""
    running_server.model.enqueue(failing(Stall()))
    began_at = time.monotonic()
    assert ask(running_server)[:2] == ("Hello", "upstream_timeout")
    assert NEXT <= time.monotonic() - began_at < NEXT + 0.5


def test_an_answer_has_its_text_reasoning_reason_and_usage_in_both_modes(running_server: FaultServer) -> None:
    usage = response_usage(9, 2, cached=4)
    script = (*began(), text("Hm", type=SUMMARY), text("Hel", output_index=1), text("lo", output_index=1),
              *ended(output=[message("Hello")], usage=usage))  # fmt: skip
    running_server.model.enqueue(script, script)
    counted = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "cached_tokens": 4}
    with stream_chat(running_server.url, message="Hi") as client:
        frames = list(client.frames())
    assert "".join(frame.message for frame in frames) == "Hello"
    assert "".join(frame.reasoning for frame in frames) == "Hm"
    assert (frames[-1].payload["finish_reason"], frames[-1].payload["usage"]) == ("stop", counted)
    block = post_chat(running_server.url, message="Hi", interaction_mode="block").json()
    assert (block["message"], block["reasoning"], block["finish_reason"]) == ("Hello", "Hm", "stop")
    assert block["usage"] == counted
    sent = running_server.model.exchanges[0].body
    assert (sent["instructions"], sent["input"]) == ("Be brief.", [{"role": "user", "content": "Hi"}])
    assert (sent["stream"], sent["store"]) == (True, False)


@pytest.mark.parametrize(("given", "reason"), [("max_output_tokens", "length"), ("content_filter", "content_filter")])
def test_an_incomplete_answer_has_the_finish_reason_of_the_chat_api(
    running_server: FaultServer, given: str, reason: str
) -> None:
    running_server.model.enqueue(failing(*ended("incomplete", incomplete_details={"reason": given})))
    reply = post_chat(running_server.url, message="Hi", interaction_mode="block").json()
    assert (reply["message"], reply["finish_reason"]) == ("Hello", reason)


def test_a_refusal_is_the_answer(running_server: FaultServer) -> None:
    running_server.model.enqueue((*began(), text("I cannot.", type="response.refusal.delta"), *ended()))
    assert post_chat(running_server.url, message="Hi", interaction_mode="block").json()["message"] == "I cannot."


def test_a_server_that_refuses_to_stream_is_asked_again_for_a_whole_response(running_server: FaultServer) -> None:
    refusal = refused(400, {"error": {"message": "no", "param": "stream", "code": "unsupported_value"}})
    whole = response("completed", [message("Hello")], usage=response_usage(9, 2))
    running_server.model.enqueue(refusal, document(whole), response_reply("Again"))
    assert ask_text(running_server) == "Hello"
    assert "stream" not in running_server.model.exchanges[1].body


def ask_text(running_server: FaultServer) -> str:
    with stream_chat(running_server.url) as client:
        return client.read_stream()[0]


def openai_chat(url: str, **fields: Any) -> Any:
    """Ask at `/v1/chat/completions`; return the reply's JSON, or the data of its events."""
    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], **fields}).encode()
    headers = {"Content-Type": "application/json"}
    answer = fetch(url, "/v1/chat/completions", method="POST", body=body, headers=headers)
    assert answer.status == 200, answer.body
    if not fields.get("stream"):
        return answer.json()
    return [line[6:] for line in answer.body.decode().splitlines() if line.startswith("data: ")]


def test_a_client_of_the_chat_api_gets_calls_of_tools_as_chunks_and_as_one_reply(running_server: FaultServer) -> None:
    script = (*began(), *called(1, "call_1", "search", '{"q": ', '"x"}'),
              *ended(output=[call("call_1", "search", '{"q": "x"}')], usage=response_usage(9, 2)))  # fmt: skip
    running_server.model.enqueue(script, script)
    tools = [{"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}]
    *data, done = openai_chat(
        running_server.url, stream=True, tools=tools, max_tokens=7, stream_options={"include_usage": True}
    )
    assert done == "[DONE]"
    *chunks, usage = map(json.loads, data)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    parts = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert (parts[0]["id"], parts[0]["function"]["name"]) == ("call_1", "search")
    assert "".join(part["function"]["arguments"] for part in parts) == '{"q": "x"}'
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert (usage["usage"]["prompt_tokens"], usage["usage"]["completion_tokens"]) == (9, 2)
    whole = openai_chat(running_server.url, tools=tools)["choices"][0]
    assert whole["finish_reason"] == "tool_calls"
    assert whole["message"]["tool_calls"][0]["function"] == {"name": "search", "arguments": '{"q": "x"}'}
    sent = running_server.model.exchanges[0].body
    assert (sent["max_output_tokens"], sent["tools"][0]["name"]) == (7, "search")


def test_a_client_of_the_chat_api_gets_an_error_and_no_finish_reason_where_the_answer_breaks(
    running_server: FaultServer,
) -> None:
    running_server.model.enqueue(failing(Reset()))
    data = [json.loads(each) for each in openai_chat(running_server.url, stream=True)]
    assert "error" in data[-1]
    assert [chunk["choices"][0]["finish_reason"] for chunk in data[:-1]] == [None, None]
