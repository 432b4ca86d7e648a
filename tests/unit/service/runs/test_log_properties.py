"""What a run's log promises its readers, at any interleaving of append, read, stop, disconnect, drain and loop death.

The source is stepped from the test, on a real loop thread, and after each step the loop is given the time to do all
that follows, as in test_bridge_properties.py. Three readers follow one log: two threads, and one on the loop that has
room or has none. Each must get a prefix of the events, in order, none twice; all of them where the run ended by
itself or was stopped; and exactly one terminal event, unless the run was disconnected.

`HYPOTHESIS_PROFILE=long` tries 10,000 interleavings instead of a few hundred.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sluice.service.chat import Chat, CurrentChat
from sluice.service.errors import ServiceError, ShuttingDown, UpstreamTruncated
from sluice.service.events.events import Batch, Event, Failed, Finished, Text
from sluice.service.message import Message
from sluice.service.observability.metrics import Metrics
from sluice.service.runs import log as log_module
from sluice.service.runs import thread_reader
from sluice.service.runs.log import RunLog
from sluice.service.runs.run import Run
from sluice.service.runs.thread_reader import ThreadReader
from tests.support.loop_stage import WITHIN, LoopStage
from tests.support.run_logs import CollectingReader

CAPACITY: Final = 3
MOST_AT_ONCE: Final = 4
LONG: Final = os.environ.get("HYPOTHESIS_PROFILE") == "long"
RUNS: Final = settings(
    max_examples=10_000 if LONG else 300,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
CHAT = CurrentChat(Chat([Message(role="user", content="Hi")], "m", run_id="1"))


class RunStage(LoopStage):
    """The metrics of all runs, besides."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics = Metrics("m")


@pytest.fixture
def stage(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStage]:
    # Hundreds of deaths would bury the one example that matters.
    caplog.set_level(logging.CRITICAL, "sluice")
    monkeypatch.setattr(log_module, "CAPACITY", CAPACITY)
    monkeypatch.setattr(thread_reader, "CAPACITY", CAPACITY)
    with RunStage() as stage:
        yield stage


class SteppedSource:
    """Appends texts that say their number, as many at once as it is told; ends or fails when it is told to."""

    def __init__(self) -> None:
        self.steps: asyncio.Queue[int | Event | ServiceError] = asyncio.Queue()
        self.given = 0
        self.begun = False
        self.cleaned = False

    async def __call__(self, log: RunLog) -> None:
        self.begun = True
        try:
            while not isinstance(step := await self.steps.get(), Finished):
                if isinstance(step, ServiceError):
                    raise step
                assert isinstance(step, int)
                log.append([Text(str(self.given + number)) for number in range(1, step + 1)])
                self.given += step
                await log.wait_room()
            log.append([step])
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            if log.has_ended:
                log.append([Text("too late")])
            self.cleaned = True


class MoodyReader(CollectingReader):
    """A reader on the loop that takes events as long as it has room."""

    has_room = True

    def take(self, first_number: int, events: Sequence[Event]) -> None:
        if self.has_room:
            super().take(first_number, events)
        else:
            self.is_waiting = False

    def change(self, has_room: bool) -> None:
        self.has_room = has_room
        if has_room and not self.is_waiting:
            self.catch_up()


