"""A response's body is given to a function as it comes, in order, whole, and with its end or its failure behind it.

Over real sockets: what aiohttp's reader and parser do is half of it.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict

from sluice.service.provider import connection
from sluice.service.provider.response_body import ResponseBody
from sluice.service.provider.transport import Transport
from tests.support.scenario import run

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
    """Ask a server, whenever the test takes another one, that answers with this and then does what the test does."""
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
    transport = Transport(connections=1, keepalive=5.0, connect_timeout=WITHIN, proxy=None)

    async def ask() -> AsyncIterator[Exchange]:
        while True:
            response = await transport.post(url, CIMultiDict(), b"hello")
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
    """Ask it once."""
    async with exchanges(head) as asks:
        yield await anext(asks)


def protocol_of(asked: Exchange) -> Any:
    """What the response comes over, as long as it has not all come."""
    assert asked.response.connection is not None
    return asked.response.connection.protocol


async def dictate(asked: Exchange, taker: Taker, data: bytes) -> None:
    """Send a chunk, and wait until it was taken."""
    before = len(taker.data)
    asked.writer.write(chunk(data))
    await taker.wait_for(before + len(data))


class Taker:
    """Takes pieces, and says no when it has so many bytes; tells a test what has come."""

    def __init__(self, enough: int | None = None) -> None:
        self.pieces: list[bytes] = []
        self.enough = enough
        self._came = asyncio.Event()

    def __call__(self, piece: bytes) -> bool:
        self.pieces.append(piece)
        self._came.set()
        return self.enough is None or len(self.data) < self.enough

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    async def wait_for(self, size: int) -> None:
        while len(self.data) < size:
            self._came.clear()
            await self._came.wait()


def test_pieces_are_taken_as_they_come_and_wake_nobody() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            taker = Taker()
            protocol = protocol_of(asked)
            consuming = asyncio.create_task(asked.body.consume(taker))
            for _ in range(3):
                await dictate(asked, taker, b"word ")
                assert not consuming.done()
            asked.writer.write(END)
            await consuming
            # The connection is kept for the next request, and must not keep the answer.
            assert protocol.on_change is None
        assert taker.pieces == [b"word ", b"word ", b"word ", b""]

    run(scenario)


def test_a_piece_and_the_end_behind_it_in_one_packet_are_both_told() -> None:
    async def scenario() -> None:
        async with exchange(HEAD + chunk(b"all") + END) as asked:
            taker = Taker()
            await asked.body.consume(taker)
        assert taker.pieces == [b"all", b""]

    run(scenario)


@pytest.mark.parametrize(
    "head",
    [
        HEAD + END,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        # aiohttp's parser takes the greatest number for none.
        b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
    ],
)
def test_of_a_body_with_nothing_in_it_the_end_is_told(head: bytes) -> None:
    async def scenario() -> None:
        async with exchange(head) as asked:
            taker = Taker()
            await asked.body.consume(taker)
        assert taker.pieces == [b""]

    run(scenario)


def test_whoever_says_no_is_given_no_more_until_the_next_time() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            taker = Taker(enough=3)
            asked.writer.write(chunk(b"one"))
            await asked.body.consume(taker)
            asked.writer.write(chunk(b"two") + chunk(b"three") + END)
            await asked.response.content.wait_eof()
            assert taker.pieces == [b"one"]
            taker.enough = None
            await asked.body.consume(taker)
        assert taker.data == b"onetwothree"
        assert taker.pieces[-1] == b""

    run(scenario)


@pytest.mark.parametrize("cut", [b"", b"rubbish in place of a chunk's size\r\n"])
@pytest.mark.parametrize("waits", [True, False])
def test_what_came_before_a_break_is_taken_before_the_break_is_raised(cut: bytes, waits: bool) -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            taker = Taker()
            if waits:
                consuming = asyncio.create_task(asked.body.consume(taker))
                await asyncio.sleep(0)
            asked.writer.write(chunk(b"before") + cut)
            if not cut:
                asked.writer.close()
            if not waits:
                with pytest.raises(aiohttp.ClientError):
                    await asked.response.content.wait_eof()
                consuming = asyncio.create_task(asked.body.consume(taker))
            with pytest.raises(aiohttp.ClientError):
                await consuming
            assert taker.pieces == [b"before"]
            # Asked again, it says so again, and has nothing twice.
            with pytest.raises(aiohttp.ClientError):
                await asked.body.consume(taker)
            assert taker.pieces == [b"before"]

    run(scenario)


def test_whoever_is_cancelled_takes_nothing_more_and_loses_nothing() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            first, second = Taker(), Taker()
            consuming = asyncio.create_task(asked.body.consume(first))
            await dictate(asked, first, b"one")
            consuming.cancel()
            # What comes before the task has its turn, in which it ends.
            asked.response.content.feed_data(b"and ")
            protocol_of(asked).on_change()
            with pytest.raises(asyncio.CancelledError):
                await consuming
            asked.writer.write(chunk(b"two") + END)
            await asked.body.consume(second)
        assert (first.data, second.data) == (b"one", b"and two")

    run(scenario)


def test_what_the_taker_raises_is_raised_to_whoever_waits_and_the_connection_lives() -> None:
    class Refused(Exception):
        pass

    def refuse(piece: bytes) -> bool:
        raise Refused

    async def scenario() -> None:
        async with exchange() as asked:
            consuming = asyncio.create_task(asked.body.consume(refuse))
            await asyncio.sleep(0)
            asked.writer.write(chunk(b"one"))
            with pytest.raises(Refused):
                await consuming
            taker = Taker()
            asked.writer.write(chunk(b"two") + END)
            await asked.body.consume(taker)
        assert taker.pieces == [b"two", b""]

    run(scenario)


@pytest.mark.parametrize("compressed", [False, True])
def test_more_than_the_reader_holds_is_held_back_and_comes_whole_and_in_order(compressed: bool) -> None:
    # Compressed, a few packets become much more than the reader's limit at once, and aiohttp puts the rest off.
    text = b"".join(b"%07d\n" % number for number in range(400_000))
    sent = gzip.compress(text) if compressed else text

    async def scenario() -> None:
        async with exchange(GZIP_HEAD if compressed else HEAD) as asked:
            taker = Taker(enough=1)
            for begin in range(0, len(sent), 50_000):
                asked.writer.write(chunk(sent[begin : begin + 50_000]))
            asked.writer.write(END)
            await asked.body.consume(taker)
            # Nobody takes for a while: what is sent stays with the sender.
            await wait_until(lambda: protocol_of(asked)._reading_paused)
            taker.enough = None
            await asked.body.consume(taker)
        assert taker.data == text
        assert taker.pieces[-1] == b""

    run(scenario)


def test_what_was_put_off_with_the_end_behind_it_comes_before_the_end() -> None:
    # More than the reader holds from one packet, so that the rest of it and the end are put off together.
    text = b"%07d\n" % 1 * 150_000

    async def scenario() -> None:
        async with exchange(GZIP_HEAD) as asked:
            taker = Taker()
            asked.writer.write(chunk(gzip.compress(text)) + END)
            await asked.body.consume(taker)
        assert len(taker.data) == len(text)
        assert taker.pieces[-1] == b""

    run(scenario)


def test_what_was_put_off_with_the_break_behind_it_comes_before_the_break() -> None:
    text = b"%07d\n" % 1 * 150_000

    async def scenario() -> None:
        async with exchange(GZIP_HEAD) as asked:
            taker = Taker()
            asked.writer.write(chunk(gzip.compress(text)) + b"rubbish in place of a chunk's size\r\n")
            with pytest.raises(aiohttp.ClientError):
                await asked.body.consume(taker)
        assert len(taker.data) == len(text)

    run(scenario)


def test_a_body_that_is_read_late_leaves_its_connection_to_the_answer_that_has_it_now() -> None:
    async def scenario() -> None:
        async with exchanges() as asks:
            first = await anext(asks)
            late, prompt = Taker(enough=1), Taker()
            first.writer.write(chunk(b"one"))
            await first.body.consume(late)
            # It all comes, and the connection is given back, while a slow reader holds the first one's words.
            first.writer.write(chunk(b"two") + END)
            await first.response.content.wait_eof()
            second = await anext(asks)
            assert second.writer is first.writer
            consuming = asyncio.create_task(second.body.consume(prompt))
            second.writer.write(chunk(b"three"))
            await prompt.wait_for(5)
            late.enough = None
            await first.body.consume(late)
            second.writer.write(chunk(b"four") + END)
            await consuming
        assert (late.data, prompt.data) == (b"onetwo", b"threefour")

    run(scenario)


def test_a_long_answer_that_is_taken_as_it_comes_is_never_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            pauses: list[None] = []
            monkeypatch.setattr(type(protocol_of(asked)), "pause_reading", lambda protocol: pauses.append(None))
            taker = Taker()
            consuming = asyncio.create_task(asked.body.consume(taker))
            # More bytes, and more chunks, than aiohttp's reader would hold without pausing.
            for count in range(1, 201):
                asked.writer.write(chunk(b"x" * 50) * 100)
                await taker.wait_for(5000 * count)
            asked.writer.write(END)
            await consuming
            assert pauses == []

    run(scenario)


def test_a_model_that_is_faster_than_a_display_is_listened_to_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RAPID", WITHIN)

    async def scenario() -> None:
        async with exchange() as asked:
            taker = Taker()
            transport = protocol_of(asked).transport
            consuming = asyncio.create_task(asked.body.consume(taker))
            words, reads_in_rest = 60, 0
            for _ in range(words):
                reads_in_rest += not transport.is_reading()
                await dictate(asked, taker, b"word ")
            asked.writer.write(END)
            await consuming
            # All but the first ones; each waited for its rest to be over.
            assert reads_in_rest == words - connection.RAPID_READS - 2
        assert taker.data == b"word " * words
        assert taker.pieces[-1] == b""

    run(scenario)


def test_what_comes_while_a_connection_rests_is_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RAPID", WITHIN)
    monkeypatch.setattr(connection, "REST", 100 * WITHIN)

    async def scenario() -> None:
        async with exchange() as asked:
            first, second = Taker(), Taker()
            transport = protocol_of(asked).transport
            consuming = asyncio.create_task(asked.body.consume(first))
            while transport.is_reading():
                await dictate(asked, first, b"a")
            for word in (b"b", b"c", b"d"):
                asked.writer.write(chunk(word))
                await asked.writer.drain()
            # Whoever goes leaves a connection that listens.
            consuming.cancel()
            with pytest.raises(asyncio.CancelledError):
                await consuming
            assert transport.is_reading()
            asked.writer.write(END)
            await asked.body.consume(second)
        assert set(first.data) == {ord("a")}
        assert second.data == b"bcd"

    run(scenario)


def test_a_model_that_is_slower_than_a_display_is_always_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RAPID", 0.0)

    async def scenario() -> None:
        async with exchange() as asked:
            taker = Taker()
            transport = protocol_of(asked).transport
            consuming = asyncio.create_task(asked.body.consume(taker))
            for _ in range(100):
                assert transport.is_reading()
                await dictate(asked, taker, b"word ")
            asked.writer.write(END)
            await consuming

    run(scenario)


def test_a_connection_that_ends_while_it_rests_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RAPID", WITHIN)

    async def scenario() -> None:
        async with exchange() as asked:
            taker = Taker()
            transport = protocol_of(asked).transport
            consuming = asyncio.create_task(asked.body.consume(taker))
            while transport.is_reading():
                await dictate(asked, taker, b"a")
            asked.writer.write(chunk(b"b"))
            asked.writer.close()
            with pytest.raises(aiohttp.ClientError):
                await consuming
        assert taker.data.endswith(b"ab")

    run(scenario)


def test_closing_all_connections_ends_a_body_that_is_waited_for() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            taker = Taker()
            consuming = asyncio.create_task(asked.body.consume(taker))
            await dictate(asked, taker, b"one")
            await asked.transport.aclose()
            with pytest.raises(aiohttp.ClientError):
                await consuming

    run(scenario)


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not condition():
            await asyncio.sleep(0)
