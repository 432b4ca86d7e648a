"""Which requests' bodies are waited for before a thread is taken: those that a route will read as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RoutingException

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

# Those whose bodies have a meaning (RFC 9110, section 9.3).
_METHODS = frozenset({"POST", "PUT", "PATCH"})


class JsonBodyRoutes:
    """The routes of an application. Any thread may ask."""

    def __init__(self, app: WSGIApplication) -> None:
        """Take an application, whose routes may still grow. Of one that is no Flask application nothing is known."""
        self._routes = app.url_map.bind("") if isinstance(app, Flask) else None

    def expects_json(self, method: str, path: str, content_type: str) -> bool:
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
        if self._routes is None:
            return True
        try:
            self._routes.match(unquote(path), method)
        except (HTTPException, RoutingException):
            return False
        return True
