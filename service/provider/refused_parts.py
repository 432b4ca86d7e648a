"""Find the part of a request that a server refuses, and make the request without it.

Not all servers accept the same requests. Older gateways refuse `stream_options`. OpenAI refuses to stream some models
to organizations that are not verified. Some models refuse a system message, others two messages of one role in a
row. The refusal names the part (docs/decisions/0037-leave-out-refused-parts-of-a-request.md).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Sequence
from typing import Any

from ..failures.extraction import FailureText
from ..message import Message


class Part(enum.Enum):
    """A part of a request that can be left out; its value names it in the log."""

    USAGE = "stream_options"
    STREAM = "stream"
    SYSTEM = "system messages"
    REPEATED_ROLES = "two messages of one role in a row"


#: Parts that a server refuses for all of its models; others it refuses for one.
OF_ALL_MODELS = frozenset((Part.USAGE,))

_INSTRUCTING = ("system", "developer")
_SYSTEM = re.compile(r"system role (?:is )?not supported|role 'system' is not supported|does not support 'system'")
_REPEATED_ROLES = re.compile(
    r"roles must alternate|must alternate between|should alternate with|successive user or assistant"
)
_STREAM = re.compile(r"(?:^|\W)stream\W*$")


def part_refused(status: int, body: str, left_out: Collection[Part]) -> Part | None:
    """Find the part of a request that a refusal names.

    Args:
        status: The refusal's HTTP status.
        body: Its body.
        left_out: The parts that the request did not have.

    Returns:
        The part to leave out as well; `None` where the refusal names none, or one that is left out.
    """
    refusal = FailureText.from_body(body)
    text = refusal.text
    found: Part | None = None
    if status in (400, 422) and (
        "stream_options" in text or any("stream_options" in name for name in refusal.params)
    ):
        found = Part.USAGE
    elif status in (400, 422) and any(_STREAM.search(name) for name in refusal.params):
        found = Part.STREAM
    # llama.cpp's errors of a template are 500.
    elif _SYSTEM.search(text):
        found = Part.SYSTEM
    elif _REPEATED_ROLES.search(text):
        found = Part.REPEATED_ROLES
    return None if found in left_out else found


def fields_without(left_out: Collection[Part], fields: dict[str, Any]) -> dict[str, Any]:
    """Return a request's fields without these parts; without `stream`, `stream_options` is not allowed either."""
    if Part.STREAM in left_out:
        return {name: value for name, value in fields.items() if name not in ("stream", "stream_options")}
    return {name: value for name, value in fields.items() if Part.USAGE not in left_out or name != "stream_options"}


def messages_without(left_out: Collection[Part], messages: Sequence[Message]) -> Sequence[Message]:
    """Return a conversation without these parts, with all of its text.

    A system message becomes the beginning of the user's message after it, with a blank line between them. Two
    messages of one role in a row are joined in the same way. Results of tools, and messages with calls, stay alone.
    """
    if Part.SYSTEM in left_out:
        messages = [
            Message(role="user", content=message["content"]) if message["role"] in _INSTRUCTING else message
            for message in messages
        ]
    elif Part.REPEATED_ROLES not in left_out:
        return messages
    joined: list[Message] = []
    for message in messages:
        if joined and _may_join(joined[-1], message):
            content = _join(joined[-1]["content"], message["content"])
            joined[-1] = Message(role=message["role"], content=content)
        else:
            joined.append(message)
    return joined


def _may_join(first: Message, second: Message) -> bool:
    plain = first.keys() | second.keys() <= {"role", "content"}
    return plain and first["role"] == second["role"] and first["content"] is not None is not second["content"]


def _join(first: Any, second: Any) -> Any:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_parts(first), *_parts(second)]


def _parts(content: Any) -> Sequence[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
