"""Which paths routing knows, and redirects that say where to go from here.

Werkzeug's own redirects lead to an absolute URL, made of the client's Host and of the path as this server sees it, of
which a proxy in front may have taken a part away.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Flask, abort, redirect, request
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response


def register_routing(app: Flask) -> None:
    """Make the application's routing strict, and redirect relatively. To be called before routes are added."""
    # `/static//x` is then no other spelling of `/static/x`, and not found.
    app.url_map.merge_slashes = False

    @app.before_request
    def route() -> Response | None:
        # gunicorn takes a SCRIPT_NAME of `/assistant` away from `/assistantmetrics` too, and Werkzeug adds the slash.
        if request.environ.get("PATH_INFO", "")[:1] not in ("/", ""):
            abort(HTTPStatus.NOT_FOUND)
        # A routing exception is answered by Flask itself, past all error handlers.
        wanted = request.routing_exception
        if isinstance(wanted, RequestRedirect):
            return redirect(_slash_added(wanted.new_url), HTTPStatus.PERMANENT_REDIRECT)
        return None


def _slash_added(url: str) -> str:
    """Return the way from `/above/here` to `/above/here/`, the one redirect of these routes."""
    parts = urlsplit(url)
    last = parts.path.rstrip("/").rpartition("/")[2]
    # `./`, because `a:b/` alone would be an absolute URL.
    return (f"./{last}/" if last else "./") + (f"?{parts.query}" if parts.query else "")
