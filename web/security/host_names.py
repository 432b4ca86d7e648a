"""The host names of this server. A request for any other name is refused, on every route.

By DNS rebinding, any site can let its own name point to this machine while its page is open. The browser then takes
this server for a part of that site, which may read every answer. An IP address cannot be rebound, so requests by
address, as of load balancers and health checks, are served.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from flask import request
from flask.sansio.scaffold import Scaffold

from ...service.settings.settings import Settings
from ..request_errors import InvalidRequest

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

logger = logging.getLogger("sluice.web")

# A host and its port (RFC 3986, section 3.2), with the characters that host names really have.
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{0,5})?")
# Every system resolves these names to itself (RFC 6761, section 6.3). A leading dot includes all subdomains.
LOOPBACK_NAMES = (".localhost",)
# How many different refused names each worker logs. Clients choose the names.
LOGGED_NAMES = 10


class MalformedHost(ValueError):
    """A text that is neither a host name nor an address."""


class AllowedHosts:
    """The allowed names of one server. Any thread may call `check`.

    Args:
        names: Lower-case names. One with a leading dot includes its subdomains; `*` allows every name.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._any = "*" in names
        self._names = {name.removeprefix(".") for name in names}
        self._parents = tuple(name for name in names if name.startswith("."))
        self._logged: set[str] = set()

    @classmethod
    def of(cls, settings: Settings) -> AllowedHosts:
        """Make them of the loopback names, the server's own name, and the names that the operator allows."""
        return cls((*LOOPBACK_NAMES, settings.server.host.lower(), *settings.server.reachable_names))

    def check(self, environ: WSGIEnvironment) -> None:
        """Accept a request for an allowed name or for an IP address.

        X-Forwarded-Host is ignored: a proxy that does not set it passes on the client's.

        Raises:
            InvalidRequest: 421 for another name; 400 for a malformed host, and for none where HTTP requires one.
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
    """Yield the hosts that a request names: in its header, and in a target such as `http://name/path`."""
    host = environ.get("HTTP_HOST", "")
    # A request of HTTP/1.0 may have none. Browsers do not send HTTP/1.0.
    if host or environ.get("SERVER_PROTOCOL") != "HTTP/1.0":
        yield host
    # gunicorn and Werkzeug keep the target as received. Its host overrides the header (RFC 9112, section 3.2.2).
    target = environ.get("RAW_URI", "/")
    if not target.startswith("/") and "://" in target:
        yield target.partition("://")[2].partition("/")[0].partition("?")[0]


# Names are few, and an exception is not kept.
@lru_cache(maxsize=64)
def parse_host(authority: str) -> str | None:
    """Parse `name:port`.

    Returns:
        The name in lower case without a final dot; None for an IP address.

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


def register_hosts(scaffold: Scaffold, hosts: AllowedHosts) -> None:
    """Refuse an application's or a blueprint's requests for other hosts, before functions that are added later."""

    @scaffold.before_request
    def refuse_other_hosts() -> None:
        hosts.check(request.environ)
