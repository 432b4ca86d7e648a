"""What Sluice uses of aiohttp's private parts: in this file only, and checked when it is imported.

aiohttp's public interface has no callback for the bytes of a body, and no way to make connections of another class.
Its body reader can take bytes without waiting, but that costs a seventh of a token's instructions
(docs/decisions/0032-wake-no-task-per-token.md). Source: `client_proto.py`, `base_protocol.py`, `streams.py` and
`connector.py` of aiohttp 3.14.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import ContentEncodingError as ContentEncodingError

SUPPORTED: Final = "3.14"
_USED: Final[Mapping[type, tuple[str, ...]]] = {
    ResponseHandler: (
        "_buffer_paused",
        "_pause_transport_reading",
        "_payload",
        "_reading_paused",
        "_resume_transport_reading",
        "abort",
        "close",
        "connection_lost",
        "data_received",
        "resume_reading",
        "set_exception",
        "should_close",
        "transport",
    ),
    aiohttp.BaseConnector: ("_factory", "_loop"),
    aiohttp.StreamReader: ("_buffer", "_cursor", "_eof", "_exception", "_http_chunk_splits", "_size", "total_bytes"),
}


class UnsupportedAiohttp(ImportError):
    """The installed aiohttp is another version, or lacks a part that this file uses."""


def check_installed(version: str, used: Mapping[type, tuple[str, ...]] = _USED) -> None:
    """Compare the installed aiohttp with what this file was written for.

    Args:
        version: The installed version.
        used: The names that are used of each class.

    Raises:
        UnsupportedAiohttp: It is not of the supported release, or a class has no attribute of one of the names.
    """
    remedy = f"install the release that Sluice supports: pip install 'aiohttp=={SUPPORTED}.*'"
    if not version.startswith(f"{SUPPORTED}."):
        raise UnsupportedAiohttp(f"aiohttp {version} is installed and is not supported; {remedy}")
    missing = [f"{owner.__name__}.{name}" for owner, names in used.items() for name in names if not _has(owner, name)]
    if missing:
        raise UnsupportedAiohttp(f"aiohttp {version} has no {' and no '.join(missing)}; {remedy}")


def _has(owner: type, name: str) -> bool:
    """Return whether instances have an attribute: of their class, or assigned by its constructor."""
    return hasattr(owner, name) or name in vars(owner)["__init__"].__code__.co_names


check_installed(aiohttp.__version__)


class ResponseProtocol(ResponseHandler):
    """aiohttp's side of a connection, with the private parts that `connection.py` uses under public names."""

    __slots__ = ()

    #: Parses bytes, or with none goes on with what aiohttp had put off. An alias, as `super()` costs more per token.
    parse = ResponseHandler.data_received

    @property
    def is_paused(self) -> bool:
        """Whether aiohttp reads nothing from the socket, because a buffer of its own is full."""
        return self._reading_paused or self._buffer_paused

    @property
    def is_parser_paused(self) -> bool:
        """Whether aiohttp parses nothing either, because the body's reader is full."""
        return self._reading_paused

    def pause_transport(self) -> None:
        """Read nothing from the socket until `resume_transport`."""
        self._pause_transport_reading()

    def resume_transport(self) -> None:
        """Read from the socket again, where `may_resume_transport` allows it."""
        self._resume_transport_reading()

    def may_resume_transport(self) -> bool:
        """Return whether the socket may be read again. Called before each time; a subclass overrides it."""
        return True

    def reading_resumed(self) -> None:
        """Take note that aiohttp went on with what it had put off. A subclass overrides it."""

    def _resume_transport_reading(self) -> None:
        if self.may_resume_transport():
            super()._resume_transport_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Resume reading, if it is paused."""
        # aiohttp calls it at every body's end, and its own method calls parser and transport in any case.
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)
            self.reading_resumed()

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Fail the connection, and the body that is being read over it."""
        cause = exc if exc_cause is None else exc_cause
        super().set_exception(exc, cause)
        # aiohttp raises broken framing in the task that waits for the next head, and not in the body's reader.
        body = self._payload
        if body is not None and not body.is_eof() and body.exception() is None:
            broken = aiohttp.ClientPayloadError(f"{type(cause).__name__}: {cause}")
            broken.__cause__ = cause
            body.set_exception(broken)


