"""Offers each stream's body a writer with which the loop writes to the client (`web/replies/socket_writer.py`)."""

from __future__ import annotations

import logging
import ssl
import threading
from typing import TYPE_CHECKING, Any

from ..intake.gunicorn_internals import is_event_stream, response_of
from ..replies.run_guard import has_stream
from ..replies.socket_writer import SocketWriter
from ..replies.stream_body import StreamBody
from ..replies.transparent_bodies import UnderMiddleware, bodies
from ..sockets.client_socket import find_client_socket

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger("sluice.web")


class UnknownBodies:
    """Logs, once for each type in a process, that a middleware's body keeps the loop from writing. For any thread."""

    def __init__(self) -> None:
        """Begin without any."""
        self._lock = threading.Lock()
        self._logged: set[str] = set()

    def report(self, body: object) -> None:
        """Log the type of a body around a stream, unless it was logged before."""
        name = _describe(body)
        with self._lock:
            if name in self._logged:
                return
            self._logged.add(name)
        logger.warning(
            "a middleware or an after_request function wraps streams in %s, which may change their bytes: they pass "
            "through it, and each token wakes a thread (docs/how-to/monitoring.md)",
            name,
        )


def _describe(body: object) -> str:
    code: Any = getattr(body, "gi_code", None)
    if code is not None:
        return f"a generator of {code.co_qualname} ({code.co_filename}:{code.co_firstlineno})"
    return f"an object of {type(body).__module__}.{type(body).__qualname__}"


unknown_bodies = UnknownBodies()


def offer_socket_writers(application: WSGIApplication) -> WSGIApplication:
    """Return the application with a writer for each stream that reaches the server as the application made it.

    As with `wsgi.file_wrapper`; known middlewares may have wrapped it. A body of an unknown one is iterated as usual.
    """

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = application(environ, start_response)
        client = find_client_socket(environ)
        # Two threads must not use the TLS library for one connection at one time.
        if client is None or isinstance(client, ssl.SSLSocket):
            return body
        innermost = bodies.innermost(body)
        if isinstance(innermost, StreamBody):
            innermost.use(SocketWriter(response_of(start_response)))
            return body if body is innermost else UnderMiddleware(body, innermost)
        if has_stream(environ) and is_event_stream(response_of(start_response)):
            unknown_bodies.report(innermost)
        return body

    return serve
