"""The encodings of an answer beside `/api/chat`: how a client asks in each, and what it takes for the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sluice.service.decoding.completion_decoder import CompletionDecoder
from sluice.service.errors import UpstreamError
from sluice.service.events.events import Reasoning, Text
from tools.common.raw_client import RawClient, Reply

JSON = {"Content-Type": "application/json"}


@dataclass
class Heard:
    """What a client got."""

    status: int = 0
    text: str = ""
    reasoning: str = ""
    #: The error's code; of the AI SDK, whose errors have none, its text.
    error: str = ""
    finish_reason: str = ""
    #: Terminal frames: `[DONE]`, an error. A whole reply has one in any case.
    ends: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Encoding:
    """One way to ask and to read."""

    path: str
    make_body: Callable[[str], dict[str, Any]]
    read: Callable[[Reply], Heard]

    def send(self, client: RawClient, message: str) -> None:
        """Ask over a connection."""
        client.request("POST", self.path, JSON, json.dumps(self.make_body(message)).encode())

    def ask(self, url: str, message: str = "Hi", *, timeout: float = 10.0) -> Heard:
        """Ask, and read the answer to its end."""
        with RawClient(url, timeout=timeout) as client:
            self.send(client, message)
            data = client.read_body()
            assert client.status is not None
            heard = self.read(Reply(client.status, client.headers, data))
            heard.status = client.status
            return heard


def read_openai_stream(reply: Reply) -> Heard:
    """Read chunks, as the provider's own would be read."""
    if reply.status != 200:
        return Heard(error=reply.json()["error"]["code"], ends=["error"])
    heard = Heard()
    assert "\nid:" not in reply.text
    for data in _data_of(reply):
        if data == "[DONE]":
            heard.ends.append("done")
        elif "error" in (fields := json.loads(data)):
            heard.error = fields["error"]["code"]
            heard.ends.append("error")
    _decode(reply, heard)
    return heard


def read_openai_whole(reply: Reply) -> Heard:
    """Read a whole completion."""
    if reply.status != 200:
        return Heard(error=reply.json()["error"]["code"], ends=["error"])
    heard = Heard(ends=["done"])
    _decode(reply, heard)
    return heard


def read_ai_sdk(reply: Reply) -> Heard:
    """Read a UI message stream."""
    if reply.status != 200:
        return Heard(error=reply.json()["code"], ends=["error"])
    heard = Heard()
    for data in _data_of(reply):
        if data == "[DONE]":
            heard.ends.append("done")
            continue
        frame = json.loads(data)
        match frame["type"]:
            case "text-delta":
                heard.text += frame["delta"]
            case "reasoning-delta":
                heard.reasoning += frame["delta"]
            case "error":
                heard.error = frame["errorText"]
                heard.ends.append("error")
            case "finish":
                heard.finish_reason = frame["messageMetadata"]["finish_reason"]
    return heard


def _data_of(reply: Reply) -> list[str]:
    blocks = reply.text.split("\n\n")
    assert blocks[-1] == "", "the last event has no end"
    return [block.removeprefix("data: ") for block in blocks[:-1] if not block.startswith(":")]


def _decode(reply: Reply, heard: Heard) -> None:
    decoder = CompletionDecoder(2**24)
    try:
        for delta in [*decoder.feed(reply.body), *decoder.finish()]:
            heard.text += delta.text if isinstance(delta, Text) else ""
            heard.reasoning += delta.text if isinstance(delta, Reasoning) else ""
        heard.finish_reason = decoder.result().reason
    except UpstreamError:
        # The reply has the error itself, which is read above.
        assert heard.error, reply.text[-500:]


def _openai_body(message: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": message}], **fields}


def _ai_sdk_body(message: str) -> dict[str, Any]:
    parts = [{"type": "text", "text": message}]
    return {"id": "chat", "messages": [{"role": "user", "parts": parts}], "trigger": "submit-message"}


OPENAI_STREAM = Encoding(
    "/v1/chat/completions", lambda message: _openai_body(message, stream=True), read_openai_stream
)
OPENAI_WHOLE = Encoding("/v1/chat/completions", _openai_body, read_openai_whole)
AI_SDK = Encoding("/api/ai-sdk", _ai_sdk_body, read_ai_sdk)
ENCODINGS = {"openai stream": OPENAI_STREAM, "openai whole": OPENAI_WHOLE, "ai-sdk": AI_SDK}
