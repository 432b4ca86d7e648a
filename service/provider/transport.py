"""Send requests to a provider's server over a pool of aiohttp's connections.

`openai[aiohttp]` is not used. Its bodies pass four generators, two buffers and a limit of 16 KiB on each read. It
loses what came before a connection broke (docs/decisions/0020-own-transport.md).
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from functools import partial
from ipaddress import ip_address

import aiohttp
import httpx2
from multidict import CIMultiDict
from yarl import URL

from ..concurrency.processor_use import ProcessorUse
from ..concurrency.turn_queue import TurnQueue
from .aiohttp_internals import Connector, ResponseProtocol
from .connection import ProviderConnection

# aiohttp's reader pauses the socket at twice as many bytes. That happens while a client reads slowly, and in a body
# that is decompressed.
READER_BYTES = 16 * 1024


# Whether the connection of this task's request had carried another one before.
_is_reused: ContextVar[bool] = ContextVar("is_reused", default=False)


class NotSent(Exception):
    """No connection was made, or it broke before the head of a response had come. The text names the cause."""


def _note_use(protocol: ResponseProtocol) -> None:
    """Record in the context of a request's task whether its connection is a kept one."""
    assert isinstance(protocol, ProviderConnection)
    _is_reused.set(protocol.was_used)
    protocol.was_used = True


class Transport:
    """One pool of connections. Make and use it on the loop's thread only."""

    def __init__(
        self, url: str, *, connections: int, keepalive: float, connect_timeout: float, proxy: str | None
    ) -> None:
        """Prepare the pool; nothing is sent.

        Args:
            url: Where requests go.
            connections: The most that are open at a time; a request beyond that waits for one.
            keepalive: Seconds for which an idle connection is kept.
            connect_timeout: Seconds to get a connection, with DNS and all addresses of a host.
            proxy: The URL of the proxy that all requests go through, with its user and password; `None` for none.
        """
        # Raised by each request, so that the log line has the request's id.
        self._unusable_proxy = None if proxy is None else _why_unusable(proxy)
        self._proxy = None if self._unusable_proxy else proxy
        self._url = url
        is_encrypted = any(each and each.lower().startswith("https:") for each in (url, self._proxy))
        self._session = aiohttp.ClientSession(
            # The certificates that the openai client trusts: certifi's, or those of SSL_CERT_FILE and SSL_CERT_DIR.
            # Reading them takes 17 ms of each worker's start, and a local model is asked without them.
            connector=Connector(
                partial(ProviderConnection, turns=TurnQueue(asyncio.get_running_loop()), use=ProcessorUse()),
                _note_use,
                limit=connections,
                keepalive_timeout=keepalive,
                ssl=httpx2.create_ssl_context() if is_encrypted else True,
            ),
            # The caller limits the time between tokens: a limit on reads would count pings as tokens.
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_timeout),
            # Not aiohttp's `trust_env`: it reads two files in two threads for each request, ignores ALL_PROXY, and
            # refuses a request whose host is in ~/.netrc, as that has two passwords then.
            proxy=self._proxy,
            read_bufsize=READER_BYTES,
            # No cookies are kept.
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def post(self, headers: CIMultiDict[str], body: bytes) -> aiohttp.ClientResponse:
        """Send a request and wait for the head of its response.

        A kept connection may turn out to be closed. Then the request is sent over another one, at once.

        Args:
            headers: All headers but those of the connection.
            body: The body.

        Returns:
            The response, which the caller closes. Closing one whose body was not read to its end closes the
            connection at once; else the connection is back in the pool already.

        Raises:
            NotSent: The request did not arrive, or got no response.
            aiohttp.ClientError: The response is not HTTP.

        Cancelling closes the connection.
        """
        if self._unusable_proxy is not None:
            raise NotSent(f"ProxyError: {self._unusable_proxy}")
        while True:
            _is_reused.set(False)
            try:
                # A redirected POST would become a GET, or carry the key to another host.
                return await self._session.post(self._url, headers=headers, data=body, allow_redirects=False)
            except aiohttp.ClientHttpProxyError as error:
                # aiohttp's text has the proxy's URL with the password in it.
                raise NotSent(f"ProxyError: the proxy answered {error.status} {error.message}") from None
            except (aiohttp.ClientConnectionError, TimeoutError) as error:
                # The server had closed a kept connection when the request came, as llama.cpp does after each stream.
                # Each such connection leaves the pool, so this ends with a new one at the latest.
                if not (_is_reused.get() and _ended_without_a_byte(error)):
                    raise NotSent(f"{type(error).__name__}: {error}") from error

    def looks_up_names(self) -> bool:
        """Return whether requests need a name looked up: that of the URL's host, or of the proxy."""
        host = URL(self._proxy or self._url).host or ""
        try:
            ip_address(host)
        except ValueError:
            return True
        return False

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


def _ended_without_a_byte(error: Exception) -> bool:
    """Return whether a connection was closed or reset before any byte of a response."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        # Else what had come of the head.
        return isinstance(error.message, str)
    return isinstance(error, aiohttp.ClientOSError)


def _why_unusable(proxy: str) -> str | None:
    """Return what is wrong with a proxy's URL, without quoting it: it may hold a password."""
    kind = proxy.partition("://")[0].lower()
    if kind not in ("http", "https"):
        # aiohttp would speak HTTP to it.
        return f"only an HTTP proxy can be used, not one of kind {kind!r}"
    try:
        url = URL(proxy)
        (url.host or "").encode("idna")
        if auth := aiohttp.BasicAuth.from_url(url):
            auth.encode()
    except ValueError:
        url = URL()
    # Without a host, aiohttp would use no proxy.
    return None if url.host else "the proxy's URL is not valid; it should be like http://user:password@host:3128"
