"""Decides whether a request's body is received before a thread is used: where a route expects JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RoutingException

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

# The methods whose bodies have a meaning (RFC 9110, section 9.3).
_METHODS = frozenset({"POST", "PUT", "PATCH"})


class JsonBodyRoutes:
    """The routes of an application. For any thread."""

    def __init__(self, app: WSGIApplication) -> None:
        """Take an application. Routes may be added later. The routes of other than Flask applications are unknown."""
        self._routes = app.url_map.bind("") if isinstance(app, Flask) else None

    def expects_json(self, method: str, path: str, content_type: str) -> bool:
        """Return whether a route probably reads the body as JSON.

        A wrong answer costs little: it delays a refusal, or lets a thread read the body within the same limits.

        Args:
            method: The request's method.
            path: Its path, percent-encoded.
            content_type: Its Content-Type; empty where it has none.
        """
        if method not in _METHODS or content_type.partition(";")[0].strip().lower() != "application/json":
            return False
        if self._routes is None:
            return True
        try:
            self._routes.match(unquote(path), method)
        except (HTTPException, RoutingException):
            return False
        return True
