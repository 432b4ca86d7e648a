"""One run: its terminal event, its heartbeat, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from sluice.service import ChatService, Settings
from sluice.service.chat import Chat, CurrentChat
from sluice.service.concurrency.event_loop_thread import LoopThread
from sluice.service.errors import InternalError, ShuttingDown, UpstreamRejected
from sluice.service.events.events import Failed, Finished, Text
from sluice.service.message import Message
from sluice.service.observability.metrics import Metrics
from sluice.service.runs import run as run_module
from sluice.service.runs.log import RunLog
from sluice.service.runs.run import Run, Source
from sluice.service.runs.thread_reader import ThreadReader
from sluice.service.settings.records.limits import LimitSettings
from sluice.service.settings.records.provider import ProviderSettings
from tests.support.polling import wait_until
from tests.unit.service.concurrency.loop_faults import exit_the_thread
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


def test_a_stored_run_that_is_closed_behind_its_end_leaves_all_to_its_readers(loop: LoopThread) -> None:
    async def source(log: RunLog) -> None:
        await asyncio.Event().wait()

    run = begun(loop, source, heartbeat=5.0, is_stored=True)
    reader = ThreadReader(loop, run.log)
    wait_until(lambda: reader.is_waiting, 5.0, "the reader to wait")

    async def end_and_close() -> None:
        run.log.append([Text("all"), Finished("stop", None)])
        # What `close` has the loop do. It may come before the reader's own turn.
        run._end_with(None)

    loop.submit(end_and_close()).result(5.0)
    batch = reader.read(5.0)
    reader.close()
    run.has_delivered_end = True
    run.close()
    assert batch is not None
    assert [type(event) for event in batch[1]] == [Text, Finished]


def begun(loop: LoopThread, source: Source, *, heartbeat: float, is_stored: bool = False) -> Run:
    return Run(
        loop,
        source,
        Metrics("m"),
        current=CurrentChat(CHAT),
        heartbeat=heartbeat,
        is_stored=is_stored,
        on_close=lambda _: None,
    )


@pytest.mark.parametrize("end", [Run.disconnect, Run.close])
@pytest.mark.parametrize("whole", [True, False])
def test_events_that_came_before_the_iteration_are_dropped_by_a_disconnect_and_by_close(
    loop: LoopThread, end: Callable[[Run], None], whole: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def source(log: RunLog) -> None:
        log.append([Text("a"), Finished("stop", None)] if whole else [Text("a")])
        await asyncio.Event().wait()

    with caplog.at_level("INFO", "sluice.run"), begun(loop, source, heartbeat=WITHIN) as run:
        run.wait_accepted(WITHIN)
        end(run)
        assert list(run) == []
    assert "outcome=disconnected" in caplog.text


@pytest.mark.parametrize(
    ("size", "is_short"), [(run_module.SHORT_ANSWER, True), (run_module.SHORT_ANSWER + 1, False)]
)
def test_an_answer_that_is_whole_is_read_without_the_loop(loop: LoopThread, size: int, is_short: bool) -> None:
    told = []

    async def source(log: RunLog) -> None:
        log.append([Text("a" * size)])
        told.append(run.is_short)
        log.append([Finished("stop", None)])

    made = threading.Event()
    with begun(loop, lambda log: source_once(made, source, log), heartbeat=WITHIN) as run:
        made.set()
        run.wait_accepted(WITHIN)
        wait_until(lambda: run.log.is_settled, WITHIN)
        assert (told, run.is_short) == ([False], is_short)
        # It is blocked, and nobody needs it.
        release = threading.Event()
        loop.call_soon(release.wait, WITHIN)
        began = time.monotonic()
        (batch,) = run
        assert time.monotonic() - began < 1.0
        release.set()
    assert batch[0] == 1
    assert [type(event) for event in batch[1]] == [Text, Finished]


async def source_once(made: threading.Event, source: Source, log: RunLog) -> None:
    while not made.is_set():
        await asyncio.sleep(0)
    await source(log)


def test_a_model_that_accepts_does_not_put_the_sign_of_life_off(loop: LoopThread) -> None:
    async def source(log: RunLog) -> None:
        await asyncio.sleep(0.4)
        log.accept()
        await asyncio.Event().wait()

    with begun(loop, source, heartbeat=0.5) as run:
        began = time.monotonic()
        assert next(run) == (1, ())
        # Put off, it would come after 0.9 s.
        assert time.monotonic() - began < 0.85


def test_events_are_numbered_one_by_one_also_behind_heartbeats(loop: LoopThread) -> None:
    may_go_on = asyncio.Event()

    async def source(log: RunLog) -> None:
        log.append([Text("1"), Text("2")])
        await may_go_on.wait()
        log.append([Text("3")])
        log.append([Finished("stop", None)])

    with begun(loop, source, heartbeat=0.01) as run:
        numbers: list[int] = []
        for first, events in run:
            numbers += range(first, first + len(events))
            if not events:
                assert first == 3
                loop.call_soon(may_go_on.set)
    assert numbers == [1, 2, 3, 4]


@pytest.mark.parametrize("how", ["accepts", "begins", "fails", "dies"])
def test_a_thread_that_waits_for_the_model_goes_on_as_soon_as_it_knows(loop: LoopThread, how: str) -> None:
    async def source(log: RunLog) -> None:
        if how == "accepts":
            log.accept()
        elif how == "begins":
            log.append([Text("a")])
        elif how == "fails":
            raise UpstreamRejected("no")
        else:
            loop.call_soon(exit_the_thread)
        await asyncio.Event().wait()

    with begun(loop, source, heartbeat=WITHIN) as run:
        began = time.monotonic()
        if how in ("accepts", "begins"):
            run.wait_accepted(WITHIN)
        else:
            with pytest.raises(UpstreamRejected if how == "fails" else InternalError):
                run.wait_accepted(WITHIN)
            assert list(run) == []
        assert time.monotonic() - began < WITHIN


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), None])
def test_a_source_that_breaks_or_ends_without_an_end_is_a_failure(
    loop: LoopThread, error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def source(log: RunLog) -> None:
        log.append([Text("a")])
        if error is not None:
            raise error

    with begun(loop, source, heartbeat=WITHIN) as run:
        first, last = [event for _, events in run for event in events]
    assert first == Text("a")
    assert isinstance(last, Failed)
    assert last.error.code == "internal"
    assert ("unhandled exception in run" in caplog.text) is (error is not None)


def test_a_stopped_run_ends_at_once_though_its_source_does_not(
    loop: LoopThread, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    may_end = asyncio.Event()

    async def source(log: RunLog) -> None:
        log.append([Text("a")])
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await may_end.wait()
        log.append([Text("too late")])

    monkeypatch.setattr(run_module, "CLOSE_TIMEOUT", 0.05)
    with begun(loop, source, heartbeat=WITHIN) as run:
        assert next(run) == (1, [Text("a")])
        run.stop(ShuttingDown("now"))
        run.stop(UpstreamRejected("later"))
        assert [event.error.code for _, events in run for event in events if isinstance(event, Failed)] == [
            "shutting_down"
        ]
    assert "did not end within 0.05 s" in caplog.text
    loop.call_soon(may_end.set)


def test_a_run_whose_loop_dies_tells_its_reader(loop: LoopThread) -> None:
    async def source(log: RunLog) -> None:
        log.append([Text("a")])
        await asyncio.Event().wait()

    with begun(loop, source, heartbeat=WITHIN) as run:
        assert next(run) == (1, [Text("a")])
        loop.call_soon(exit_the_thread)
        number, (last,) = next(run)
        assert number == 2
        assert isinstance(last, Failed)
        assert list(run) == []
    assert run.end().outcome == "error"


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
            gone: list[Any] = [weakref.ref(run), weakref.ref(run.log)]
            del run
            # The loop's thread lets go of them a little later.
            until = time.monotonic() + WITHIN
            while any(what() is not None for what in gone) and time.monotonic() < until:
                service.loop.submit(asyncio.sleep(0)).result(WITHIN)
            assert [what() for what in gone] == [None, None]
        finally:
            gc.enable()
            service.close()
