"""Replies that the worker itself sends for requests that do not reach the application."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any, NamedTuple

from ...service.errors import InternalError, Overloaded


class Refusal(NamedTuple):
    """A reply that refuses a request and closes its connection. Its fields are those of `api/error_replies.py`."""

    status: int
    #: The reason phrase of the status, such as `Request Timeout`.
    phrase: str
    #: The error's code.
    code: str
    #: What was wrong and what would be right. Without the client's own text.
    public_message: str
    #: Seconds after which another attempt may succeed; None where it cannot.
    retry_after: int | None = None

    def encode(self, request_id: str, *, has_body: bool = True, is_openai: bool = False) -> bytes:
        """Return the bytes of the whole reply.

        Args:
            request_id: The id by which the log names the request. Not unchecked text of the client.
            has_body: False for the reply to HEAD.
            is_openai: Whether the request is of OpenAI's API, which has another form of errors.
        """
        fields: dict[str, Any] = {
            "success": False,
            "error": self.public_message,
            "code": self.code,
            "retryable": self.retry_after is not None,
            "request_id": request_id,
        }
        if is_openai:
            kind = "server_error" if self.status >= 500 else "invalid_request_error"
            fields = {"error": {"message": self.public_message, "type": kind, "param": None, "code": self.code}}
        body = json.dumps(fields).encode()
        lines = [
            f"HTTP/1.1 {self.status} {self.phrase}",
            f"Date: {formatdate(usegmt=True)}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            f"X-Request-Id: {request_id}",
            *([] if self.retry_after is None else [f"Retry-After: {self.retry_after}"]),
            "Connection: close",
        ]
        head = "".join(f"{line}\r\n" for line in lines)
        return head.encode() + b"\r\n" + (body if has_body else b"")


def make_invalid_refusal(status: int, phrase: str, public_message: str) -> Refusal:
    """Return the refusal of a request that the client should change."""
    return Refusal(status, phrase, "invalid_request", public_message)


def make_slow_head_refusal(seconds: float) -> Refusal:
    """Return the refusal of a head that was not received in time."""
    return make_invalid_refusal(408, "Request Timeout", f"The head of a request should be sent within {seconds:g} s.")


def make_slow_body_refusal(seconds: float, bytes_per_second: int) -> Refusal:
    """Return the refusal of a body that was not received in time."""
    return make_invalid_refusal(
        408,
        "Request Timeout",
        f"The body of a request should be sent within {seconds:g} s, "
        f"and one more second for each {bytes_per_second} bytes.",
    )


def make_large_head_refusal(limit: int) -> Refusal:
    """Return the refusal of a head that is larger than the limit."""
    return make_invalid_refusal(
        431, "Request Header Fields Too Large", f"The head of a request should have at most {limit} bytes."
    )


def make_large_body_refusal(limit: int) -> Refusal:
    """Return the refusal of a body whose chunks announce more bytes than the limit."""
    return make_invalid_refusal(413, "Content Too Large", f"The body should be at most {limit} bytes.")


#: The refusal of a body whose chunks are broken, so that its end is unknown.
BROKEN_CHUNKS = make_invalid_refusal(
    400, "Bad Request", "The chunks of the body are broken. They should be framed as in RFC 9112, section 7.1."
)

#: The refusal where incomplete requests fill the memory they may use, or no thread, memory or descriptor is left.
OVERLOADED = Refusal(503, "Service Unavailable", Overloaded.code, Overloaded.public_message, retry_after=2)

#: The reply where the application, or the server around it, has failed before its reply began.
FAILED = Refusal(500, "Internal Server Error", InternalError.code, InternalError.public_message)
