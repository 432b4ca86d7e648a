"""Replies that the worker's main thread sends for requests that reach no thread."""

from __future__ import annotations

import json
from typing import NamedTuple


class Refusal(NamedTuple):
    """A complete reply that refuses a request and closes its connection."""

    code: str
    status: int
    reply: bytes


def make_refusal(status: str, code: str, sentence: str, *, retry_after: int | None = None) -> Refusal:
    """Return a refusal with the fields of other errors (`api/errors.py`), but without the id of a request.

    Args:
        status: The status and its phrase, such as `408 Request Timeout`.
        code: The error's code.
        sentence: What was wrong and what would be right.
        retry_after: Seconds after which another attempt may succeed; None where it cannot.
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


def make_slow_head_refusal(seconds: float) -> Refusal:
    """Return the refusal of a head that was not received in time."""
    return make_refusal(
        "408 Request Timeout", "invalid_request", f"The head of a request should be sent within {seconds:g} s."
    )


def make_slow_body_refusal(seconds: float, bytes_per_second: int) -> Refusal:
    """Return the refusal of a body that was not received in time."""
    return make_refusal(
        "408 Request Timeout",
        "invalid_request",
        f"The body of a request should be sent within {seconds:g} s, "
        f"and one more second for each {bytes_per_second} bytes.",
    )


def make_large_head_refusal(limit: int) -> Refusal:
    """Return the refusal of a head that is larger than the limit."""
    return make_refusal(
        "431 Request Header Fields Too Large",
        "invalid_request",
        f"The head of a request should have at most {limit} bytes.",
    )


#: The refusal of a body whose chunks are broken, so that its end is unknown.
BROKEN_CHUNKS = make_refusal(
    "400 Bad Request",
    "invalid_request",
    "The chunks of the body are broken. They should be framed as in RFC 9112, section 7.1.",
)

#: The refusal where incomplete requests fill the memory they may use, or no thread, memory or descriptor is left.
OVERLOADED = make_refusal(
    "503 Service Unavailable", "overloaded", "The server is busy. Please try again in a moment.", retry_after=2
)
