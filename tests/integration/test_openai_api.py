"""`/v1` over a real server: what clients of OpenAI's API send and get."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.support.provider_scenarios import chunk
from tests.support.running_server import RunningServer
from tools.common.model_steps import DONE, End, Headers, Send
from tools.common.raw_client import RawClient, Reply, fetch
from tools.common.scripted_model import (
    MODEL_NAME,
    ScriptedModel,
    refused,
    reply,
    resetting_after,
    stalling_after,
    usage_of,
)

PATH = "/v1/chat/completions"
ASK = {"model": MODEL_NAME, "messages": [{"role": "user", "content": "Hi"}]}


def ask(url: str, body: object) -> Reply:
    """Ask for a completion, and return the whole reply."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return fetch(url, PATH, method="POST", headers={"Content-Type": "application/json"}, body=raw)


def sent(model: ScriptedModel) -> dict[str, Any]:
    """Return the body that the provider got last."""
    return model.exchanges[-1].body


def test_a_stream_is_the_providers_chunks_and_a_done(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("Hel", "lo", usage=usage_of(9, 2)))
    answer = ask(running_server.url, {**ASK, "stream": True})
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    frames = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line.startswith("data: ")]
    deltas = [json.loads(frame)["choices"][0] for frame in frames[:-1]]
    assert [each["delta"].get("content") for each in deltas] == ["", "Hel", "lo", None]
    assert deltas[-1]["finish_reason"] == "stop"
    assert frames[-1] == "[DONE]"
    assert "id:" not in answer.text
    assert "retry:" not in answer.text
    assert "usage" not in answer.text


def test_a_whole_completion_has_the_message_and_the_usage(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("Hel", "lo", usage=usage_of(9, 2)))
    answer = ask(running_server.url, ASK)
    assert answer.status == 200
    fields = json.loads(answer.body)
    assert fields["object"] == "chat.completion"
    assert fields["choices"][0]["message"] == {"role": "assistant", "content": "Hello", "refusal": None}
    assert fields["choices"][0]["finish_reason"] == "stop"
    assert fields["usage"] == usage_of(9, 2)


def test_the_parts_of_tool_calls_and_logprobs_are_put_together(running_server: RunningServer) -> None:
    def part(index: int, **function: str) -> bytes:
        named = {"id": "c", "type": "function"} if "name" in function else {}
        return chunk({"tool_calls": [{"index": index, **named, "function": function}]})

    running_server.model.enqueue((
        Headers(),
        Send(part(0, name="f", arguments="")), Send(part(0, arguments='{"q"')), Send(part(0, arguments=": 1}")),
        Send(b'data: {"choices":[{"index":0,"delta":{},"logprobs":{"content":[{"token":"a"}]}}]}\n\n'),
        Send(b'data: {"choices":[{"index":0,"delta":{},"logprobs":{"content":[{"token":"b"}]}}]}\n\n'),
        Send(chunk(finish="tool_calls")), DONE, End(),
    ))  # fmt: skip
    choice = json.loads(ask(running_server.url, ASK).body)["choices"][0]
    assert choice["message"]["tool_calls"] == [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"q": 1}'}}
    ]
    assert choice["logprobs"]["content"] == [{"token": "a"}, {"token": "b"}]
    assert choice["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        ([{"tool_calls": [None, {"index": 0, "function": {"name": "f", "arguments": {"q": 1}}}]}], ['{"q":1}']),
        ([{"tool_calls": {"index": 0}}, {"tool_calls": "x"}], []),
        ([None, {"content": "!"}], []),
    ],
)
def test_a_whole_completion_leaves_out_what_is_no_part_of_one_and_is_json(
    running_server: RunningServer, deltas: list[Any], calls: list[str]
) -> None:
    choices = [{"index": 0, "delta": {"content": "Hello"}}, *({"index": 0, "delta": delta} for delta in deltas)]
    odd = json.dumps({"choices": choices, "x": float("nan"), "y": 10**400}).replace("000}", '000, "z": 1e400}')
    running_server.model.enqueue(
        (Headers(), Send(f"data: {odd}\n\n".encode()), Send(chunk(finish="stop")), DONE, End())
    )
    answer = ask(running_server.url, ASK)
    assert answer.status == 200
    message = msgspec.json.decode(answer.body)["choices"][0]["message"]
    assert message["content"].startswith("Hello")
    found = message.get("tool_calls", [])
    assert [(call["id"], call["type"], call["function"]["arguments"]) for call in found] == [
        ("call_0", "function", each) for each in calls
    ]