class Connector(aiohttp.TCPConnector):
    """A connection pool whose connections have a protocol of ours."""

    def __init__(
        self,
        protocol: Callable[..., ResponseHandler],
        on_connect: Callable[[ResponseProtocol], None],
        **options: Any,
    ) -> None:
        """Prepare the pool; on the loop's thread.

        Args:
            protocol: Called with the argument `loop`; returns the protocol of a connection.
            on_connect: Called with the protocol of the connection that a request gets, in the request's task.
            options: As for `aiohttp.TCPConnector`.
        """
        super().__init__(**options)
        self._factory = partial(protocol, loop=self._loop)
        #: Called with the protocol of each connection that a request gets.
        self.on_connect = on_connect

    async def connect(self, *arguments: Any, **options: Any) -> Connection:
        """Take a kept connection, or make one."""
        connection = await super().connect(*arguments, **options)
        assert isinstance(connection.protocol, ResponseProtocol)
        self.on_connect(connection.protocol)
        return connection


class BodyReader:
    """Takes the bytes of one response's body from aiohttp's buffer where they arrive. On the loop's thread only."""

    __slots__ = ("_protocol", "_reader", "consumer", "waiter")

    def __init__(self, reader: aiohttp.StreamReader, protocol: ResponseProtocol | None) -> None:
        """Begin a body that was not read.

        Args:
            reader: The response's `content`, and not `aiohttp.EMPTY_PAYLOAD`, which has no buffer.
            protocol: The connection it comes over; `None` where all of it has come.
        """
        self._reader = reader
        self._protocol = protocol
        #: Takes the next bytes, or `b""` at the end; returns whether it wants more.
        self.consumer: Callable[[bytes], bool] | None = None
        #: Done when `consumer` wants no more, or the body has ended or failed.
        self.waiter: asyncio.Future[None] | None = None

    @property
    def buffered(self) -> int:
        """How many bytes wait to be taken."""
        return self._reader._size

    def detach(self) -> None:
        """Forget the connection: the body has ended, and the connection may carry another one."""
        self._protocol = None

    def deliver(self) -> bool:
        """Give what has come to `consumer`, and complete `waiter` where nothing else is to come.

        Returns:
            Whether bytes were given and more of them are awaited.
        """
        waiter, consumer, reader, protocol = self.waiter, self.consumer, self._reader, self._protocol
        if waiter is None or consumer is None or waiter.done():
            return False  # cancelled, or ended already: the task has not had its turn yet
        try:
            data = b""
            if buffer := reader._buffer:
                data = buffer.popleft()
                if buffer:
                    data = b"".join((data, *buffer))
                    buffer.clear()
                reader._size = 0
                reader._cursor = reader.total_bytes
                if reader._http_chunk_splits:
                    reader._http_chunk_splits.clear()
                if protocol is not None and protocol._reading_paused:
                    protocol.resume_reading()
                if not consumer(data):
                    waiter.set_result(None)
                    return False
                if buffer:
                    return False  # aiohttp went on with what it had put off; see `reading_resumed`
            # After the bytes that came before it; aiohttp's own methods would raise it instead of returning them.
            if reader._exception is not None:
                waiter.set_exception(reader._exception)
            elif reader._eof:
                consumer(b"")
                waiter.set_result(None)
            elif protocol is None or protocol.transport is None:
                waiter.set_exception(aiohttp.ClientConnectionError("the connection was closed"))
            elif data:
                return True
        except Exception as error:
            waiter.set_exception(error)
        return False
