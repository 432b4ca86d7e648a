"""What a reader of an answer appends at its end, and how many bytes without text a provider may send.

As many as real ones send in an hour, and no flood.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing

import pytest

from sluice.service import Settings
from sluice.service.concurrency.deadline import Deadline
from sluice.service.decoding.completion_decoder import CompletionDecoder
from sluice.service.errors import UpstreamInvalid
from sluice.service.events.events import Event, Finished, Text
from sluice.service.provider.completion_reader import CompletionReader
from sluice.service.runs.log import RunLog
from sluice.service.settings.records.limits import LimitSettings
from tests.support.run_logs import CollectingReader
from tests.support.scenario import run
from tools.common.model_steps import DONE, Chunk

EMPTY = (
    b'data: {"id": "chatcmpl-01234567", "model": "model-that-thinks", "choices": [{"delta": {"content": ""}}]}\n\n'
)
TOKEN = EMPTY.replace(b'""', b'"word"')
HOUR = 3600.0

#: Given a reader, and a function that moves its clock by so many seconds.
Sender = Callable[[CompletionReader, Callable[[float], None]], None]


def read_from(send: Sender) -> tuple[CompletionDecoder, list[str]]:
    """Let a sender send on a clock that only it moves; return the decoder, and the texts."""
    texts: list[str] = []
    decoder = CompletionDecoder(2**20)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        at = [loop.time()]
        loop.time = lambda: at[0]  # type: ignore[method-assign]

        def wait(seconds: float) -> None:
            at[0] += seconds

        settings = Settings(limits=LimitSettings(next_token_timeout=HOUR))
        with closing(Deadline(at[0] + 10 * HOUR)) as deadline:
            log = RunLog()
            collected = CollectingReader(log)
            send(CompletionReader(decoder, deadline, settings, at[0] + 10 * HOUR, log, lambda: False), wait)
            texts.extend(event.text for event in collected.events if isinstance(event, Text))

    run(scenario)
    return decoder, texts


@pytest.mark.parametrize(
    ("data", "a_second", "seconds"),
    [(b": ping\n\n", 1, HOUR), (b"event: ping\ndata: {}\n\n", 10, HOUR), (EMPTY, 200, HOUR / 30), (b"\n", 500, HOUR)],
    ids=["a ping a second", "ten events a second", "200 empty deltas a second", "500 line ends a second"],
)
def test_what_keeps_a_connection_alive_for_an_hour_is_no_flood(data: bytes, a_second: int, seconds: float) -> None:
    def send(reader: CompletionReader, wait: Callable[[float], None]) -> None:
        for _ in range(int(seconds)):
            wait(1.0)
            assert reader.consume(data * a_second)

    decoder, _ = read_from(send)
    assert not decoder.state.has_ended


@pytest.mark.parametrize("data", [b"\n", b": \n\n", EMPTY, b'data: {"usage": {}}\n\n'])
def test_as_many_bytes_in_a_moment_end_the_answer(data: bytes) -> None:
    def send(reader: CompletionReader, wait: Callable[[float], None]) -> None:
        while reader.consume(data * 500):
            wait(0.0)

    decoder, _ = read_from(send)
    assert decoder.state.has_ended
    with pytest.raises(UpstreamInvalid, match="bytes without text in"):
        decoder.result()


def test_each_token_begins_the_count_again() -> None:
    def send(reader: CompletionReader, wait: Callable[[float], None]) -> None:
        for _ in range(3):
            assert reader.consume(b": \n\n" * (2**20 // 4))
            assert reader.consume(TOKEN)

    decoder, texts = read_from(send)
    assert not decoder.state.has_ended
    assert texts == ["word"] * 3


def test_text_that_was_held_back_comes_before_the_end() -> None:
    def send(reader: CompletionReader, wait: Callable[[float], None]) -> None:
        reader.consume(TOKEN.replace(b"word", b"<thi"))
        while reader.consume(b"\n" * 2**16):
            pass

    decoder, texts = read_from(send)
    assert decoder.state.has_ended
    assert texts == ["<thi"]


def test_nothing_is_counted_behind_the_end_of_a_whole_answer() -> None:
    def send(reader: CompletionReader, wait: Callable[[float], None]) -> None:
        reader.consume(
            TOKEN + TOKEN.replace(b'"delta": {"content": "word"}', b'"delta": {}, "finish_reason": "stop"')
        )
        for _ in range(30):
            reader.consume(b"\n" * 2**16)

    decoder, _ = read_from(send)
    assert not decoder.state.has_ended
    assert decoder.state.is_whole


@pytest.mark.parametrize(("is_complete", "batches"), [(True, [[Text, Finished]]), (False, [[Text]])])
def test_the_end_is_appended_with_the_last_text_where_the_end_of_the_body_came_with_it(
    is_complete: bool, batches: list[list[type[Event]]]
) -> None:
    appended: list[list[type[Event]]] = []

    def record(events: Sequence[Event]) -> Sequence[Event]:
        appended.append([type(event) for event in events])
        return events

    async def scenario() -> None:
        decoder = CompletionDecoder(2**20)
        far = asyncio.get_running_loop().time() + HOUR
        with closing(Deadline(far)) as deadline:
            reader = CompletionReader(decoder, deadline, Settings(), far, RunLog(record), lambda: is_complete)
            assert not reader.consume(Chunk("word").encode() + Chunk(finish_reason="stop").encode() + DONE.data)

    run(scenario)
    assert appended == batches
