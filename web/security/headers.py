"""Headers of every reply: the request's id, and what keeps a browser from doing more than the page needs."""

from __future__ import annotations

from uuid import uuid4

from flask import Flask, Response, request

from ...service.observability.logging import NO_REQUEST, request_id, trace
from .trace_context import read_request_id, read_trace

# 'unsafe-inline' is nowhere; images come from here or from data: URLs, so that no answer of a model can make the
# browser tell another server what was said.
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


# What a browser never opens as a document, where none of the other headers would mean anything. The page is made of
# many such files, and each would repeat them.
PARTS = {"text/css", "text/javascript", "font/woff2"}


def register_headers(app: Flask) -> None:
    """Give every request an id and every reply its headers."""

    @app.before_request
    def begin() -> None:
        # Ours is random, so that nobody guesses another's.
        request_id.set(read_request_id(request.headers.get("X-Request-Id")) or uuid4().hex)
        trace.set(read_trace(request.headers.get("traceparent")))

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        # A worker runs under the policy of its own script, not of the page that starts it.
        if response.mimetype not in PARTS or request.path.endswith("_worker.js"):
            response.headers["X-Request-Id"] = request_id.get()
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        # Here and not at the request's teardown, which comes before a stream's body is written.
        response.call_on_close(_end)
        return response


def _end() -> None:
    request_id.set(NO_REQUEST)
    trace.set(None)
