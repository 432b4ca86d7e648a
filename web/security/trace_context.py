"""The id and the trace that a client sends with a request."""

from __future__ import annotations

import re

from ...service.observability.logging import Trace

# No space, quote, bracket or control character, so that an id is one field of a log line. Long enough for the ids of
# load balancers. It does not begin with a hyphen, which the log shows where there is no id.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")
# https://www.w3.org/TR/trace-context/#traceparent-header-field-values: lower-case hexadecimal only.
_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-[0-9a-f]{2}(?P<more>-.*)?"
)


def read_request_id(header: str | None) -> str | None:
    """Return the id in an `X-Request-Id` header; None where it is absent or not safe for a log."""
    return header if header is not None and _REQUEST_ID.fullmatch(header) else None


def read_trace(header: str | None) -> Trace | None:
    """Read a `traceparent` header of W3C Trace Context.

    As the standard requires, a later version is read as far as the fields of version 00 go. Version ff is invalid.

    Returns:
        The trace and the sender's span; None where the header is absent, invalid, or was sent twice, which WSGI joins
        with a comma.
    """
    match = _TRACEPARENT.fullmatch(header or "")
    if match is None or match["version"] == "ff" or (match["version"] == "00" and match["more"]):
        return None
    if not int(match["trace"], 16) or not int(match["parent"], 16):
        return None
    return Trace(match["trace"], match["parent"])
