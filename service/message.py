"""One message of a conversation, as an OpenAI-compatible server takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict


class Message(TypedDict):
    """One message: its author's role, and its text or its parts."""

    #: `system`, `user` or `assistant`; from clients of OpenAI's API also `developer` and `tool`.
    role: str
    #: A text, or parts such as `{"type": "text", "text": "..."}` and images; None beside tool calls.
    content: str | Sequence[Mapping[str, Any]] | None
    name: NotRequired[str]
    tool_calls: NotRequired[Sequence[Mapping[str, Any]]]
    tool_call_id: NotRequired[str]


def text_of(message: Message) -> str:
    """Return the text of a message: its content, or its parts of text joined; empty where it has none."""
    content = message["content"]
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in content or () if isinstance(part, Mapping)]
    return "\n\n".join(text for text in texts if isinstance(text, str))
