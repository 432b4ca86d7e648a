"""Requests over real sockets, whose server's side a test controls: aiohttp's reader and parser take part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from multidict import CIMultiDict

from sluice.service.provider.response_body import ResponseBody
from sluice.service.provider.transport import Transport

WITHIN = 5.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
GZIP_HEAD = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Exchange:
    """A request that was sent, and the server's side of its connection."""

    def __init__(
        self, transport: Transport, body: ResponseBody, response: aiohttp.ClientResponse, writer: Any
    ) -> None:
        self.transport = transport
        self.body = body
        self.response = response
        self.writer = writer


@asynccontextmanager
async def exchanges(head: bytes = HEAD) -> AsyncIterator[AsyncIterator[Exchange]]:
    """Give an iterator that sends a request each time; the server answers with `head`, and a test writes the rest."""
    asked: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    responses: list[aiohttp.ClientResponse] = []
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\nhello")
                writer.write(head)
                asked.put_nowait(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    transport = Transport(url, connections=1, keepalive=5.0, connect_timeout=WITHIN, proxy=None)

    async def ask() -> AsyncIterator[Exchange]:
        while True:
            response = await transport.post(CIMultiDict(), b"hello")
            responses.append(response)
            yield Exchange(transport, ResponseBody(response), response, await asked.get())

    async with server:
        try:
            yield ask()
        finally:
            for response in responses:
                response.close()
            await transport.aclose()
            for writer in writers:
                writer.close()


@asynccontextmanager
async def exchange(head: bytes = HEAD) -> AsyncIterator[Exchange]:
    """Send one request, as `exchanges` does."""
    async with exchanges(head) as asks:
        yield await anext(asks)


def protocol_of(asked: Exchange) -> Any:
    """Return the connection of a response, as long as not all of it has come."""
    assert asked.response.connection is not None
    return asked.response.connection.protocol


async def send(asked: Exchange, consumer: Consumer, data: bytes) -> None:
    """Send a chunk, and wait until it is consumed."""
    before = len(consumer.data)
    asked.writer.write(chunk(data))
    await consumer.wait_for(before + len(data))


class Consumer:
    """Keeps what it consumes, and wants no more when it has so many bytes."""

    def __init__(self, enough: int | None = None) -> None:
        self.parts: list[bytes] = []
        self.enough = enough
        self._came = asyncio.Event()

    def __call__(self, data: bytes) -> bool:
        self.parts.append(data)
        self._came.set()
        return self.enough is None or len(self.data) < self.enough

    @property
    def data(self) -> bytes:
        return b"".join(self.parts)

    async def wait_for(self, size: int) -> None:
        while len(self.data) < size:
            self._came.clear()
            await self._came.wait()


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not condition():
            await asyncio.sleep(0)
