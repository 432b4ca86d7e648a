"""Strict paths, and relative redirects.

Werkzeug redirects to an absolute URL, made of the client's Host header and of the path that this server sees. A proxy
in front may have removed a part of that path.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Flask, abort, redirect, request
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response


def register_routing(app: Flask) -> None:
    """Make the application's routing strict and its redirects relative. Called before routes are added."""
    # So `/static//x` is not found.
    app.url_map.merge_slashes = False

    @app.before_request
    def route() -> Response | None:
        # gunicorn removes a SCRIPT_NAME of `/assistant` from `/assistantmetrics` too, and Werkzeug adds a slash.
        if request.environ.get("PATH_INFO", "")[:1] not in ("/", ""):
            abort(HTTPStatus.NOT_FOUND)
        # Flask answers a routing exception itself, without calling an error handler.
        wanted = request.routing_exception
        if isinstance(wanted, RequestRedirect):
            return redirect(add_slash(wanted.new_url), HTTPStatus.PERMANENT_REDIRECT)
        return None


def add_slash(url: str) -> str:
    """Return the relative URL that leads from `/a/b` to `/a/b/`, the only redirect of these routes."""
    parts = urlsplit(url)
    last = parts.path.rstrip("/").rpartition("/")[2]
    # `./`, because `a:b/` alone would be an absolute URL.
    return (f"./{last}/" if last else "./") + (f"?{parts.query}" if parts.query else "")
