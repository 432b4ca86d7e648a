"""What the worker knows of a request's route before a thread is used: whether it reads JSON, or begins an answer."""

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
#: The routes that begin an answer, in an application of Sluice's own as in a host.
CHAT_ENDPOINTS = frozenset(
    ("sluice.chat.create_chat", "sluice.openai.create_completion", "sluice.ai_sdk.create_message")
)
# The names of the routes of OpenAI's API, whose clients expect errors in another form.
_OPENAI = "sluice.openai."


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
        return self._routes is None or self._find_endpoint(method, path) is not None

    def is_chat(self, method: str, path: str) -> bool:
        """Return whether a request begins an answer; false where the routes are unknown. Arguments as above."""
        return self._routes is not None and self._find_endpoint(method, path) in CHAT_ENDPOINTS

    def is_openai(self, method: str, path: str) -> bool:
        """Return whether a request is of OpenAI's API; false where the routes are unknown. Arguments as above."""
        return self._routes is not None and (self._find_endpoint(method, path) or "").startswith(_OPENAI)

    def _find_endpoint(self, method: str, path: str) -> str | None:
        assert self._routes is not None
        try:
            endpoint: str = self._routes.match(unquote(path), method)[0]
        except (HTTPException, RoutingException):
            return None
        return endpoint
