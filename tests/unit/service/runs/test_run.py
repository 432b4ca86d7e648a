"""One run's terminal event, where its events go past the reader."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial

import pytest

from sluice.service import ChatService, Settings
from sluice.service.chat import Chat, CurrentChat
from sluice.service.concurrency.event_loop_thread import LoopThread
from sluice.service.events.events import Accepted, Event, Failed, Finished, Text
from sluice.service.message import Message
from sluice.service.observability.metrics import Metrics
from sluice.service.runs.run import Run
from sluice.service.settings.limits import LimitSettings
from sluice.service.settings.provider import ProviderSettings
from tools.common.scripted_model import (
    Close,
    End,
    Headers,
    Reset,
    ScriptedModel,
    Send,
    SendOnWire,
    Stall,
    Step,
    refused,
    reply,
    said,
    stalling_after,
)

WITHIN = 5.0
CHAT = Chat([Message(role="user", content="Hi")], "m", run_id="1")


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread("run-loop")
    thread.start()
    yield thread
    assert thread.close()


def begun(loop: LoopThread, source: AsyncIterator[Sequence[Event]], *, heartbeat: float) -> Run:
    return Run(
        loop,
        source,
        Metrics("m"),
        current=CurrentChat(CHAT),
        heartbeat=heartbeat,
        on_close=lambda _: None,
    )


def test_an_end_that_the_outlet_could_not_hand_on_becomes_a_failure(
    loop: LoopThread, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[Event] = []

    async def source() -> AsyncIterator[Sequence[Event]]:
        yield [Accepted()]
        while not taken:  # until the reader waits
            yield [Text("a")]
            await asyncio.sleep(0.001)
        yield [Finished("stop", None)]

    def outlet(first_number: int, events: Sequence[Event]) -> bool:
        if isinstance(events[-1], Finished):
            raise ZeroDivisionError
        taken.extend(events)
        return True

    with begun(loop, source(), heartbeat=5.0) as run:
        run.divert(outlet)
        events = [event for _, batch in run for event in batch]
    assert isinstance(events.pop(), Failed)
    assert set(events) <= {Text("a")}
    assert "unhandled exception in run" in caplog.text


@pytest.mark.parametrize("end", [Run.disconnect, Run.close])
@pytest.mark.parametrize("whole", [True, False])
def test_events_that_came_before_the_iteration_are_dropped_by_a_disconnect_and_by_close(
    loop: LoopThread, end: Callable[[Run], None], whole: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def source() -> AsyncIterator[Sequence[Event]]:
        yield [Text("a"), Finished("stop", None)] if whole else [Text("a")]
        await asyncio.Event().wait()

    with caplog.at_level("INFO", "sluice.run"), begun(loop, source(), heartbeat=WITHIN) as run:
        run.wait_accepted(WITHIN)
        end(run)
        assert list(run) == []
    assert "outcome=disconnected" in caplog.text


@pytest.mark.parametrize("diverted", [True, False])
def test_a_model_that_accepts_does_not_put_the_sign_of_life_off(loop: LoopThread, diverted: bool) -> None:
    async def source() -> AsyncIterator[Sequence[Event]]:
        await asyncio.sleep(0.4)
        yield [Accepted()]
        await asyncio.Event().wait()

    with begun(loop, source(), heartbeat=0.5) as run:
        if diverted:
            run.divert(lambda first_number, batch: False)
        began = time.monotonic()
        assert next(run) == (1, [])
        # Put off, it would come after 0.9 s.
        assert time.monotonic() - began < 0.85


def test_an_outlet_that_is_not_done_wakes_the_reader_at_once(loop: LoopThread) -> None:
    refused: list[int] = []

    async def source() -> AsyncIterator[Sequence[Event]]:
        yield [Accepted()]
        while not refused:  # until the reader waits
            yield [Text("a")]
            await asyncio.sleep(0.001)
        await asyncio.Event().wait()

    def outlet(first_number: int, events: Sequence[Event]) -> bool:
        refused.append(first_number)
        return False

    with begun(loop, source(), heartbeat=10 * WITHIN) as run:
        run.divert(outlet)
        began = time.monotonic()
        assert next(number for number, events in run if not events) == refused[0] + 1
        assert time.monotonic() - began < WITHIN


@pytest.mark.parametrize("waits", [True, False])
def test_events_are_numbered_one_by_one_whichever_way_they_are_handed_out(loop: LoopThread, waits: bool) -> None:
    handed_out: list[tuple[str, int, Event]] = []

    def record(way: str, first_number: int, events: Sequence[Event]) -> bool:
        handed_out.extend((way, first_number + at, event) for at, event in enumerate(events))
        return True

    async def source() -> AsyncIterator[Sequence[Event]]:
        yield [Accepted()]
        yield [Text("1"), Text("2")]
        await asyncio.sleep(0.1)  # longer than the heartbeat
        number = 3
        while not any(way == "outlet" for way, _, _ in handed_out):  # until the reader waits
            yield [Text(str(number))]
            number += 1
            await asyncio.sleep(0.001)
        yield [Finished("stop", None)]

    with begun(loop, source(), heartbeat=0.05) as run:
        if waits:
            run.wait_accepted(WITHIN)
        run.divert(partial(record, "outlet"))
        for first_number, events in run:
            record("reader", first_number, events)
    assert [number for _, number, _ in handed_out] == list(range(1, run.next_number))
    assert [event for _, _, event in handed_out[:-1]] == [
        Text(str(number)) for number in range(1, run.next_number - 1)
    ]
    assert {way for way, _, _ in handed_out} == {"reader", "outlet"}


@pytest.mark.parametrize(
    ("script", "disconnects"),
    [
        pytest.param(reply("a", "b"), False, id="whole"),
        pytest.param((Headers(), *said("a", "b"), End()), False, id="without an end"),
        pytest.param(reply("a", "b", finish=None), False, id="without a finish reason"),
        pytest.param((Headers(), *said("a", "b"), Close()), False, id="closed"),
        pytest.param((Headers(), *said("a", "b"), Reset()), False, id="reset"),
        pytest.param((Headers(), *said("a", "b"), SendOnWire(b"rubbish\r\n"), Stall()), False, id="broken chunks"),
        pytest.param((Headers(), *said("a", "b"), Send(b"data: {rubbish\n\n"), Stall()), False, id="broken event"),
        pytest.param(refused(400), False, id="refused"),
        pytest.param(stalling_after("a"), False, id="timed out"),
        pytest.param(stalling_after("a"), True, id="disconnected"),
    ],
)
def test_a_run_that_is_over_goes_without_the_garbage_collector(script: tuple[Step, ...], disconnects: bool) -> None:
    with ScriptedModel(script) as model:
        settings = Settings(
            provider=ProviderSettings(base_url=model.base_url, model="m", api_key="k", max_retries=0),
            limits=LimitSettings(next_token_timeout=0.1),
        )
        service = ChatService(settings)
        gc.disable()
        try:
            with service.open(CHAT) as run:
                for _ in run:
                    if disconnects:
                        run.disconnect()
            gone = [weakref.ref(run), weakref.ref(run._bridge)]
            del run
            # The loop's thread lets go of them a little later.
            until = time.monotonic() + WITHIN
            while any(what() is not None for what in gone) and time.monotonic() < until:
                service.loop.submit(asyncio.sleep(0)).result(WITHIN)
            assert [what() for what in gone] == [None, None]
        finally:
            gc.enable()
            service.close()
