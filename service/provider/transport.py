"""How requests are sent to a model's server, and how the response comes back: by aiohttp.

The openai package brings a way over aiohttp too (`openai[aiohttp]`). Its bodies pass four generators, two buffers and
a limit of 16 KiB on each read, which made up a quarter of a token's cost, and lost what a model had sent when its
connection broke behind it. Here aiohttp's own response is handed out, and its body can be taken as it comes
(`response_body.py`). Whoever takes a response closes it. One that was read to its end has given its connection back,
and any other one ends with it, at once.
"""

from __future__ import annotations

import asyncio
from functools import partial
from ipaddress import ip_address

import aiohttp
import httpx2
from multidict import CIMultiDict
from yarl import URL

from ..concurrency.turn_queue import TurnQueue
from .aiohttp_internals import Connector
from .connection import ProviderConnection

# Bytes that aiohttp's reader holds before it holds the sender back, which it does at twice as many: while a slow
# client is waited for, and of a body that is decompressed.
READER_BYTES = 16 * 1024


class NotSent(Exception):
    """No connection, in time or at all; or it broke before the head of a response had come. Says why."""


class Transport:
    """One session, and so one pool of connections. Make and use it on the loop's thread only."""

    def __init__(self, *, connections: int, keepalive: float, connect_timeout: float, proxy: str | None) -> None:
        """Prepare the session; nothing is sent.

        Args:
            connections: The most that are open at a time; a request beyond that waits for one.
            keepalive: Seconds for which an idle connection is kept.
            connect_timeout: Seconds for waiting for a connection, DNS and all addresses of a host together.
            proxy: The URL of the proxy that all requests go through, with its user and password; `None` for none.
        """
        # Said with a request, so that it is in the log of it.
        self._unusable_proxy = None if proxy is None else _why_unusable(proxy)
        self._proxy = None if self._unusable_proxy else proxy
        self._session = aiohttp.ClientSession(
            # Whom the openai client believes: certifi's list, or that of SSL_CERT_FILE and SSL_CERT_DIR.
            connector=Connector(
                partial(ProviderConnection, turns=TurnQueue(asyncio.get_running_loop())),
                limit=connections,
                keepalive_timeout=keepalive,
                ssl=httpx2.create_ssl_context(),
            ),
            # The waits for tokens are the caller's: a limit on reads would count pings as tokens.
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_timeout),
            # Not aiohttp's own look at the environment: it reads two files in two threads for each request, knows no
            # ALL_PROXY, and where ~/.netrc names the host, it refuses the request for having two passwords.
            proxy=self._proxy,
            read_bufsize=READER_BYTES,
            # What a server sends is its own affair; nobody here keeps cookies.
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def post(self, url: str, headers: CIMultiDict[str], body: bytes) -> aiohttp.ClientResponse:
        """Send a request and wait for the head of its response. Cancelling closes the connection.

        Raises:
            NotSent: It did not arrive, or was not answered at all.
            aiohttp.ClientError: What came is not HTTP.
        """
        if self._unusable_proxy is not None:
            raise NotSent(f"ProxyError: {self._unusable_proxy}")
        try:
            # A redirected POST would become a GET, or carry the key to another host.
            return await self._session.post(url, headers=headers, data=body, allow_redirects=False)
        except aiohttp.ClientHttpProxyError as error:
            # Its own text has the proxy's URL with the password in it.
            raise NotSent(f"ProxyError: the proxy answered {error.status} {error.message}") from None
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise NotSent(f"{type(error).__name__}: {error}") from error

    def looks_up_names(self, url: str) -> bool:
        """Say whether requests to a URL begin with a look-up: of its host, or of the proxy's."""
        host = URL(self._proxy or url).host or ""
        try:
            ip_address(host)
        except ValueError:
            return True
        return False

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


def _why_unusable(proxy: str) -> str | None:
    """Say what is wrong with a proxy's URL, in which there may be a password: aiohttp's own words would quote it."""
    kind = proxy.partition("://")[0].lower()
    if kind not in ("http", "https"):
        # aiohttp would speak HTTP to it all the same.
        return f"only an HTTP proxy can be used, and none of kind {kind!r}"
    try:
        url = URL(proxy)
        (url.host or "").encode("idna")
        if auth := aiohttp.BasicAuth.from_url(url):
            auth.encode()
    except ValueError:
        url = URL()
    # Without a host, aiohttp would go around it.
    return None if url.host else "the URL of the proxy is none that can be used"
