"""Refuses requests that another site's page makes in a visitor's browser: they would spend the operator's tokens."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request

from ..request_errors import InvalidRequest

_DEFAULT_PORTS = {"http": 80, "https": 443}


def refuse_foreign_origin(request: Request) -> None:
    """Accept a request of this server's page, or of a client that is no browser.

    Browsers send Sec-Fetch-Site, older ones Origin; other clients send neither. `hosts.py` has checked the host.

    Raises:
        InvalidRequest: 403, where a page of another origin made the request.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        is_foreign = site not in ("same-origin", "none")
    elif origin is not None:
        is_foreign = not _is_origin_of(origin, request.headers.get("Host", ""))
    else:
        is_foreign = False
    if is_foreign:
        raise InvalidRequest("Requests should come from this server's own page, not from another site's.", status=403)


def _is_origin_of(origin: str, host: str) -> bool:
    """Return whether an origin is that of this host. The schemes may differ behind a proxy."""
    try:
        page, server = urlsplit(origin), urlsplit(f"//{host}")
        default = _DEFAULT_PORTS.get(page.scheme)
        return bool(page.hostname) and (page.hostname, page.port or default) == (
            server.hostname,
            server.port or default,
        )
    except ValueError:
        return False  # such as `http://[`, which no browser sends
