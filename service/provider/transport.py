"""How requests are sent to a model's server, and how the response comes back: by aiohttp.

The openai package brings a way over aiohttp too (`openai[aiohttp]`). Its bodies pass four generators, two buffers and
a limit of 16 KiB on each read, which made up a quarter of a token's cost, and lost what a model had sent when its
connection broke behind it. Here aiohttp's own response is handed out, and its body can be taken as it comes
(`response_body.py`). Whoever takes a response closes it. One that was read to its end has given its connection back,
and any other one ends with it, at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any

import aiohttp
import httpx2
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from ..concurrency.turn_queue import TurnQueue
from .response_body import SMALL_READ, Body

# Bytes that aiohttp's reader holds before it holds the sender back, which it does at twice as many: while a slow
# client is waited for, and of a body that is decompressed.
READER_BYTES = 16 * 1024
# How many of the bytes that came at once are parsed and decoded in one go: 80 tokens, which take 0.1 ms. The
# costliest bytes that were found, events of one letter, take 12 ms. With half as many, a flood of tokens costs a
# sixth more; with four times as many, it costs the same.
SLICE_BYTES = 16 * 1024


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
            connector=_Connector(limit=connections, keepalive_timeout=keepalive, ssl=httpx2.create_ssl_context()),
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


class _Protocol(ResponseHandler):
    """aiohttp's side of a connection, which says that something came, and fails as a whole.

    What comes is parsed and decoded in slices, each in its turn (`turn_queue.py`). One read of uvloop's has
    up to 256 KiB, and it reads 32 times in a row from a sender that is fast enough. Until the last slice the sender
    is held back.
    """

    __slots__ = (
        "_at",
        "_in_queue",
        "_is_resting",
        "_lost",
        "_turns",
        "had_much",
        "on_change",
        "unparsed",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, turns: TurnQueue) -> None:
        super().__init__(loop)
        #: For the body that is being read (`response_body.py`).
        self.on_change: Callable[[], None] | None = None
        self.had_much = False
        self._turns = turns
        #: What has come at once, and is parsed up to `_at`; empty where all of it is.
        self.unparsed = b""
        self._at = 0
        self._in_queue = False
        self._is_resting = False
        #: The connection's end, with its error, which is told behind the bytes that came before it.
        self._lost: tuple[BaseException | None] | None = None

    @property
    def should_close(self) -> bool:
        """Whether the connection cannot be used again; not if bytes are left that no request asked for."""
        return bool(self.unparsed) or super().should_close

    def data_received(self, data: bytes) -> None:
        """Take bytes from the connection, or none: then aiohttp goes on with what it had put off."""
        if not data:
            # It may be called from within the reader, which is not to be read then.
            super().data_received(data)
            return
        if self.unparsed or len(data) > SMALL_READ:
            self._hold(data)
            return
        super().data_received(data)
        if self.on_change is not None:
            self.on_change()

    def _hold(self, data: bytes) -> None:
        self._pause_transport_reading()
        self.had_much = True
        # Seldom more than one read: the sender is held back from the first on.
        self.unparsed = self.unparsed[self._at :] + data
        self._at = 0
        self._queue_slice()

    def _queue_slice(self) -> None:
        if not self._in_queue:
            self._in_queue = True
            self._turns.add(self._take_slice)

    def _take_slice(self) -> None:
        """Parse and decode the next slice, and stand at the end of the queue for the one behind it."""
        self._in_queue = False
        if not self.unparsed or self._reading_paused:
            return  # closed, or aiohttp's reader has enough: it comes back with `resume_reading`
        piece = self.unparsed[self._at : self._at + SLICE_BYTES]
        self._at += len(piece)
        if self._at >= len(self.unparsed):
            self.unparsed, self._at = b"", 0
        super().data_received(piece)
        if self.on_change is not None:
            self.on_change()
        if self._lost is not None and not self.unparsed:
            self._tell_lost()
        elif not (self._reading_paused or self._buffer_paused):
            self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        if self.unparsed:
            self._queue_slice()
        elif not self._is_resting:
            super()._resume_transport_reading()

    def rest(self) -> None:
        """Take nothing from the sender until `listen`."""
        self._is_resting = True
        self._pause_transport_reading()

    def listen(self) -> None:
        """End a rest."""
        self._is_resting = False
        if not (self._reading_paused or self._buffer_paused):
            self._resume_transport_reading()

    def call_in_turn(self, part: Callable[[], object]) -> None:
        """Call a function when all who wait for the loop's time have had theirs."""
        self._turns.add(part)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Take the end of the connection."""
        self._lost = (exc,)
        # Where we have closed it ourselves, nobody waits for what is left.
        if not self.unparsed or self.transport is None:
            self._tell_lost()

    def _tell_lost(self) -> None:
        if self._lost is None:
            return
        (error,), self._lost = self._lost, None
        self.unparsed, self._at = b"", 0
        super().connection_lost(error)
        if self.on_change is not None:
            self.on_change()

    def close(self) -> None:
        """Close the connection; what has come over it and was not parsed is lost."""
        super().close()
        self.unparsed, self._at = b"", 0
        self._tell_lost()

    def abort(self) -> None:
        """Close the connection at once; what has come over it and was not parsed is lost."""
        super().abort()
        self.unparsed, self._at = b"", 0
        self._tell_lost()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Resume, if there is anything to resume."""
        # aiohttp asks for it at every body's end, and its own answer calls parser and transport in any case.
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)
            # It may have gone on with what it had put off, behind the back of whoever empties the reader just now.
            self._turns.add(self._say_change)

    def _say_change(self) -> None:
        if self.on_change is not None:
            self.on_change()

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Fail, and with it the body that is being read."""
        cause = exc if exc_cause is None else exc_cause
        super().set_exception(exc, cause)
        # aiohttp (3.14) tells no reader of a body that its framing broke, only whoever waits for the next head.
        body = self._payload
        if body is not None and not body.is_eof() and body.exception() is None:
            broken = aiohttp.ClientPayloadError(f"{type(cause).__name__}: {cause}")
            broken.__cause__ = cause
            body.set_exception(broken)


class _Connector(aiohttp.TCPConnector):
    """Makes connections of that kind."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Private, as there is no other way to it. Should it go, test_calls_per_token.py and test_transport.py fail.
        protocol: Callable[..., ResponseHandler] = _Protocol
        self._factory = partial(protocol, loop=self._loop, turns=TurnQueue(self._loop))


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


def body_of(response: aiohttp.ClientResponse) -> Body:
    """Return the body of a response of a `Transport`, of which nothing was read."""
    connection = response.connection
    protocol = None if connection is None else connection.protocol
    assert protocol is None or isinstance(protocol, _Protocol)
    return Body(response, protocol)
