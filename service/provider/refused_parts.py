"""Parts of a request that some servers refuse, and the request without them.

The openai client's request is right for OpenAI, and not for all that speak its protocol: older gateways know no
`stream_options`, OpenAI streams some models to verified organizations only, some models take no system message, and
the templates of others no two messages of one role in a row. Whoever refuses says so; the same request without that
part is then answered.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Sequence
from typing import Any

from ..failures.extraction import FailureText
from .message import Message


class Part(enum.Enum):
    """A part of a request that can be left out; its value says it in the log."""

    USAGE = "stream_options"
    STREAM = "stream"
    SYSTEM = "system messages"
    NEIGHBOURS = "two messages of one role in a row"


#: Refused by a server, whatever the model; the others are a model's own matter.
OF_ALL_MODELS = frozenset((Part.USAGE,))

_SYSTEM = re.compile(r"system role (?:is )?not supported|role 'system' is not supported|does not support 'system'")
_NEIGHBOURS = re.compile(
    r"roles must alternate|must alternate between|should alternate with|successive user or assistant"
)
_STREAM = re.compile(r"(?:^|\W)stream\W*$")


def part_refused(status: int, body: str, left_out: Collection[Part]) -> Part | None:
    """Say which part of a request a refusal is about.

    Args:
        status: The refusal's HTTP status.
        body: Its body.
        left_out: The parts that the request was without.

    Returns:
        The part to leave out as well; `None` where the refusal is about something else.
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
    elif _NEIGHBOURS.search(text):
        found = Part.NEIGHBOURS
    return None if found in left_out else found


def fields_without(left_out: Collection[Part], fields: dict[str, Any]) -> dict[str, Any]:
    """Return a request's fields without these parts. `stream_options` is allowed only with `stream`."""
    if Part.STREAM in left_out:
        return {name: value for name, value in fields.items() if name not in ("stream", "stream_options")}
    return {name: value for name, value in fields.items() if Part.USAGE not in left_out or name != "stream_options"}


def messages_without(left_out: Collection[Part], messages: Sequence[Message]) -> Sequence[Message]:
    """Return a conversation without these parts, and with all of its text.

    A system message becomes the beginning of the first user's message, with a blank line between them; so do two
    messages of one role in a row, in either case.
    """
    if Part.SYSTEM in left_out:
        messages = [
            Message(role="user", content=message["content"]) if message["role"] == "system" else message
            for message in messages
        ]
    elif Part.NEIGHBOURS not in left_out:
        return messages
    joined: list[Message] = []
    for message in messages:
        if joined and joined[-1]["role"] == message["role"]:
            content = f"{joined[-1]['content']}\n\n{message['content']}"
            joined[-1] = Message(role=message["role"], content=content)
        else:
            joined.append(message)
    return joined
