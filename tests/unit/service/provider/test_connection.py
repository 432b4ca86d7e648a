"""Large reads are parsed in slices, and a sender that is faster than a display is read once in a frame."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from sluice.service.concurrency import turn_queue
from sluice.service.concurrency.processor_use import ProcessorUse
from sluice.service.provider import connection
from sluice.service.provider.connection import SLICE_BYTES
from tests.support.scenario import run
from tests.unit.service.provider.exchange import (
    END,
    HEAD,
    WITHIN,
    Consumer,
    chunk,
    exchange,
    exchanges,
    protocol_of,
    send,
    wait_until,
)


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the process be busy."""
    monkeypatch.setattr(ProcessorUse, "is_busy", lambda self: True)


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the process be idle."""
    monkeypatch.setattr(ProcessorUse, "is_busy", lambda self: False)


MUCH = b"".join(b"%06d\n" % number for number in range(40_000))


def test_a_large_read_comes_in_slices_and_the_loop_turns_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_queue, "TURN", 0.0)

    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer()
            consuming = asyncio.create_task(asked.body.consume(consumer))
            await asyncio.sleep(0)
            # All of it as one read, as from a kernel whose buffer was full.
            protocol_of(asked).data_received(chunk(MUCH))
            turns = 0
            while len(consumer.data) < len(MUCH):
                await asyncio.sleep(0)
                turns += 1
            asked.writer.write(END)
            await consuming
        assert turns >= len(MUCH) // SLICE_BYTES
        assert max(map(len, consumer.parts)) <= SLICE_BYTES
        assert consumer.data == MUCH
        assert consumer.parts[-1] == b""

    run(scenario)


def test_the_socket_is_not_read_until_the_last_slice() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer()
            protocol = protocol_of(asked)
            consuming = asyncio.create_task(asked.body.consume(consumer))
            await asyncio.sleep(0)
            protocol.data_received(chunk(MUCH))
            assert not protocol.transport.is_reading()
            await wait_until(lambda: len(consumer.data) == len(MUCH))
            await wait_until(lambda: protocol.transport.is_reading())
            asked.writer.write(END)
            await consuming

    run(scenario)


def test_no_more_of_a_large_read_is_parsed_than_the_consumer_takes() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer(enough=1)
            protocol = protocol_of(asked)
            consuming = asyncio.create_task(asked.body.consume(consumer))
            await asyncio.sleep(0)
            protocol.data_received(chunk(MUCH))
            await consuming
            await wait_until(lambda: protocol._reading_paused)
            assert protocol.unparsed
            assert not protocol.transport.is_reading()
            consumer.enough = None
            asked.writer.write(END)
            await asked.body.consume(consumer)
        assert consumer.data == MUCH

    run(scenario)


@pytest.mark.parametrize("takes_at_once", [True, False])
def test_the_connections_end_comes_behind_the_bytes_before_it(takes_at_once: bool) -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer(None if takes_at_once else 1)
            protocol = protocol_of(asked)
            consuming = asyncio.create_task(asked.body.consume(consumer))
            await asyncio.sleep(0)
            transport = protocol.transport
            protocol.data_received(chunk(MUCH))
            # As TLS does, which has read the end as well by then.
            protocol.connection_lost(None)
            if not takes_at_once:
                await consuming
                consumer.enough = None
                consuming = asyncio.create_task(asked.body.consume(consumer))
            with pytest.raises(aiohttp.ClientError):
                await consuming
            transport.abort()
        assert consumer.data == MUCH

    run(scenario)


def test_a_response_that_is_closed_in_the_middle_of_a_read_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer(enough=1)
            protocol = protocol_of(asked)
            consuming = asyncio.create_task(asked.body.consume(consumer))
            await asyncio.sleep(0)
            protocol.data_received(chunk(MUCH))
            await consuming
            asked.response.close()
            assert not protocol.unparsed
            assert protocol.transport is None
            before = len(consumer.data)
            await asyncio.sleep(0)
            assert len(consumer.data) == before

    run(scenario)


def test_a_connection_with_bytes_that_belong_to_no_request_is_not_reused() -> None:
    async def scenario() -> None:
        async with exchanges() as asks:
            first = await anext(asks)
            consumer = Consumer()
            protocol = protocol_of(first)
            consuming = asyncio.create_task(first.body.consume(consumer))
            await asyncio.sleep(0)
            protocol.data_received(chunk(MUCH[:SLICE_BYTES]) + END + b"HTTP/1.1 200 OK\r\n" + MUCH)
            await consuming
            second = await anext(asks)
            assert second.writer is not first.writer
        assert consumer.data == MUCH[:SLICE_BYTES]

    run(scenario)


@pytest.mark.usefixtures("idle")
def test_a_sender_of_large_reads_is_read_once_in_a_frame_however_long_they_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "FAST_READ_SECONDS", 0.0)
    monkeypatch.setattr(connection, "FRAME_SECONDS", 100.0)

    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer()
            protocol = protocol_of(asked)
            consuming = asyncio.create_task(asked.body.consume(consumer))
            await asyncio.sleep(0)
            for count in range(1, connection.FAST_READS + 2):
                assert protocol.transport.is_reading()
                protocol.data_received(chunk(MUCH[: 4 * connection.SMALL_READ]))
                await wait_until(lambda count=count: len(consumer.data) == count * 4 * connection.SMALL_READ)  # type: ignore[misc]
                await asyncio.sleep(0)
            assert not protocol.transport.is_reading()
            consuming.cancel()
            with pytest.raises(asyncio.CancelledError):
                await consuming
            assert protocol.transport.is_reading()

    run(scenario)


def test_a_response_that_comes_in_one_large_read_is_read_whole() -> None:
    async def scenario() -> None:
        async with exchange(HEAD + chunk(MUCH) + END) as asked:
            consumer = Consumer()
            await asked.body.consume(consumer)
        assert consumer.data == MUCH

    run(scenario)


@pytest.mark.usefixtures("busy")
def test_a_model_that_is_faster_than_a_display_is_read_once_in_a_frame_of_a_busy_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "FAST_READ_SECONDS", WITHIN)

    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer()
            transport = protocol_of(asked).transport
            consuming = asyncio.create_task(asked.body.consume(consumer))
            tokens, reads_in_frames = 60, 0
            for _ in range(tokens):
                reads_in_frames += not transport.is_reading()
                await send(asked, consumer, b"word ")
            asked.writer.write(END)
            await consuming
            # All but the first ones; each waited for the end of its frame.
            assert reads_in_frames == tokens - connection.FAST_READS - 2
        assert consumer.data == b"word " * tokens
        assert consumer.parts[-1] == b""

    run(scenario)


@pytest.mark.usefixtures("idle")
def test_a_fast_model_is_read_at_once_while_the_process_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FAST_READ_SECONDS", WITHIN)

    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer()
            transport = protocol_of(asked).transport
            consuming = asyncio.create_task(asked.body.consume(consumer))
            for _ in range(60):
                assert transport.is_reading()
                await send(asked, consumer, b"word ")
            asked.writer.write(END)
            await consuming

    run(scenario)


@pytest.mark.usefixtures("busy")
def test_bytes_that_come_during_a_frame_are_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FAST_READ_SECONDS", WITHIN)
    monkeypatch.setattr(connection, "FRAME_SECONDS", 100 * WITHIN)

    async def scenario() -> None:
        async with exchange() as asked:
            first, second = Consumer(), Consumer()
            transport = protocol_of(asked).transport
            consuming = asyncio.create_task(asked.body.consume(first))
            while transport.is_reading():
                await send(asked, first, b"a")
            for word in (b"b", b"c", b"d"):
                asked.writer.write(chunk(word))
                await asked.writer.drain()
            # Cancelling ends the wait for the frame.
            consuming.cancel()
            with pytest.raises(asyncio.CancelledError):
                await consuming
            assert transport.is_reading()
            asked.writer.write(END)
            await asked.body.consume(second)
        assert set(first.data) == {ord("a")}
        assert second.data == b"bcd"

    run(scenario)


@pytest.mark.usefixtures("busy")
def test_a_model_that_is_slower_than_a_display_is_always_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FAST_READ_SECONDS", 0.0)

    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer()
            transport = protocol_of(asked).transport
            consuming = asyncio.create_task(asked.body.consume(consumer))
            for _ in range(100):
                assert transport.is_reading()
                await send(asked, consumer, b"word ")
            asked.writer.write(END)
            await consuming

    run(scenario)


@pytest.mark.usefixtures("busy")
def test_the_end_of_a_connection_during_a_frame_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FAST_READ_SECONDS", WITHIN)

    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer()
            transport = protocol_of(asked).transport
            consuming = asyncio.create_task(asked.body.consume(consumer))
            while transport.is_reading():
                await send(asked, consumer, b"a")
            asked.writer.write(chunk(b"b"))
            asked.writer.close()
            with pytest.raises(aiohttp.ClientError):
                await consuming
        assert consumer.data.endswith(b"ab")

    run(scenario)