def test_messages_parts_and_further_fields_reach_the_provider_as_they_are(running_server: RunningServer) -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        ]},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ]  # fmt: skip
    fields = {
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        "temperature": 0.25, "seed": 7, "stop": ["\n"], "logprobs": True, "top_logprobs": 2, "max_tokens": 50.0,
    }  # fmt: skip
    assert ask(running_server.url, {**ASK, "messages": messages, **fields}).status == 200
    body = sent(running_server.model)
    assert body["messages"] == [messages[0], messages[1], {"content": None, **messages[2]}, messages[3]]
    assert {name: body[name] for name in fields} == fields
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("changed", "status", "param", "says"),
    [
        ({"model": "other"}, 404, "model", "`model` should be"),
        ({"n": 2}, 400, "n", "`n` should be 1"),
        ({"messages": []}, 400, "messages", "at least one"),
        ({"messages": "Hi"}, 400, "messages", "at least one"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "messages[0].role", "`user`"),
        ({"messages": [{"role": "user", "content": 7}]}, 400, "messages[0].content", "a string or a list"),
        ({"messages": [{"role": "user", "content": [7]}]}, 400, "messages[0].content[0]", "a `type`"),
        ({"messages": [{"role": "assistant", "tool_calls": 7}]}, 400, "messages[0].tool_calls", "a list of objects"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [7]}]},
            400,
            "messages[0].tool_calls",
            "a list of objects",
        ),
        ({"stream": "yes"}, 400, "stream", "true or false"),
        ({"stream_options": {"include_usage": True}}, 400, "stream_options", "left out"),
        ({"max_tokens": 0}, 400, "max_tokens", "a whole number from 1"),
        ({"service_tier": "priority"}, 400, "service_tier", "SLUICE_OPENAI_FIELDS"),
        (b"[]", 400, None, "a JSON object"),
        (b'{"messages": ' + b"[" * 5000, 400, None, "a JSON object"),
    ],
)
def test_a_bad_request_is_refused_in_openais_form(
    running_server: RunningServer, changed: dict[str, Any] | bytes, status: int, param: str | None, says: str
) -> None:
    answer = ask(running_server.url, changed if isinstance(changed, bytes) else {**ASK, **changed})
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["param"], error["type"]) == (status, param, "invalid_request_error")
    assert says in error["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-request-id"]


def test_a_refusal_of_the_provider_has_its_status_and_says_whether_to_retry(running_server: RunningServer) -> None:
    running_server.model.enqueue(refused(401))
    answer = ask(running_server.url, {**ASK, "stream": True})
    assert (answer.status, answer.headers["x-should-retry"]) == (502, "false")
    assert json.loads(answer.body)["error"]["code"] == "key_refused"


def test_a_stream_that_breaks_off_ends_with_an_error_and_no_done(running_server: RunningServer) -> None:
    running_server.model.enqueue(resetting_after("Hel"))
    answer = ask(running_server.url, {**ASK, "stream": True})
    last = answer.text.rstrip().rpartition("data: ")[2]
    assert json.loads(last)["error"]["code"] == "upstream_truncated"
    assert "[DONE]" not in answer.text
    assert '"finish_reason": "' not in answer.text


def test_a_client_that_leaves_ends_the_providers_stream(running_server: RunningServer) -> None:
    running_server.model.enqueue(stalling_after("Hello"))
    with RawClient(running_server.url) as client:
        raw = json.dumps({**ASK, "stream": True}).encode()
        client.request("POST", PATH, {"Content-Type": "application/json"}, raw)
        client.read_head()
    running_server.model.exchanges[-1].wait_aborted()


def test_the_models_are_listed_and_others_are_unknown(running_server: RunningServer) -> None:
    listed = json.loads(fetch(running_server.url, "/v1/models").body)
    assert (listed["object"], listed["data"][0]["id"]) == ("list", MODEL_NAME)
    assert json.loads(fetch(running_server.url, f"/v1/models/{MODEL_NAME}").body)["object"] == "model"
    unknown = fetch(running_server.url, "/v1/models/other")
    assert (unknown.status, json.loads(unknown.body)["error"]["code"]) == (404, "invalid_request")
    assert fetch(running_server.url, PATH).status == 405
    assert fetch(running_server.url, "/v1/models/").status == 404
    assert fetch(running_server.url, "/v1/").json()["error"]["type"] == "invalid_request_error"
    other = fetch(running_server.url, "/v1/embeddings", method="POST")
    assert (other.status, json.loads(other.body)["error"]["type"]) == (404, "invalid_request_error")
    assert fetch(running_server.url, "/health").status == 200
