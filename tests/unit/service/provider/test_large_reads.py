"""What comes at once and is much, is parsed and decoded in slices: in order, whole, with its end behind it."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from sluice.service.concurrency import turn_queue
from sluice.service.provider import connection
from sluice.service.provider.connection import SLICE_BYTES
from tests.support.scenario import run
from tests.unit.service.provider.test_response_body import (
    END,
    HEAD,
    Taker,
    chunk,
    exchange,
    exchanges,
    protocol_of,
    wait_until,
)

MUCH = b"".join(b"%06d\n" % number for number in range(40_000))


def test_a_large_read_comes_in_slices_and_the_loop_turns_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_queue, "TURN", 0.0)

    async def scenario() -> None:
        async with exchange() as asked:
            taker = Taker()
            consuming = asyncio.create_task(asked.body.consume(taker))
            await asyncio.sleep(0)
            # All of it as one read, as from a kernel whose buffer was full.
            protocol_of(asked).data_received(chunk(MUCH))
            turns = 0
            while len(taker.data) < len(MUCH):
                await asyncio.sleep(0)
                turns += 1
            asked.writer.write(END)
            await consuming
        assert turns >= len(MUCH) // SLICE_BYTES
        assert max(map(len, taker.pieces)) <= SLICE_BYTES
        assert taker.data == MUCH
        assert taker.pieces[-1] == b""

    run(scenario)


def test_the_sender_is_held_back_until_the_last_slice() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            taker = Taker()
            protocol = protocol_of(asked)
            consuming = asyncio.create_task(asked.body.consume(taker))
            await asyncio.sleep(0)
            protocol.data_received(chunk(MUCH))
            assert not protocol.transport.is_reading()
            await wait_until(lambda: len(taker.data) == len(MUCH))
            await wait_until(lambda: protocol.transport.is_reading())
            asked.writer.write(END)
            await consuming

    run(scenario)


def test_of_a_large_read_no_more_is_parsed_than_the_reader_of_the_answer_takes() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            taker = Taker(enough=1)
            protocol = protocol_of(asked)
            consuming = asyncio.create_task(asked.body.consume(taker))
            await asyncio.sleep(0)
            protocol.data_received(chunk(MUCH))
            await consuming
            await wait_until(lambda: protocol._reading_paused)
            assert protocol.unparsed
            assert not protocol.transport.is_reading()
            taker.enough = None
            asked.writer.write(END)
            await asked.body.consume(taker)
        assert taker.data == MUCH

    run(scenario)


@pytest.mark.parametrize("takes_at_once", [True, False])
def test_the_connections_end_is_told_behind_the_bytes_that_came_before_it(takes_at_once: bool) -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            taker = Taker(None if takes_at_once else 1)
            protocol = protocol_of(asked)
            consuming = asyncio.create_task(asked.body.consume(taker))
            await asyncio.sleep(0)
            transport = protocol.transport
            protocol.data_received(chunk(MUCH))
            # As TLS does, which has read the end as well by then.
            protocol.connection_lost(None)
            if not takes_at_once:
                await consuming
                taker.enough = None
                consuming = asyncio.create_task(asked.body.consume(taker))
            with pytest.raises(aiohttp.ClientError):
                await consuming
            transport.abort()
        assert taker.data == MUCH

    run(scenario)


def test_whoever_closes_the_response_in_the_middle_of_a_read_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            taker = Taker(enough=1)
            protocol = protocol_of(asked)
            consuming = asyncio.create_task(asked.body.consume(taker))
            await asyncio.sleep(0)
            protocol.data_received(chunk(MUCH))
            await consuming
            asked.response.close()
            assert not protocol.unparsed
            assert protocol.transport is None
            before = len(taker.data)
            await asyncio.sleep(0)
            assert len(taker.data) == before

    run(scenario)


def test_a_connection_over_which_more_came_than_was_asked_for_is_not_used_again() -> None:
    async def scenario() -> None:
        async with exchanges() as asks:
            first = await anext(asks)
            taker = Taker()
            protocol = protocol_of(first)
            consuming = asyncio.create_task(first.body.consume(taker))
            await asyncio.sleep(0)
            protocol.data_received(chunk(MUCH[:SLICE_BYTES]) + END + b"HTTP/1.1 200 OK\r\n" + MUCH)
            await consuming
            second = await anext(asks)
            assert second.writer is not first.writer
        assert taker.data == MUCH[:SLICE_BYTES]

    run(scenario)


def test_a_sender_of_large_reads_is_listened_to_now_and_then_however_long_they_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "RAPID", 0.0)
    monkeypatch.setattr(connection, "REST", 100.0)

    async def scenario() -> None:
        async with exchange() as asked:
            taker = Taker()
            protocol = protocol_of(asked)
            consuming = asyncio.create_task(asked.body.consume(taker))
            await asyncio.sleep(0)
            for count in range(1, connection.RAPID_READS + 2):
                assert protocol.transport.is_reading()
                protocol.data_received(chunk(MUCH[: 4 * connection.SMALL_READ]))
                await wait_until(lambda count=count: len(taker.data) == count * 4 * connection.SMALL_READ)  # type: ignore[misc]
                await asyncio.sleep(0)
            assert not protocol.transport.is_reading()
            consuming.cancel()
            with pytest.raises(asyncio.CancelledError):
                await consuming
            assert protocol.transport.is_reading()

    run(scenario)


def test_a_response_whose_head_and_all_else_come_in_one_large_read_is_read_whole() -> None:
    async def scenario() -> None:
        async with exchange(HEAD + chunk(MUCH) + END) as asked:
            taker = Taker()
            await asked.body.consume(taker)
        assert taker.data == MUCH

    run(scenario)
