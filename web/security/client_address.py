"""The identity of a client for limits: its IPv4 address, or its IPv6 network."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from flask import Request

from ...service.settings.settings import Settings

# `[2001:db8::1]:443` and `192.0.2.1:5678` are how some proxies write an address with its port.
_BRACKETED = re.compile(r"\[([^\]]+)\](?::\d{1,5})?")
_WITH_PORT = re.compile(r"([\d.]+):\d{1,5}")
# RFC 6052: IPv4 addresses as an IPv6-only server sees them behind a translator. The addresses of RFC 8215
# (64:ff9b:1::/48) have no single format, and are not translated.
_TRANSLATED = IPv6Network("64:ff9b::/96")


def identify_client(request: Request, settings: Settings) -> str:
    """Return the identity of a request's client.

    Args:
        request: The request. Of its X-Forwarded-For only the entries of trusted proxies are used.
        settings: The number of trusted proxies, and the prefix length of one IPv6 client.

    Returns:
        An IPv4 address; an IPv6 network such as `2001:db8::/64`, because one client has 2**64 addresses or more; or
        an empty string for a unix socket.
    """
    peer = request.remote_addr or ""
    address = _find_forwarded_address(request, settings.server.trusted_proxies) or _parse_address(peer)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, settings.server.client_ipv6_prefix), strict=False))
    return peer if address is None else str(address)


def _find_forwarded_address(request: Request, trusted_proxies: int) -> IPv4Address | IPv6Address | None:
    """Return the address that the outermost trusted proxy has added; None where there is none."""
    if not trusted_proxies:
        return None
    # Quotes are not parsed (RFC 9110, section 5.6.4): an open quote of the client would hide what proxies add.
    addresses = request.headers.get("X-Forwarded-For", "").split(",")
    return _parse_address(addresses[-trusted_proxies]) if len(addresses) >= trusted_proxies else None


# A client sends many requests. The bound holds for texts of the greatest length of a header, too.
@lru_cache(maxsize=256)
def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    text = text.strip()
    with_port = _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text)
    # A zone (`fe80::1%eth0`) names an interface, not another client.
    bare = (with_port[1] if with_port else text).partition("%")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    return address if isinstance(address, IPv4Address) else _find_embedded_ipv4(address) or address


def _find_embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address in an IPv6 address of a dual-stack socket, NAT64 or 6to4; None in any other."""
    if address in _TRANSLATED:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour
