"""Which requests' bodies are waited for before a thread is taken: those that a route will read as JSON."""

from __future__ import annotations

from urllib.parse import unquote

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RoutingException

# Those whose bodies have a meaning (RFC 9110, section 9.3).
_METHODS = frozenset({"POST", "PUT", "PATCH"})


class JsonBodyRoutes:
    """The routes of an application. Any thread may ask."""

    def __init__(self, app: Flask) -> None:
        """Take an application, whose routes may still grow."""
        self._routes = app.url_map.bind("")

    def read(self, method: str, path: str, content_type: str) -> bool:
        """Say whether a route is likely to read the body as JSON.

        A wrong guess costs little: a body that is waited for in vain delays a refusal, and one that is not waited for
        is read by a thread, within the same limit.

        Args:
            method: The request's method.
            path: Its path, percent-encoded.
            content_type: Its Content-Type; empty where it has none.
        """
        if method not in _METHODS or content_type.partition(";")[0].strip().lower() != "application/json":
            return False
        try:
            self._routes.match(unquote(path), method)
        except (HTTPException, RoutingException):
            return False
        return True
