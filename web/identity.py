"""Who asks: the client's address, as far as the proxies in front can be trusted to say it."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from flask import Flask, Request
from werkzeug.middleware.proxy_fix import ProxyFix


def trust_proxies(app: Flask, count: int) -> None:
    """Take the client's address from X-Forwarded-For, which that many proxies have each added to.

    With a count of 0 the header is ignored: anybody can send it.
    """
    if count:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=0)  # type: ignore[method-assign]


def client_identity(request: Request) -> str:
    """Return what stands for one client: an IPv4 address, or an IPv6 network of 64 bits.

    One line usually has 2**64 IPv6 addresses, so a single one of them says nothing.
    """
    text = request.remote_addr or ""
    try:
        address = ip_address(text)
    except ValueError:
        return text  # a unix socket has no address
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return text
