"""`/api/ai-sdk` over a real server: what `useChat` sends and gets, stop and resume."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.running_server import RunningServer
from tools.common.raw_client import RawClient, Reply, fetch
from tools.common.scripted_model import reply, stalling_after

PATH = "/api/ai-sdk"
JSON = {"Content-Type": "application/json"}


def user(text: str) -> dict[str, Any]:
    """Return a message of the user as the client has it."""
    return {"id": "u", "role": "user", "parts": [{"type": "text", "text": text}]}


def body_of(*messages: dict[str, Any], chat_id: str = "chat-1", **fields: Any) -> bytes:
    """Return what `DefaultChatTransport` sends."""
    sent = {"id": chat_id, "messages": messages, "trigger": "submit-message", "messageId": None}
    return json.dumps({**sent, **fields}).encode()


def ask(url: str, body: bytes, headers: dict[str, str] | None = None) -> Reply:
    """Send a message, and return the whole reply."""
    return fetch(url, PATH, method="POST", headers={**JSON, **(headers or {})}, body=body)


def read(text: str) -> tuple[list[str], str]:
    """Return the types of a stream's frames, and its text."""
    data = [line.removeprefix("data: ") for line in text.split("\n\n") if line.startswith("data: ")]
    frames = [json.loads(each) for each in data if each != "[DONE]"]
    said = "".join(frame["delta"] for frame in frames if frame["type"] == "text-delta")
    return [frame["type"] for frame in frames], said


def begin(url: str, body: bytes, cookie: str = "") -> RawClient:
    """Send a message, and return the connection with the head of the stream read."""
    client = RawClient(url)
    client.request("POST", PATH, {**JSON, **({"Cookie": cookie} if cookie else {})}, body)
    client.read_head()
    return client


def test_a_message_is_answered_by_a_ui_message_stream(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("Hel", "lo"))
    history = [
        user("Hi"),
        {"role": "assistant", "parts": [
            {"type": "step-start"}, {"type": "reasoning", "text": "hm"}, {"type": "text", "text": "Yes?"},
            {"type": "tool-search", "toolCallId": "c", "state": "output-available", "input": {}, "output": "x"},
        ]},
        user("And now?"),
    ]  # fmt: skip
    answer = ask(running_server.url, body_of(*history))
    assert answer.status == 200
    assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
    kinds, text = read(answer.text)
    assert text == "Hello"
    assert kinds[:3] == ["start", "start-step", "text-start"]
    assert kinds[-3:] == ["text-end", "finish-step", "finish"]
    assert answer.text.endswith("data: [DONE]\n\n")
    assert running_server.model.exchanges[-1].body["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "And now?"},
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "id"),
        (body_of(), "messages"),
        (body_of({"role": "assistant", "parts": []}), "messages"),
        (body_of(user("Hi"), chat_id=""), "id"),
        (
            body_of({"role": "user", "parts": [{"type": "text", "text": "x"}, {"type": "file", "url": "data:,"}]}),
            "messages[0].parts",
        ),
        (body_of({"role": "system", "parts": [{"type": "text", "text": "x"}]}, user("Hi")), "messages[0].role"),
        (body_of(user("Hi"), {"role": "assistant", "parts": []}, user(" ")), "messages[2].parts"),
        (body_of(user("Hi"), model="no-such"), "model"),
        (body_of(user("Hi"), chat_id="/docs//page/", on_disconnect="continue"), "id"),
        (body_of(user("Hi"), chat_id="a\nb", on_disconnect="continue"), "id"),
    ],
)
def test_a_bad_message_is_refused_with_its_field(running_server: RunningServer, body: bytes, field: str) -> None:
    answer = ask(running_server.url, body)
    assert (answer.status, answer.json()["field"]) == (400, field)


def test_a_client_that_aborts_ends_the_providers_stream(running_server: RunningServer) -> None:
    running_server.model.enqueue(stalling_after("Hello"))
    begin(running_server.url, body_of(user("Hi"))).close()
    running_server.model.exchanges[-1].wait_aborted()


@pytest.mark.parametrize("chat_id", ["chat/2 ü", "a.b~c"])
def test_a_chat_that_is_left_is_resumed_whole_and_stopped_by_its_id(
    running_server: RunningServer, chat_id: str
) -> None:
    url = running_server.url
    running_server.model.enqueue(stalling_after("Hel", "lo"))
    body = body_of(user("Hi"), chat_id=chat_id, on_disconnect="continue")
    client = begin(url, body)
    cookie = client.headers["set-cookie"].partition(";")[0]
    running_server.model.exchanges[-1].wait_tokens(2)
    client.close()
    chat = f"{PATH}/{quote(chat_id, safe='')}"
    with RawClient(url) as resumed:
        resumed.request("GET", f"{chat}/stream", {"Cookie": cookie})
        resumed.read_head()
        assert resumed.status == 200
        assert fetch(url, f"{chat}/stop", method="POST", headers={"Cookie": cookie}).status == 204
        kinds, text = read(resumed.read_body().decode())
    assert text == "Hello"
    assert (kinds[0], kinds[-1]) == ("start", "error")
    running_server.model.exchanges[-1].wait_aborted()
    assert fetch(url, f"{chat}/stream", headers={"Cookie": cookie}).status == 204
    assert fetch(url, f"{chat}/stream").status == 204


def test_the_next_message_of_a_chat_takes_the_place_of_its_last_answer(running_server: RunningServer) -> None:
    url = running_server.url
    running_server.model.enqueue(reply("One"))
    first = ask(url, body_of(user("Hi"), chat_id="chat-3", on_disconnect="continue"))
    cookie = {"Cookie": first.headers["set-cookie"].partition(";")[0]}
    running_server.model.enqueue(reply("Two"))
    second = ask(url, body_of(user("Hi"), chat_id="chat-3", on_disconnect="continue"), cookie)
    assert [read(each.text)[1] for each in (first, second)] == ["One", "Two"]
    assert first.headers["sluice-run"] != second.headers["sluice-run"]
