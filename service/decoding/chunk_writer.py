"""Write chunks of a chat completion, for clients of OpenAI's API whose model's provider sends something else."""

from __future__ import annotations

import json
from typing import Any

import msgspec


class ChunkWriter:
    """Writes the chunks of one answer, which have an id and a time in common."""

    def __init__(self, model: str, answer_id: str, created: int) -> None:
        """Begin an answer.

        Args:
            model: The model's name.
            answer_id: The answer's id.
            created: When it began, in seconds since 1970.
        """
        self._head = {"id": answer_id, "object": "chat.completion.chunk", "created": created, "model": model}

    def write(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        """Return a chunk.

        Args:
            delta: What it adds to the message, such as `{"content": "Hello"}`.
            finish_reason: Why the answer ends with it; None where it goes on.
        """
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return to_json({**self._head, "choices": [choice]})


def to_json(value: object) -> bytes:
    """Return JSON on one line; halves of surrogate pairs are escaped, and NaN and infinite numbers are null."""
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError):
        pass
    text = json.dumps(value, separators=(",", ":"))
    if "NaN" in text or "Infinity" in text:
        text = json.dumps(json.loads(text, parse_constant=_null), separators=(",", ":"))
    return text.encode()


def _null(_name: str) -> None:
    """Return what JSON has in place of a number that it cannot express."""
