"""Requests that another site's page makes in a visitor's browser are refused: they would spend our tokens."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request

from service.errors import InvalidRequest


def refuse_foreign_origin(request: Request) -> None:
    """Let a request pass that comes from our own page or from no page at all.

    Browsers say where a request comes from in Sec-Fetch-Site, older ones in Origin; other clients send neither.

    Raises:
        InvalidRequest: 403, where a page of another origin made the request.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    elif origin is not None:
        foreign = _host(origin) != request.host
    else:
        foreign = False
    if foreign:
        raise InvalidRequest("Requests should come from this server's own page, not from another site's.", status=403)


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None  # such as `http://[`, which no browser sends
