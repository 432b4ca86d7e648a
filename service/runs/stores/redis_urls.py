"""The URLs of Redis and Valkey stores, and what they say. No connection is made here, and no package imported.

`redis://[[user]:[password]@]host[:port][/database][?options]`
    One server. `valkey://` means the same; `rediss://` and `valkeys://` use TLS.
`redis+sentinel://[[user]:[password]@]host[:port][,host[:port] ...]/service[/database][?options]`
    The primary that these sentinels name for the service, asked again after a fail-over. User and password are the
    primary's; the sentinels' are the options `sentinel_username` and `sentinel_password`. With TLS
    (`rediss+sentinel://`) both are reached by TLS.
`redis+cluster://[[user]:[password]@]host[:port][,host[:port] ...][?options]`
    A cluster, found by these of its nodes.

Reserved characters of a user, a password or a service are percent-encoded. The options are those of redis-py by their
names there, as far as they make sense here: `OPTIONS`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
# Seconds. A server on the same network answers in a millisecond; this bounds how long a stuck one holds a call up.
TIMEOUT: Final = 2.0
# Connections of a process to a server. A call holds one for about a millisecond.
MAX_CONNECTIONS: Final = 16


class Topology(enum.Enum):
    """How the servers are organised."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


class RedisAddress(msgspec.Struct, frozen=True):
    """What a URL says. Its representation shows no secret."""

    topology: Topology
    #: Names and ports; of the sentinels, or of nodes of the cluster.
    hosts: tuple[tuple[str, int], ...]
    has_tls: bool = False
    service: str = ""
    database: int = 0
    username: str = ""
    password: str = ""
    #: Seconds within which a call has to be answered, with its connection.
    timeout: float = TIMEOUT
    #: Seconds for making a connection.
    connect_timeout: float = TIMEOUT
    max_connections: int = MAX_CONNECTIONS
    #: Further options of a connection: keyword arguments of redis-py.
    options: Mapping[str, str | float | bool] = {}
    sentinel_options: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"RedisAddress({self.place!r})"

    @property
    def place(self) -> str:
        """Where the servers are, for messages: no user, no password."""
        hosts = ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        if self.topology is Topology.SENTINEL:
            return f"the service {self.service} of the sentinels {hosts}"
        return f"the cluster {hosts}" if self.topology is Topology.CLUSTER else hosts

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be in a message."""
        given = (self.password, self.options.get("ssl_password", ""), self.sentinel_options.get("password", ""))
        return tuple(str(secret) for secret in given if secret)


class Option(NamedTuple):
    """An option of a URL."""

    #: Raises `ValueError` or `KeyError`.
    parse: Callable[[str], str | float | bool]
    #: What it may be: a part of a sentence.
    expected: str


def _number(kind: type[int] | type[float], least: float, most: float) -> Option:
    def parse(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise ValueError
        return value

    return Option(parse, f"a {'whole ' if kind is int else ''}number from {least:g} to {most:g}")


def _words(values: Mapping[str, str | bool]) -> Option:
    return Option(lambda text: values[text.lower()], " or ".join(values))


def _parse_text(text: str) -> str:
    if not text:
        raise ValueError
    return text


_TEXT: Final = Option(_parse_text, "a text")

OPTIONS: Final[Mapping[str, Option]] = {
    "socket_timeout": _number(float, 0.1, 60),
    "socket_connect_timeout": _number(float, 0.1, 60),
    "max_connections": _number(int, 2, 1000),
    "client_name": _TEXT,
    "ssl_ca_certs": _TEXT,
    "ssl_ca_path": _TEXT,
    "ssl_certfile": _TEXT,
    "ssl_keyfile": _TEXT,
    "ssl_password": _TEXT,
    "ssl_cert_reqs": _words({each: each for each in ("required", "optional", "none")}),
    "ssl_check_hostname": _words({"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}),
    "ssl_min_version": _number(int, 0, 65535),
    "ssl_ciphers": _TEXT,
    "sentinel_username": _TEXT,
    "sentinel_password": _TEXT,
}
_OWN: Final = ("socket_timeout", "socket_connect_timeout", "max_connections")

_SCHEMES: Final = {
    f"{name}{tls}{suffix}": (topology, bool(tls))
    for name in ("redis", "valkey")
    for tls in ("", "s")
    for suffix, topology in (
        ("", Topology.SINGLE),
        ("+sentinel", Topology.SENTINEL),
        ("+cluster", Topology.CLUSTER),
    )
}
SCHEMES: Final = tuple(_SCHEMES)


def parse_redis_url(url: str) -> RedisAddress:
    """Parse the URL of a Redis or Valkey store.

    Raises:
        ValueError: It is none. The text says what would be right, and has nothing of the URL but names of options.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("a URL such as redis://host:6379/0, with a host whose brackets match") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"a URL that begins with one of {', '.join(SCHEMES)}, each with ://")
    if parts.fragment:
        raise ValueError("a URL without a # (in a password it is written %23)")
    topology, has_tls = _SCHEMES[parts.scheme]
    user, _, hosts = parts.netloc.rpartition("@")
    username, _, password = user.partition(":")
    found = _hosts(hosts, topology)
    service, database = _path(parts.path, topology)
    options = _options(parts.query, topology, has_tls)
    return RedisAddress(
        topology=topology,
        hosts=found,
        has_tls=has_tls,
        service=service,
        database=database,
        username=unquote(username),
        password=unquote(password),
        timeout=float(options.get("socket_timeout", TIMEOUT)),
        connect_timeout=float(options.get("socket_connect_timeout", TIMEOUT)),
        max_connections=int(options.get("max_connections", MAX_CONNECTIONS)),
        options={name: value for name, value in options.items() if not name.startswith(("sentinel_", *_OWN))},
        sentinel_options={
            name.removeprefix("sentinel_"): str(value)
            for name, value in options.items()
            if name.startswith("sentinel_")
        },
    )


