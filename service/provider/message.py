"""One turn of a conversation, as an OpenAI-compatible server takes it."""

from __future__ import annotations

from typing import Literal, TypedDict


class Message(TypedDict):
    """Who said what."""

    role: Literal["system", "user", "assistant"]
    content: str
