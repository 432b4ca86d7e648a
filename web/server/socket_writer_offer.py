"""Gives each streamed reply a writer with which the loop writes to the client (`web/replies/socket_writer.py`)."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from ..intake.gunicorn_internals import response_of
from ..replies.socket_writer import SocketWriter
from ..replies.stream_body import StreamBody
from ..sockets.client_socket import find_client_socket

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def offer_socket_writers(application: WSGIApplication) -> WSGIApplication:
    """Return the application with a writer for each stream that reaches the server as the application made it.

    As with `wsgi.file_wrapper`: a body that a middleware has wrapped is iterated as usual.
    """

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = application(environ, start_response)
        if isinstance(body, StreamBody):
            client = find_client_socket(environ)
            # Two threads must not use the TLS library for one connection at one time.
            if client is not None and not isinstance(client, ssl.SSLSocket):
                body.use(SocketWriter(response_of(start_response)))
        return body

    return serve
