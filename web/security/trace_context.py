"""What a request brings to be found again: the id that its sender has given it, and the trace that it belongs to."""

from __future__ import annotations

import re

from ...service.observability.logging import Trace

# No space, quote, bracket or control character, so an id is one word wherever it is written. Long enough for what
# load balancers make; the first character is never a hyphen, which is our own sign for "none".
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")
# https://www.w3.org/TR/trace-context/#traceparent-header-field-values: lower-case hexadecimal only.
_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-[0-9a-f]{2}(?P<more>-.*)?"
)


def read_request_id(header: str | None) -> str | None:
    """Return the id of an `X-Request-Id` header; ``None`` where there is none, or none that may stand in a log."""
    return header if header is not None and _REQUEST_ID.fullmatch(header) else None


def read_trace(header: str | None) -> Trace | None:
    """Read a `traceparent` header of W3C Trace Context.

    A version that is not known yet is read as far as version 00 goes, as the standard asks for; 00 itself has no more
    fields, and ff is no version.

    Returns:
        The trace and the sender's span; ``None`` where the header is not there or not valid. So is one that came
        twice, which WSGI joins with a comma.
    """
    match = _TRACEPARENT.fullmatch(header or "")
    if match is None or match["version"] == "ff" or (match["version"] == "00" and match["more"]):
        return None
    if not int(match["trace"], 16) or not int(match["parent"], 16):
        return None
    return Trace(match["trace"], match["parent"])
