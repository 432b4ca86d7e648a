"""A response's body is given to a function as it comes, in order, whole, with its end or its failure behind it."""

from __future__ import annotations

import asyncio
import gzip

import aiohttp
import pytest

from tests.support.scenario import run
from tests.unit.service.provider.exchange import (
    END,
    GZIP_HEAD,
    HEAD,
    Consumer,
    chunk,
    exchange,
    exchanges,
    protocol_of,
    send,
    wait_until,
)


def test_bytes_are_consumed_as_they_come_and_wake_no_task() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer()
            protocol = protocol_of(asked)
            consuming = asyncio.create_task(asked.body.consume(consumer))
            for _ in range(3):
                await send(asked, consumer, b"word ")
                assert not consuming.done()
            asked.writer.write(END)
            await consuming
            # The connection is kept for the next request, and must not keep the answer.
            assert protocol.on_change is None
        assert consumer.parts == [b"word ", b"word ", b"word ", b""]

    run(scenario)


def test_bytes_and_the_end_in_one_packet_are_both_consumed() -> None:
    async def scenario() -> None:
        async with exchange(HEAD + chunk(b"all") + END) as asked:
            consumer = Consumer()
            await asked.body.consume(consumer)
        assert consumer.parts == [b"all", b""]

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
def test_the_end_of_an_empty_body_is_consumed(head: bytes) -> None:
    async def scenario() -> None:
        async with exchange(head) as asked:
            consumer = Consumer()
            await asked.body.consume(consumer)
        assert consumer.parts == [b""]

    run(scenario)


def test_a_consumer_that_wants_no_more_gets_no_more_until_the_next_time() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer(enough=3)
            asked.writer.write(chunk(b"one"))
            await asked.body.consume(consumer)
            asked.writer.write(chunk(b"two") + chunk(b"three") + END)
            await asked.response.content.wait_eof()
            assert consumer.parts == [b"one"]
            consumer.enough = None
            await asked.body.consume(consumer)
        assert consumer.data == b"onetwothree"
        assert consumer.parts[-1] == b""

    run(scenario)


@pytest.mark.parametrize("cut", [b"", b"rubbish in place of a chunk's size\r\n"])
@pytest.mark.parametrize("waits", [True, False])
def test_bytes_before_a_broken_connection_are_consumed_before_its_error_is_raised(cut: bytes, waits: bool) -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer()
            if waits:
                consuming = asyncio.create_task(asked.body.consume(consumer))
                await asyncio.sleep(0)
            asked.writer.write(chunk(b"before") + cut)
            if not cut:
                asked.writer.close()
            if not waits:
                with pytest.raises(aiohttp.ClientError):
                    await asked.response.content.wait_eof()
                consuming = asyncio.create_task(asked.body.consume(consumer))
            with pytest.raises(aiohttp.ClientError):
                await consuming
            assert consumer.parts == [b"before"]
            # Asked again, it says so again, and has nothing twice.
            with pytest.raises(aiohttp.ClientError):
                await asked.body.consume(consumer)
            assert consumer.parts == [b"before"]

    run(scenario)


def test_a_cancelled_consumer_gets_nothing_more_and_nothing_is_lost() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            first, second = Consumer(), Consumer()
            consuming = asyncio.create_task(asked.body.consume(first))
            await send(asked, first, b"one")
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


def test_an_error_of_the_consumer_is_raised_in_its_task_and_the_connection_stays_open() -> None:
    class Refused(Exception):
        pass

    def refuse(data: bytes) -> bool:
        raise Refused

    async def scenario() -> None:
        async with exchange() as asked:
            consuming = asyncio.create_task(asked.body.consume(refuse))
            await asyncio.sleep(0)
            asked.writer.write(chunk(b"one"))
            with pytest.raises(Refused):
                await consuming
            consumer = Consumer()
            asked.writer.write(chunk(b"two") + END)
            await asked.body.consume(consumer)
        assert consumer.parts == [b"two", b""]

    run(scenario)


@pytest.mark.parametrize("compressed", [False, True])
def test_more_than_aiohttps_reader_holds_comes_whole_and_in_order(compressed: bool) -> None:
    # Compressed, a few packets become much more than the reader's limit at once, and aiohttp puts the rest off.
    text = b"".join(b"%07d\n" % number for number in range(400_000))
    sent = gzip.compress(text) if compressed else text

    async def scenario() -> None:
        async with exchange(GZIP_HEAD if compressed else HEAD) as asked:
            consumer = Consumer(enough=1)
            for begin in range(0, len(sent), 50_000):
                asked.writer.write(chunk(sent[begin : begin + 50_000]))
            asked.writer.write(END)
            await asked.body.consume(consumer)
            # Nothing is consumed for a while: what is sent stays with the sender.
            await wait_until(lambda: protocol_of(asked)._reading_paused)
            consumer.enough = None
            await asked.body.consume(consumer)
        assert consumer.data == text
        assert consumer.parts[-1] == b""

    run(scenario)


def test_bytes_that_aiohttp_had_put_off_come_before_the_end() -> None:
    # More than the reader holds from one packet, so that the rest of it and the end are put off together.
    text = b"%07d\n" % 1 * 150_000

    async def scenario() -> None:
        async with exchange(GZIP_HEAD) as asked:
            consumer = Consumer()
            asked.writer.write(chunk(gzip.compress(text)) + END)
            await asked.body.consume(consumer)
        assert len(consumer.data) == len(text)
        assert consumer.parts[-1] == b""

    run(scenario)


def test_bytes_that_aiohttp_had_put_off_come_before_the_error() -> None:
    text = b"%07d\n" % 1 * 150_000

    async def scenario() -> None:
        async with exchange(GZIP_HEAD) as asked:
            consumer = Consumer()
            asked.writer.write(chunk(gzip.compress(text)) + b"rubbish in place of a chunk's size\r\n")
            with pytest.raises(aiohttp.ClientError):
                await asked.body.consume(consumer)
        assert len(consumer.data) == len(text)

    run(scenario)


def test_a_body_that_is_read_late_does_not_touch_the_next_answer_of_its_connection() -> None:
    async def scenario() -> None:
        async with exchanges() as asks:
            first = await anext(asks)
            late, prompt = Consumer(enough=1), Consumer()
            first.writer.write(chunk(b"one"))
            await first.body.consume(late)
            # It all comes, and the connection is given back, while a slow reader holds the first one's bytes.
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


def test_a_long_answer_that_is_consumed_as_it_comes_never_pauses_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            pauses: list[None] = []
            monkeypatch.setattr(type(protocol_of(asked)), "pause_reading", lambda protocol: pauses.append(None))
            consumer = Consumer()
            consuming = asyncio.create_task(asked.body.consume(consumer))
            # More bytes, and more chunks, than aiohttp's reader would hold without pausing.
            for count in range(1, 201):
                asked.writer.write(chunk(b"x" * 50) * 100)
                await consumer.wait_for(5000 * count)
            asked.writer.write(END)
            await consuming
            assert pauses == []

    run(scenario)


def test_closing_all_connections_ends_a_body_that_is_awaited() -> None:
    async def scenario() -> None:
        async with exchange() as asked:
            consumer = Consumer()
            consuming = asyncio.create_task(asked.body.consume(consumer))
            await send(asked, consumer, b"one")
            await asked.transport.aclose()
            with pytest.raises(aiohttp.ClientError):
                await consuming

    run(scenario)
