"""How the model client's requests are sent: by aiohttp, whose stream is left to whoever asked.

The openai package brings such a transport too (`openai[aiohttp]`). Its bodies pass four generators, two buffers and a
limit of 16 KiB on each read, which made up a quarter of a token's cost, and lost what a model had sent when its
connection broke behind it. Here a response's extensions hold aiohttp's own (`unwrapped`).
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from functools import lru_cache

import aiohttp
import httpx2
from multidict import CIMultiDict, istr

_EXTENSION = "aiohttp_response"


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends an httpx2 client's requests with one aiohttp session. Make and use it on the loop's thread only."""

    def __init__(self, *, connections: int, keepalive: float, connect_timeout: float, proxy: str | None) -> None:
        """Prepare the session; nothing is sent.

        Args:
            connections: The most that are open at a time; a request beyond that waits for one.
            keepalive: Seconds for which an idle connection is kept.
            connect_timeout: Seconds for waiting for a connection, DNS and all addresses of a host together.
            proxy: The URL of the proxy that all requests go through, with its user and password; `None` for none.
        """
        kind = "http" if proxy is None else proxy.partition("://")[0].lower()
        # aiohttp would speak HTTP to it all the same. Said with a request, so that it is in the log of it.
        self._unusable_proxy = None if kind in ("http", "https") else kind
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections, keepalive_timeout=keepalive, ssl=httpx2.create_ssl_context()
            ),
            # The waits for tokens are the caller's: a limit on reads would count pings as tokens.
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_timeout, sock_connect=connect_timeout),
            # Not aiohttp's own look at the environment: it reads two files in two threads for each request, knows no
            # ALL_PROXY, and where ~/.netrc names the host, it refuses the request for having two passwords.
            proxy=proxy,
            # What a server sends is its own affair; nobody here keeps cookies.
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and wait for the head of its response.

        Raises:
            httpx2.ConnectError: No connection, in time or at all; or it broke before the head had come.
            httpx2.ProxyError: The proxy refused to connect, or is not one that speaks HTTP.
            aiohttp.ClientError: What came is not HTTP.
        """
        if self._unusable_proxy is not None:
            raise httpx2.ProxyError(f"only an HTTP proxy can be used, and none of kind {self._unusable_proxy!r}")
        try:
            response = await self._session.request(
                request.method,
                str(request.url),
                headers=_shared(request.headers),
                data=await request.aread(),
                # A redirected POST would become a GET, or carry the key to another host.
                allow_redirects=False,
            )
        except aiohttp.ClientHttpProxyError as error:
            # Its own text has the proxy's URL with the password in it.
            raise httpx2.ProxyError(f"the proxy answered {error.status} {error.message}") from None
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise httpx2.ConnectError(str(error) or type(error).__name__) from error
        return httpx2.Response(
            response.status,
            # httpx2 would keep a cookie and send it with the next request, which is another person's.
            headers=[(name, value) for name, value in response.raw_headers if name.lower() != b"set-cookie"],
            stream=_Body(response),
            extensions={_EXTENSION: response},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


def _shared(headers: httpx2.Headers) -> CIMultiDict[str]:
    """Make aiohttp's form of the headers out of texts that all requests share.

    aiohttp keeps them for as long as the answer is read: of its own they would be 4 KB for each open stream.
    """
    return CIMultiDict((_name(name), sys.intern(value)) for name, value in headers.multi_items())


# A client sends the same few names with every request.
_name = lru_cache(maxsize=64)(istr)


class _Body(httpx2.AsyncByteStream):
    """The same body as httpx2 knows it: for closing, and for whoever reads the response in its way."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._response.content.iter_any():
            yield piece

    async def aclose(self) -> None:
        self._response.close()


def unwrapped(response: httpx2.Response) -> aiohttp.ClientResponse:
    """Return aiohttp's own response, which lives without the other. ``content.readany`` waits for bytes of its body.

    Whoever takes it closes it: a response that was read to its end has given its connection back, and any other one
    ends with it, at once.
    """
    found = response.extensions[_EXTENSION]
    assert isinstance(found, aiohttp.ClientResponse)
    return found


def unread(response: aiohttp.ClientResponse) -> bytes:
    """Return what had come of a body before its connection broke: aiohttp's reader raises the error in its place."""
    # Private, as there is no other way to it; tests/unit/test_transport.py sees to it that it stays right.
    return b"".join(response.content._buffer)
