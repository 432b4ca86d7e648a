"""One message of a conversation, as an OpenAI-compatible server takes it."""

from __future__ import annotations

from typing import Literal, TypedDict


class Message(TypedDict):
    """One message: its author's role and its text."""

    role: Literal["system", "user", "assistant"]
    content: str
