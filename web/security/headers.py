"""Headers of every reply: the request's id, and the browser's permissions reduced to what the page needs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from flask import Response, request
from flask.sansio.scaffold import Scaffold

from ...service.observability.logging import NO_REQUEST, request_id, trace
from .trace_context import read_request_id, read_trace

# No 'unsafe-inline'. Images only from this server or from data: URLs, so that no answer of a model can make the
# browser send text of the conversation to another server.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

# A browser does not open these as documents, so most headers would have no effect on them. The page loads many.
PARTS = {"text/css", "text/javascript", "font/woff2"}


def register_headers(scaffold: Scaffold) -> None:
    """Give every request of an application or a blueprint an id, and every reply its headers."""

    # Before all functions of the application that come before a request: an error of theirs has the id, too.
    @scaffold.url_value_preprocessor
    def begin(endpoint: str | None, values: dict[str, Any] | None) -> None:
        # Random, so that a client cannot guess another's id.
        request_id.set(read_request_id(request.headers.get("X-Request-Id")) or uuid4().hex)
        trace.set(read_trace(request.headers.get("traceparent")))

    @scaffold.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        # A web worker has the policy of its script's reply, and not of the page that starts it.
        if response.mimetype not in PARTS or request.path.endswith("_worker.js"):
            response.headers["X-Request-Id"] = request_id.get()
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        # Not at the teardown of the request, which precedes the body of a stream.
        response.call_on_close(_reset)
        return response


def _reset() -> None:
    request_id.set(NO_REQUEST)
    trace.set(None)
