"""The proxies that the environment names, and the one between this machine and a model's server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from .parsers import is_loopback

_SUFFIX = "_proxy"


@dataclass(frozen=True, slots=True)
class Proxies:
    """HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, as they were when the settings were read."""

    #: Each variable's name in lower case without `_proxy`, and its value.
    values: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Proxies:
        """Read the variables, in upper or lower case; the lower-case one wins, as with curl.

        Args:
            environ: Usually `os.environ`. Not a `.env` file: other programs read these variables too.
        """
        values = {
            name.lower().removesuffix(_SUFFIX): value
            for name, value in environ.items()
            if name.lower().endswith(_SUFFIX) and not name.endswith(_SUFFIX)
        }
        if "REQUEST_METHOD" in environ:
            # In a CGI program HTTP_PROXY holds a client's header `Proxy` (https://httpoxy.org).
            values.pop("http", None)
        values |= {
            name.removesuffix(_SUFFIX).lower(): value for name, value in environ.items() if name.endswith(_SUFFIX)
        }
        return cls(tuple((name, value) for name, value in values.items() if value))

    def choose(self, url: str) -> str | None:
        """Choose the proxy for a server.

        Args:
            url: The server's.

        Returns:
            The proxy's URL; `None` where there is none for that server. There never is one for loopback.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        values = dict(self.values)
        proxy = values.get(parts.scheme) or values.get("all")
        if not proxy or is_loopback(host):
            return None
        if any(
            _covers(entry.strip().lower(), host, parts.netloc.lower()) for entry in values.get("no", "").split(",")
        ):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"


def _covers(entry: str, host: str, netloc: str) -> bool:
    """Say whether an entry of NO_PROXY covers a server: `*`, a name, a name with a port, an address or a network."""
    if entry == "*":
        return True
    if entry.startswith("*."):
        return host.endswith(entry[1:])
    name = entry.lstrip(".")
    if name and any(f".{server}".endswith(f".{name}") for server in (host, netloc)):
        return True
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:  # one of them is a name
        return False
