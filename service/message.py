"""One message of a conversation, as an OpenAI-compatible server takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import msgspec


class PastCall(TypedDict):
    """A call that an earlier answer has made of one of the application's tools."""

    name: str
    #: JSON, as the model wrote it.
    arguments: str
    #: What the model was told.
    text: str


class Message(TypedDict):
    """One message: its author's role, and its text or its parts."""

    #: `system`, `user` or `assistant`; from clients of OpenAI's API also `developer` and `tool`.
    role: str
    #: A text, or parts such as `{"type": "text", "text": "..."}` and images; None beside tool calls.
    content: str | Sequence[Mapping[str, Any]] | None
    name: NotRequired[str]
    tool_calls: NotRequired[Sequence[Mapping[str, Any]]]
    tool_call_id: NotRequired[str]
    #: Of an assistant's message: calls before its text. Where their tools are offered, they are sent as messages.
    past_calls: NotRequired[Sequence[PastCall]]


def text_of(message: Message) -> str:
    """Return the text of a message: its content, or its parts of text joined; empty where it has none."""
    content = message["content"]
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in content or () if isinstance(part, Mapping)]
    return "\n\n".join(text for text in texts if isinstance(text, str))


def call_of(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a call of a tool, for `tool_calls`.

    Args:
        call_id: Of its result, too.
        name: The tool's; empty for one that the model has not named.
        arguments: As the model wrote them.
    """
    return {"id": call_id, "type": "function", "function": {"name": name or "_", "arguments": _sendable(arguments)}}


def _sendable(arguments: str) -> str:
    """Return arguments for the next request: some servers fail on what is no JSON object."""
    try:
        is_object = isinstance(msgspec.json.decode(arguments.encode()), dict)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        is_object = False
    return arguments if is_object else "{}"