def _hosts(text: str, topology: Topology) -> tuple[tuple[str, int], ...]:
    """Parse hosts with commas between them."""
    standard = SENTINEL_PORT if topology is Topology.SENTINEL else PORT
    expected = (
        "a URL whose host is a name, an IPv4 address or [an IPv6 address], with a port from 1 to 65535; "
        "a / or ? in a password is written %2F or %3F"
    )
    found = []
    for one in text.split(","):
        bracketed, closed, rest = one.partition("]")
        host, colon, port = (bracketed[1:], *rest.partition(":")[1:]) if closed else one.partition(":")
        if closed and (not one.startswith("[") or (rest and not rest.startswith(":"))):
            raise ValueError(expected)
        if not host or (colon and not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535)):
            raise ValueError(expected)
        found.append((host, int(port) if colon else standard))
    if topology is Topology.SINGLE and len(found) > 1:
        raise ValueError("a URL with one host; several belong to redis+sentinel:// or redis+cluster://")
    return tuple(found)


def _path(path: str, topology: Topology) -> tuple[str, int]:
    """Return the service and the database of a path."""
    parts = [unquote(part) for part in path.removeprefix("/").split("/")]
    service = parts.pop(0) if topology is Topology.SENTINEL else ""
    database = "/".join(parts) or "0"
    if topology is Topology.SENTINEL and not service:
        raise ValueError("a URL that names the sentinels' service: redis+sentinel://host:26379/service/0")
    if not database.isascii() or not database.isdigit():
        raise ValueError("a URL whose database is a whole number: redis://host:6379/0")
    if topology is Topology.CLUSTER and database != "0":
        raise ValueError("a URL without a database: a cluster has only database 0")
    return service, int(database)


def _options(query: str, topology: Topology, has_tls: bool) -> dict[str, str | float | bool]:
    """Parse the options behind the question mark."""
    found: dict[str, str | float | bool] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        option = OPTIONS.get(name)
        if option is None:
            raise ValueError(f"a URL whose options are of {', '.join(OPTIONS)}")
        if name in found:
            raise ValueError(f"a URL with {name} once")
        if name.startswith("ssl_") and not has_tls:
            raise ValueError(f"rediss:// or valkeys:// where {name} is given")
        if name.startswith("sentinel_") and topology is not Topology.SENTINEL:
            raise ValueError(f"redis+sentinel:// where {name} is given")
        try:
            found[name] = option.parse(text)
        except (ValueError, KeyError):
            raise ValueError(f"a URL whose {name} is {option.expected}") from None
    return found
