"""Headers of every reply: the request's id, and the browser's permissions reduced to what the page needs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from flask import Response, g, request
from flask.sansio.scaffold import Scaffold

from ...service.observability.logging import NO_REQUEST, request_id, trace
from ...service.settings.records.page import PageSettings
from .trace_context import read_request_id, read_trace

# No 'unsafe-inline'. Images only from this server or from data: URLs, so that no answer of a model can make the
# browser send text of the conversation to another server.
_DIRECTIVES = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
)
# Set for the page: whether it has the layout of the application.
_HAS_HOST_LAYOUT = "sluice_has_host_layout"

# A browser does not open these as documents, so most headers would have no effect on them. The page loads many.
PARTS = {"text/css", "text/javascript", "font/woff2"}


def content_security_policy(settings: PageSettings) -> str:
    """Return the policy of our page; empty for none."""
    policy = settings.content_security_policy or "; ".join(_DIRECTIVES)
    if policy.lower() == "off":
        return ""
    if "frame-ancestors" in policy:
        return policy
    words = [f"'{word}'" if word in ("none", "self") else word for word in settings.frame_ancestors.split()]
    return f"{policy}; frame-ancestors {' '.join(words)}"


def mark_page(*, has_host_layout: bool) -> None:
    """Say that the reply to the current request is the page. After it was rendered: an error page is not ours.

    Args:
        has_host_layout: Whether it has the application's layout, and so the application's policies.
    """
    setattr(g, _HAS_HOST_LAYOUT, has_host_layout)


def register_headers(scaffold: Scaffold, settings: PageSettings, *, is_guest: bool = False) -> None:
    """Give every request of an application or a blueprint an id, and every reply its headers.

    Args:
        scaffold: The application or the blueprint.
        settings: The page's settings, which hold its policy.
        is_guest: Whether other documents, such as error pages, are somebody else's. They get no policies.
    """
    policy = content_security_policy(settings)

    # Before all functions of the application that come before a request: an error of theirs has the id, too.
    @scaffold.url_value_preprocessor
    def begin(endpoint: str | None, values: dict[str, Any] | None) -> None:
        # Random, so that a client cannot guess another's id.
        headers = request.headers
        request_id.set(read_request_id(headers.get("X-Request-Id")) or uuid4().hex)
        trace.set(read_trace(headers.get("traceparent")))

    @scaffold.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        mimetype = response.mimetype
        # A web worker has the policy of its script's reply, and not of the page that starts it.
        if mimetype not in PARTS or request.path.endswith("_worker.js"):
            response.headers["X-Request-Id"] = request_id.get()
            # None where the reply is not the page.
            has_host_layout: bool | None = g.get(_HAS_HOST_LAYOUT)
            is_foreign = is_guest and has_host_layout is None and mimetype == "text/html"
            is_host = is_foreign or has_host_layout
            if not is_host:
                # Flask-WTF refuses a POST over HTTPS without a Referer.
                response.headers["Referrer-Policy"] = "same-origin"
            if policy and not is_foreign and (not is_host or settings.content_security_policy):
                response.headers["Content-Security-Policy"] = policy
        # Not at the teardown of the request, which precedes the body of a stream.
        response.call_on_close(_reset)
        return response


def _reset() -> None:
    request_id.set(NO_REQUEST)
    trace.set(None)
