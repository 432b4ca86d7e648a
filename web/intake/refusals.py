"""Replies that the worker's main thread gives by itself, before a request reaches a thread."""

from __future__ import annotations

import json
from typing import NamedTuple


class Refusal(NamedTuple):
    """A whole reply that refuses a request, and ends its connection."""

    code: str
    status: int
    reply: bytes


def make_refusal(status: str, code: str, sentence: str, *, retry_after: int | None = None) -> Refusal:
    """Write a refusal in the form of every other error (`api/errors.py`); without an id, as it was no request yet.

    Args:
        status: The status and its phrase, such as `408 Request Timeout`.
        code: The error's code.
        sentence: What was wrong, and what would be right.
        retry_after: Seconds after which trying again may help; `None` where it does not.
    """
    fields = {"success": False, "error": sentence, "code": code, "retryable": retry_after is not None}
    body = json.dumps(fields).encode()
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        *([] if retry_after is None else [f"Retry-After: {retry_after}"]),
        "Connection: close",
    ]
    head = "".join(f"{line}\r\n" for line in lines)
    return Refusal(code, int(status.partition(" ")[0]), head.encode() + b"\r\n" + body)


def refuse_slow_head(seconds: float) -> Refusal:
    """Refuse a head that is not whole in time."""
    return make_refusal(
        "408 Request Timeout", "invalid_request", f"The head of a request should be sent within {seconds:g} s."
    )


def refuse_slow_body(seconds: float, bytes_per_second: int) -> Refusal:
    """Refuse a body that is not whole in time."""
    return make_refusal(
        "408 Request Timeout",
        "invalid_request",
        f"The body of a request should be sent within {seconds:g} s, "
        f"and one more second for each {bytes_per_second} bytes.",
    )


def refuse_large_head(limit: int) -> Refusal:
    """Refuse a head that is larger than any may be."""
    return make_refusal(
        "431 Request Header Fields Too Large",
        "invalid_request",
        f"The head of a request should have at most {limit} bytes.",
    )


#: The chunks of a body are broken, so that nobody can say where it ends.
BROKEN_CHUNKS = make_refusal(
    "400 Bad Request",
    "invalid_request",
    "The chunks of the body are broken. They should be framed as in RFC 9112, section 7.1.",
)

#: The server holds as much of unfinished requests as it may, or has nothing left to serve another one with.
OVERLOADED = make_refusal(
    "503 Service Unavailable", "overloaded", "The server is busy. Please try again in a moment.", retry_after=2
)
