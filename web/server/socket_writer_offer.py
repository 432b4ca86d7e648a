"""Offers the application's streams a way past the thread that serves them (`web/replies/socket_writer.py`)."""

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
    """Offer an outlet to each stream that reaches the server as the application made it."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = application(environ, start_response)
        if isinstance(body, StreamBody):
            client = find_client_socket(environ)
            # TLS is written by its library alone, which two threads must not use at once.
            if client is not None and not isinstance(client, ssl.SSLSocket):
                body.use(SocketWriter(response_of(start_response)))
        return body

    return serve
