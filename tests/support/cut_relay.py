"""A relay before a server, whose connections a test cuts, silences and refuses: a phone's network."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

_CHUNK: Final = 65_536


@dataclass(eq=False)
class _Pair:
    """One client's connection, and that to the server behind it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    #: What the client has sent last.
    request: bytes = b""
    #: Whether what the server sends is thrown away.
    is_silent: bool = False

    def reset(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


class CutRelay:
    """Passes bytes between clients and a server on 127.0.0.1, on a loop of its own in a thread.

    A context manager. All methods may be called by any thread, and return when they have taken effect.

    Args:
        port: That of the server.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._port = 0
        self._is_up = True
        self._silences = b""
        self._drops = b""
        self._pairs: set[_Pair] = set()
        self._ended: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        #: Connections that were passed on.
        self.connections = 0
        #: Replies that were kept from their clients by `drop_reply_to` and `silence_reply_to`.
        self.lost = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        started: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), name="cut-relay")
        self._thread.start()
        started.result(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._ended is not None
        assert self._thread is not None
        self._call(self._ended.set)
        self._thread.join(5)

    def cut(self) -> None:
        """Reset all connections; new ones are passed on."""
        self._call(self._reset_all)

    def take_down(self) -> None:
        """Reset all connections, and each new one."""

        def take_down() -> None:
            self._is_up = False
            self._reset_all()

        self._call(take_down)

    def bring_up(self) -> None:
        """Pass new connections on again."""

        def bring_up() -> None:
            self._is_up = True

        self._call(bring_up)

    def silence(self, start: bytes) -> None:
        """Keep the rest of replies to such requests from their clients, as a router that has forgotten a connection.

        Args:
            start: How the requests begin, such as `POST /api/chat`.
        """

        def silence() -> None:
            for pair in self._pairs:
                pair.is_silent |= pair.request.startswith(start)

        self._call(silence)

    def silence_reply_to(self, start: bytes) -> None:
        """Pass on the next request that begins like this, and nothing of its reply; the connection stays open."""

        def silence() -> None:
            self._silences = start

        self._call(silence)

    def drop_reply_to(self, start: bytes) -> None:
        """Pass on the next request that begins like this, and reset the connection instead of its reply."""

        def drop() -> None:
            self._drops = start

        self._call(drop)

    def _call(self, function: Callable[[], None]) -> None:
        assert self._loop is not None
        done: Future[None] = Future()

        def run() -> None:
            function()
            done.set_result(None)

        self._loop.call_soon_threadsafe(run)
        done.result(5)

    def _reset_all(self) -> None:
        for pair in self._pairs:
            pair.reset()

    async def _serve(self, started: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        started.set_result(None)
        await self._ended.wait()
        server.close()
        self._reset_all()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self._is_up:
                raise ConnectionResetError
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.transport.abort()
            return
        self.connections += 1
        pair = _Pair(writer, server_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pass_requests(reader, pair), self._pass_replies(server_reader, pair))
        finally:
            self._pairs.discard(pair)
            pair.reset()

    async def _pass_requests(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                pair.request = data
                if self._silences and data.startswith(self._silences):
                    self._silences = b""
                    pair.is_silent = True
                pair.server.write(data)
                await pair.server.drain()
        pair.server.close()

    async def _pass_replies(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._drops and pair.request.startswith(self._drops):
                    self._drops = b""
                    self.lost += 1
                    pair.client.transport.abort()
                    return
                if pair.is_silent:
                    self.lost += 1
                    continue
                pair.client.write(data)
                await pair.client.drain()
        pair.client.close()
