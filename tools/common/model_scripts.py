"""Scripts that many tests play: whole replies, replies that fail, refusals, floods, and bytes as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tools.common.model_steps import (
    DONE,
    ByteByByte,
    CallTools,
    Chunk,
    End,
    Flood,
    Headers,
    Pause,
    Reset,
    Send,
    Stall,
    Step,
)


def usage_of(prompt: int, completion: int) -> dict[str, int]:
    """Return token counts as the protocol writes them."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def said(*tokens: str, delay: float = 0.0) -> tuple[Step, ...]:
    """Return the steps that say these tokens, `delay` seconds before each, and end nothing."""
    steps: list[Step] = []
    for token in tokens:
        if delay:
            steps.append(Pause(delay))
        steps.append(Chunk(token))
    return tuple(steps)


def finished(finish: str | None = "stop", usage: Mapping[str, int] | None = None) -> tuple[Step, ...]:
    """Return the steps that end a reply; `finish=None` leaves out its finish reason, but not `[DONE]`."""
    steps: list[Step] = []
    if finish is not None:
        steps.append(Chunk(finish_reason=finish))
    if usage is not None:
        steps.append(Chunk(usage=usage))
    return (*steps, DONE, End())


def reply(
    *tokens: str, delay: float = 0.0, usage: Mapping[str, int] | None = None, finish: str | None = "stop"
) -> tuple[Step, ...]:
    """Return the script of a whole reply.

    Args:
        tokens: The texts of its chunks.
        delay: Seconds before each of them.
        usage: Token counts to end with; None sends none.
        finish: The finish reason; None leaves it out. With `[DONE]` the reply is whole all the same.
    """
    return (Headers(), Chunk("", role="assistant"), *said(*tokens, delay=delay), *finished(finish, usage))


def calling(
    *calls: tuple[str, str, str], text: Sequence[str] = (), usage: Mapping[str, int] | None = None
) -> tuple[Step, ...]:
    """Return the script of a reply that ends with calls of tools.

    Args:
        calls: For each its id, its name and its arguments.
        text: Tokens before them.
        usage: Token counts to end with; None sends none.
    """
    return (Headers(), Chunk("", role="assistant"), *said(*text), CallTools(calls), *finished("tool_calls", usage))


def stalling(*, after_headers: bool = False) -> tuple[Step, ...]:
    """Return a script that accepts the request and then stays silent, before or after the headers."""
    return (Headers(), Stall()) if after_headers else (Stall(),)


def stalling_after(*tokens: str) -> tuple[Step, ...]:
    """Return a script that says these tokens and then stays silent."""
    return (Headers(), Chunk("", role="assistant"), *said(*tokens), Stall())


def resetting_after(*tokens: str) -> tuple[Step, ...]:
    """Return a script that says these tokens and then resets the connection."""
    return (Headers(), Chunk("", role="assistant"), *said(*tokens), Reset())


def document(
    body: str | bytes | Mapping[str, Any],
    *,
    status: int = 200,
    content_type: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[Step, ...]:
    """Return a script that answers with one whole document and no stream.

    Args:
        body: Text, bytes, or a mapping that is sent as JSON.
        status: The HTTP status.
        content_type: By default JSON for a mapping and HTML for the rest.
        headers: Further headers.
    """
    if isinstance(body, Mapping):
        data, kind = json.dumps(body).encode(), "application/json"
    else:
        data, kind = (body.encode() if isinstance(body, str) else body), "text/html; charset=utf-8"
    fields = {"Content-Type": content_type or kind, **(headers or {}), "Content-Length": str(len(data))}
    return (Headers(status, tuple(fields.items()), chunked=False), Send(data), End())


def refused(
    status: int, body: str | bytes | Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> tuple[Step, ...]:
    """Return a script that refuses the request as OpenAI does; `body` replaces its usual JSON."""
    if body is None:
        body = {"error": {"message": "refused by the script", "type": "scripted", "param": None, "code": None}}
    return document(body, status=status, headers=headers)


def raw(*parts: bytes, chunked: bool = True) -> tuple[Step, ...]:
    """Return a script that sends these bytes as the body of an event stream, and its proper end.

    Args:
        parts: What to send, each with one write.
        chunked: False makes the end of the connection the end of the body.
    """
    return (Headers(chunked=chunked), *(Send(part) for part in parts), End())


def byte_by_byte(data: bytes, *, pause: float = 0.0, chunked: bool = True) -> tuple[Step, ...]:
    """Return a script that sends `data` as the body of an event stream, one byte per packet, and its proper end."""
    return (Headers(chunked=chunked), ByteByByte(data, pause), End())


def reply_bytes(*tokens: str, finish: str | None = "stop", usage: Mapping[str, int] | None = None) -> bytes:
    """Return the body that `reply` would send, for scripts that cut it up or spoil it."""
    steps = reply(*tokens, usage=usage, finish=finish)
    return b"".join(
        step.encode() if isinstance(step, Chunk) else step.data for step in steps if isinstance(step, Chunk | Send)
    )


def flood(n_tokens: int, tokens_per_second: float | None = None, *, finish: str | None = "stop") -> tuple[Step, ...]:
    """Return a script of many tokens (see `Flood`) and a proper end; the whole text is `flood_text(n_tokens)`."""
    return (Headers(), Flood(n_tokens, tokens_per_second), *finished(finish))


def flood_text(n_tokens: int) -> str:
    """Return the text that a flood of that many tokens says."""
    return "".join(f" {number}" for number in range(n_tokens))
