"""Redirects that say where to go from here, and never repeat a host that the client has named.

Werkzeug's own lead to an absolute URL, made of the client's Host and of the path as this server sees it, of which a
proxy in front may have taken a part away.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, redirect, request
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response


def register_redirects(app: Flask) -> None:
    """Make the application's routing redirect relatively. To be called before routes are added."""
    # `/static//x` is then no other spelling of `/static/x`, and not found.
    app.url_map.merge_slashes = False

    @app.before_request
    def redirect_relatively() -> Response | None:
        # A routing exception is answered by Flask itself, past all error handlers.
        wanted = request.routing_exception
        return redirect(_slash_added(wanted.new_url), 308) if isinstance(wanted, RequestRedirect) else None


def _slash_added(url: str) -> str:
    """Return the way from `/above/here` to `/above/here/`, the one redirect of these routes."""
    parts = urlsplit(url)
    last = parts.path.rstrip("/").rpartition("/")[2]
    # `./`, because `a:b/` alone would be an absolute URL.
    return (f"./{last}/" if last else "./") + (f"?{parts.query}" if parts.query else "")