class LogMachine(RuleBasedStateMachine):
    """One run and its readers, from its beginning to its end."""

    def __init__(self, stage: RunStage) -> None:
        super().__init__()
        self.stage = stage
        self.loop = stage.running_loop()
        self.source = SteppedSource()
        #: What each of the two threads has read.
        self.read_by: tuple[list[Event], list[Event]] = ([], [])
        self.has_met_end = False
        self.reading: Future[Batch | None] | None = None
        #: Whether events were there when the first thread began to read.
        self.has_waited_for_none = False
        self.holder: threading.Event | None = None
        self.loop_ended = False
        self.is_left = False
        #: The code of the terminal event, or `done`; None where it is not settled.
        self.end: str | None = None
        #: Whether steps wait for the loop to be let go.
        self.is_queued = False

    @initialize(calm=st.integers(0, 20))
    def open(self, calm: int) -> None:
        #: How many rules come before an end may.
        self.calm = calm
        self.run = Run(
            self.loop, self.source, self.stage.metrics, current=CHAT, heartbeat=0.0, on_close=lambda run: None
        )
        self.second = ThreadReader(self.loop, self.run.log)
        assert next(self.run) == (1, ())
        self.moody = self.on_loop(lambda: MoodyReader(self.run.log))
        self.settle()

    def on_loop(self, function: Callable[[], MoodyReader]) -> MoodyReader:
        async def call() -> MoodyReader:
            return function()

        return self.loop.submit(call()).result(WITHIN)

    # -------------------------------------------------------------- the loop's time

    def settle(self) -> None:
        """Let the loop do all that it can do."""
        if self.holder is not None or self.loop_ended:
            return

        async def turns() -> None:
            for _ in range(40):
                await asyncio.sleep(0)

        self.loop.submit(turns()).result(WITHIN)
        figures_end = self.run._figures.end
        if self.end is None and figures_end is not None:
            self.end = figures_end.error.code if isinstance(figures_end, Failed) else "done"

    @precondition(lambda self: self.holder is None and not self.loop_ended)
    @rule()
    def the_loop_is_held(self) -> None:
        began, self.holder = threading.Event(), threading.Event()

        def block(let_go: threading.Event) -> None:
            began.set()
            assert let_go.wait(10 * WITHIN)

        self.loop.call_soon(block, self.holder)
        assert began.wait(WITHIN)

    @precondition(lambda self: self.holder is not None)
    @rule()
    def the_loop_is_let_go(self) -> None:
        assert self.holder is not None
        self.holder.set()
        self.holder = None
        self.is_queued = False
        self.settle()
        self.collect()

    # -------------------------------------------------------------- the source

    # A thread that waits while several batches come at once may get one of them or all: the threads race. So they
    # come one after the other here.
    @precondition(lambda self: not self.loop_ended)
    @precondition(lambda self: self.reading is None or not (self.holder or self.run.log.is_full))
    @rule(sizes=st.lists(st.integers(1, MOST_AT_ONCE), min_size=1, max_size=6))
    def the_source_goes_on(self, sizes: list[int]) -> None:
        self.calm -= 1
        for size in sizes:
            if self.reading is None or not self.run.log.is_full:
                self.step(size)

    @precondition(lambda self: not self.loop_ended and self.calm <= 0)
    @precondition(lambda self: self.reading is None or not (self.holder or self.run.log.is_full))
    @rule(last=st.sampled_from([Finished("stop", None), UpstreamTruncated("x")]))
    def the_source_ends(self, last: Event | ServiceError) -> None:
        self.step(last)

    def step(self, step: int | Event | ServiceError) -> None:
        self.loop.call_soon(self.source.steps.put_nowait, step)
        self.is_queued = self.holder is not None
        self.settle()
        self.collect()

    # -------------------------------------------------------------- the readers

    @precondition(lambda self: not self.loop_ended)
    @rule(has_room=st.booleans())
    def the_reader_on_the_loop_changes(self, has_room: bool) -> None:
        self.calm -= 1
        self.loop.call_soon(self.moody.change, has_room)
        self.settle()

    @precondition(lambda self: self.reading is None)
    @rule(waits=st.booleans())
    def the_first_thread_reads(self, waits: bool) -> None:
        self.calm -= 1
        waits = waits and not self.is_queued and (self.loop_ended or self.source.steps.empty())
        self.run.heartbeat = 10 * WITHIN if waits else 0.0
        assert self.run._reader is not None
        self.has_waited_for_none = not self.run._reader._taking.empty()
        self.reading = self.stage.reader.submit(next, self.run, None)
        self.collect(must=not waits)
        self.settle()

    @rule()
    def the_second_thread_reads(self) -> None:
        self.calm -= 1
        batch = self.second.read(0.0)
        if batch is not None:
            first, events = batch
            assert first == len(self.read_by[1]) + 1
            self.read_by[1].extend(events)
        self.settle()

    def collect(self, must: bool = False) -> None:
        """Look at what the first thread got, which it must have got by now if there was something for it."""
        if self.reading is None:
            return
        if not (must or self.must_be_released() or self.has_more()):
            assert not self.reading.done()
            return
        reading, self.reading = self.reading, None
        batch = reading.result(WITHIN)
        if batch is None:
            self.has_met_end = True
        else:
            assert not self.has_met_end
            first, events = batch
            assert first == len(self.read_by[0]) + 1
            self.read_by[0].extend(events)

    def has_more(self) -> bool:
        """Whether there are events for the first thread."""
        reader = self.run._reader
        assert reader is not None
        return self.has_waited_for_none or (self.holder is None and reader.cursor > len(self.read_by[0]))

    def must_be_released(self) -> bool:
        return self.is_left or self.loop_ended or (self.end is not None and self.holder is None)

    # -------------------------------------------------------------- the ends

    @precondition(lambda self: not self.loop_ended and self.calm <= 0)
    @rule()
    def the_drain_ends(self) -> None:
        self.run.stop(ShuttingDown("the drain's time is over"))
        self.settle()

    # Held, the loop learns of it later, and so does the thread that waits.
    @precondition(lambda self: self.holder is None and self.calm <= 0)
    @rule(from_loop=st.booleans())
    def the_client_disconnects(self, from_loop: bool) -> None:
        self.is_left = True
        if from_loop and not self.loop_ended:
            self.loop.call_soon(self.run.disconnect)
        else:
            self.run.disconnect()
        self.settle()

    @precondition(lambda self: self.holder is None and not self.loop_ended and self.calm <= 0)
    @rule(dies=st.booleans())
    def the_loop_ends(self, dies: bool) -> None:
        def die() -> None:
            raise SystemExit

        self.loop_ended = True
        if dies:
            self.loop.call_soon(die)
            assert self.stage.died.wait(WITHIN)
        assert self.loop.close(WITHIN)

    # -------------------------------------------------------------- what always holds

    @invariant()
    def every_reader_has_a_prefix_in_order_with_one_end_at_most(self) -> None:
        self.collect()
        for events in (*self.read_by, self.moody.events) if hasattr(self, "moody") else ():
            told = [event for event in events if isinstance(event, Text)]
            assert told == [Text(str(number)) for number in range(1, len(told) + 1)]
            assert events[: len(told)] == told
            assert len(events) <= len(told) + 1
            assert len(told) <= self.source.given

    @invariant()
    def the_source_is_held_back(self) -> None:
        if hasattr(self, "run") and self.holder is None:
            # One more where a terminal event comes behind a full log.
            assert len(self.run.log._kept) <= CAPACITY + MOST_AT_ONCE

    @invariant()
    def every_end_releases_the_thread(self) -> None:
        self.collect()
        assert self.reading is None or not self.must_be_released()

    def teardown(self) -> None:
        if not hasattr(self, "moody"):
            return
        if self.holder is not None:
            self.the_loop_is_let_go()
        try:
            if not self.is_left and not self.loop_ended:
                if self.end is None:
                    self.loop.call_soon(self.source.steps.put_nowait, Finished("stop", None))
                self.the_reader_on_the_loop_changes(True)
                # Each read makes room for what the loop has kept.
                for _ in range(1000):
                    self.the_second_thread_reads()
                    if self.reading is None and not self.has_met_end:
                        self.the_first_thread_reads(waits=False)
                    self.collect()
                    if self.end is not None and self.has_met_end and len(self.read_by[1]) == self.run.log.last_number:
                        break
                for events in (*self.read_by, self.moody.events):
                    assert len(events) == self.run.log.last_number
                    assert self.code_of(events[-1]) == self.end
            elif self.loop_ended and not self.is_left:
                while not self.has_met_end:
                    self.collect(must=True)
                    if not self.has_met_end:
                        self.the_first_thread_reads(waits=True)
                assert self.code_of(self.read_by[0][-1]) in (
                    "done",
                    "internal",
                    "shutting_down",
                    "upstream_truncated",
                )
        finally:
            closing = self.stage.closer.submit(self.run.close)
            closing.result(WITHIN)
            self.second.close()
            assert self.source.cleaned == self.source.begun, "close returned before the clean-up was over"
        self.collect(must=True)
        assert next(self.run, None) is None
        assert self.run.end().outcome != "open"

    @staticmethod
    def code_of(event: Event) -> str:
        return event.error.code if isinstance(event, Failed) else "done" if isinstance(event, Finished) else ""


@pytest.mark.timeout(3600 if LONG else 60)
def test_the_promises_hold_at_any_interleaving(stage: RunStage) -> None:
    run_state_machine_as_test(lambda: LogMachine(stage), settings=RUNS)
