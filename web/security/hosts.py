"""The names under which this server answers. A request for any other is refused, on every route.

A page of any site can have its own name pointed at this machine while it is open (DNS rebinding). To the browser this
server is then part of that site, which may read every answer. An address in place of a name cannot be pointed
elsewhere, so load balancers and health checks that ask by address are served.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from flask import Flask, request

from ...service.settings.settings import Settings
from ..request_errors import InvalidRequest

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

logger = logging.getLogger("sluice.web")

# A host and its port, of RFC 3986, section 3.2; of names the characters that real ones have.
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{0,5})?")
# Every system resolves these to itself (RFC 6761, section 6.3). A leading dot stands for all names below as well.
LOOPBACK_NAMES = (".localhost",)
# How many refused names each worker logs: clients choose them.
LOGGED_NAMES = 10


class MalformedHost(ValueError):
    """A text that no client may send as a host."""


class AllowedHosts:
    """The names of one server. `check` may be called by any thread.

    Args:
        names: Lower-case names; one with a leading dot stands for itself and all names below it, `*` for every name.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._any = "*" in names
        self._names = {name.removeprefix(".") for name in names}
        self._parents = tuple(name for name in names if name.startswith("."))
        self._logged: set[str] = set()

    @classmethod
    def of(cls, settings: Settings) -> AllowedHosts:
        """Return the names of a server: loopback's, its own, and those that the operator allows."""
        return cls((*LOOPBACK_NAMES, settings.server.host.lower(), *settings.server.reachable_names))

    def check(self, environ: WSGIEnvironment) -> None:
        """Let a request pass that was made to one of the names, or to an address.

        X-Forwarded-Host has no say: a proxy that does not set it passes a client's own on.

        Raises:
            InvalidRequest: 421 for another name; 400 for none where HTTP demands one, and for what is no host.
        """
        for authority in _authorities(environ):
            try:
                name = parse_host(authority)
            except MalformedHost:
                raise InvalidRequest(
                    "The Host header should be a name or an address, such as localhost:8000."
                ) from None
            if name is not None and not self._allow(name):
                self._log(name)
                raise InvalidRequest(
                    "This server does not answer under this name. Its operator can allow it by SLUICE_ALLOWED_HOSTS.",
                    status=HTTPStatus.MISDIRECTED_REQUEST,
                )

    def _allow(self, name: str) -> bool:
        return self._any or name in self._names or name.endswith(self._parents)

    def _log(self, name: str) -> None:
        if name not in self._logged and len(self._logged) < LOGGED_NAMES:
            self._logged.add(name)
            logger.warning("refused a request for the host %s, which SLUICE_ALLOWED_HOSTS does not name", name[:255])


def _authorities(environ: WSGIEnvironment) -> Iterator[str]:
    """Yield what a request says it was made to: its Host, and the host in a target such as `http://name/path`."""
    host = environ.get("HTTP_HOST", "")
    # A request of HTTP/1.0 may come without; no browser sends one.
    if host or environ.get("SERVER_PROTOCOL") != "HTTP/1.0":
        yield host
    # gunicorn and Werkzeug keep the target as it came. RFC 9112, section 3.2.2: its host counts, and not Host.
    target = environ.get("RAW_URI", "/")
    if not target.startswith("/") and "://" in target:
        yield target.partition("://")[2].partition("/")[0].partition("?")[0]


def parse_host(authority: str) -> str | None:
    """Take the name out of `name:port`.

    Returns:
        The name in lower case, without the dot that may end it; None where an address stands in its place.

    Raises:
        MalformedHost: It is neither a name nor an address.
    """
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise MalformedHost
    if parts["v6"] is not None:
        try:
            IPv6Address(parts["v6"].partition("%")[0])
        except ValueError:
            raise MalformedHost from None
        return None
    name: str = parts["name"].lower().removesuffix(".")
    if not name or ".." in name or name.startswith("."):
        raise MalformedHost
    try:
        IPv4Address(name)
    except ValueError:
        return name
    return None


def register_hosts(app: Flask, settings: Settings) -> None:
    """Refuse requests for other hosts before anything else looks at them."""
    hosts = AllowedHosts.of(settings)

    @app.before_request
    def refuse_other_hosts() -> None:
        hosts.check(request.environ)
