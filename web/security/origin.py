"""Requests that another site's page makes in a visitor's browser are refused: they would spend our tokens."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request

from ..request_errors import InvalidRequest

_DEFAULT_PORTS = {"http": 80, "https": 443}


def refuse_foreign_origin(request: Request) -> None:
    """Let a request pass that comes from our own page or from no page at all.

    Browsers say where a request comes from in Sec-Fetch-Site, older ones in Origin; other clients send neither.
    `web/security/hosts.py` has checked before that the host itself is ours.

    Raises:
        InvalidRequest: 403, where a page of another origin made the request.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    elif origin is not None:
        foreign = not _is_origin_of(origin, request.headers.get("Host", ""))
    else:
        foreign = False
    if foreign:
        raise InvalidRequest("Requests should come from this server's own page, not from another site's.", status=403)


def _is_origin_of(origin: str, host: str) -> bool:
    """Whether a page of this origin came from this host, which a proxy may have reached by another scheme."""
    try:
        page, server = urlsplit(origin), urlsplit(f"//{host}")
        default = _DEFAULT_PORTS.get(page.scheme)
        return bool(page.hostname) and (page.hostname, page.port or default) == (
            server.hostname,
            server.port or default,
        )
    except ValueError:
        return False  # such as `http://[`, which no browser sends
