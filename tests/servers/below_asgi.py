"""The application below two adapters, for ASGI servers."""

from __future__ import annotations

from a2wsgi import WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi

from tests.servers.application import app

a2wsgi_app = WSGIMiddleware(app)  # type: ignore[arg-type]
asgiref_app = WsgiToAsgi(app)  # type: ignore[no-untyped-call]
