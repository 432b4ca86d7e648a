"""What the bridge promises, at any interleaving of put, take, stop, close and the loop's end.

The source is stepped from the test, on a real loop thread, and after each step the loop is given the time to do
all that follows; so an interleaving runs the same each time, and Hypothesis can shrink it. The last test gives up
that control and lets the threads race.

`HYPOTHESIS_PROFILE=long` tries 10,000 interleavings instead of a few hundred.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sluice.service.concurrency.bridge import Bridge, SourceCancelled
from sluice.service.concurrency.event_loop_thread import LoopUnavailable
from tests.support.loop_stage import WITHIN, LoopStage

LONG: Final = os.environ.get("HYPOTHESIS_PROFILE") == "long"
RUNS: Final = settings(
    max_examples=10_000 if LONG else 400,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
RACES: Final = settings(
    max_examples=10_000 if LONG else 200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class SourceFailed(Exception):
    """The source's own error."""


class Stopped(Exception):
    """What `stop` was given."""


@pytest.fixture
def stage(caplog: pytest.LogCaptureFixture) -> Iterator[LoopStage]:
    # Hundreds of deaths would bury the one example that matters.
    caplog.set_level(logging.CRITICAL, "sluice.loop")
    with LoopStage() as stage:
        yield stage


class SteppedSource:
    """Counts upwards, one item for each permission; ends or fails when it is told to.

    A step that is a function is called before the next item is given.
    """

    def __init__(self) -> None:
        self.steps: asyncio.Queue[Exception | str | Callable[[], None]] = asyncio.Queue()
        self.given = 0
        self.begun = False
        self.cleaned = False
        #: What it did at its own end: "ended", or its error.
        self.outcome: Exception | str | None = None

    def come(self, step: Exception | str | Callable[[], None]) -> None:
        """Take a step, on the loop's thread."""
        self.steps.put_nowait(step)

    async def __aiter__(self) -> AsyncIterator[int]:
        self.begun = True
        try:
            while True:
                step = await self.steps.get()
                if isinstance(step, Exception):
                    self.outcome = step
                    raise step
                if step == "end":
                    self.outcome = "ended"
                    return
                if callable(step):
                    step()
                self.given += 1
                yield self.given
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            self.cleaned = True


class BridgeMachine(RuleBasedStateMachine):
    """One bridge, from its opening to its end.

    Attributes:
        taken: The items that the reader got.
        arrived: How many items have been handed over by now.
        handed_over: How many items have been handed over in all, once that is settled by an end; None before.
        end: What the reader is to meet behind them: nothing (None), an error's value or an error's type.
    """

    def __init__(self, stage: LoopStage) -> None:
        super().__init__()
        self.stage = stage
        self.loop = stage.running_loop()
        self.source = SteppedSource()
        self.taken: list[int] = []
        self.arrived = 0
        self.handed_over: int | None = None
        self.end: Exception | type[Exception] | None = None
        self.closed = False
        self.loop_ended = False
        self.reading: Future[list[int] | None] | None = None
        self.holder: threading.Event | None = None
        #: Whether steps wait for the loop to be let go.
        self.queued = False
        #: Whether the source may have been cancelled in the middle of the clean-up at its own end.
        self.raced = False

    @initialize(capacity=st.integers(1, 4), held=st.booleans())
    def open(self, capacity: int, held: bool) -> None:
        self.capacity = capacity
        if held:
            self.hold()
        self.bridge = Bridge(self.loop, self.source, capacity=capacity, close_timeout=WITHIN)
        self.settle()

    # -------------------------------------------------------------- the loop's time

    def hold(self) -> None:
        """Keep the loop from doing anything until it is let go."""
        began, self.holder = threading.Event(), threading.Event()

        def block(let_go: threading.Event) -> None:
            began.set()
            assert let_go.wait(10 * WITHIN)

        self.loop.call_soon(block, self.holder)
        assert began.wait(WITHIN)

    def settle(self) -> None:
        """Let the loop do all that it can do; note what has been handed over, and an end of the source."""
        if self.holder is not None or self.loop_ended:
            return

        async def turns() -> None:
            for _ in range(40):
                await asyncio.sleep(0)

        self.loop.submit(turns()).result(WITHIN)
        if self.handed_over is None:
            self.arrived = min(self.source.given, len(self.taken) + self.capacity)
        if self.handed_over is None and self.source.outcome is not None:
            outcome = self.source.outcome
            self.settle_end(outcome if isinstance(outcome, Exception) else None)

    def settle_end(self, end: Exception | type[Exception] | None) -> None:
        """Nothing is handed over from now on. The first end counts."""
        if self.handed_over is None:
            self.handed_over = self.arrived
            self.end = end

    @precondition(lambda self: self.holder is None and not self.loop_ended)
    @rule()
    def the_loop_is_held(self) -> None:
        self.hold()

    @precondition(lambda self: self.holder is not None)
    @rule()
    def the_loop_is_let_go(self) -> None:
        assert self.holder is not None
        self.holder.set()
        self.holder = None
        self.queued = False
        self.settle()

    # -------------------------------------------------------------- the source

    def step(self, *steps: Exception | str | Callable[[], None]) -> None:
        for step in steps:
            self.loop.call_soon(self.source.come, step)
            self.queued = self.holder is not None
            self.settle()
            self.collect()

    # A reader that waits while several items come at once may get one of them or all: the threads race. So here
    # they come one after the other; the last test has the race.
    @precondition(lambda self: not self.loop_ended and not (self.holder and self.reading))
    @rule(items=st.integers(1, 9))
    def put(self, items: int) -> None:
        self.step(*["item"] * items)

    @precondition(lambda self: not self.loop_ended and not (self.holder and self.reading))
    @rule(items=st.integers(0, 2), error=st.sampled_from(["end", SourceFailed("its own")]))
    def the_source_ends(self, items: int, error: Exception | str) -> None:
        self.step(*["item"] * items, error)

    @precondition(lambda self: self.holder is None and self.handed_over is None and self.arrived == self.source.given)
    @rule(error=st.sampled_from([None, Stopped("by the source")]))
    def the_source_stops_itself_with_an_item_in_hand(self, error: Exception | None) -> None:
        self.settle_end(error)
        self.step(partial(self.bridge.stop, error))

    # -------------------------------------------------------------- the reader

    def read(self, timeout: float | None) -> None:
        self.reading = self.stage.reader.submit(self.bridge.take, timeout)

    @precondition(lambda self: self.reading is None)
    @rule(timeout=st.sampled_from([0.0, 0.001]))
    def take_with_a_timeout(self, timeout: float) -> None:
        self.read(timeout)
        self.collect(must=True)
        self.settle()

    @precondition(lambda self: self.reading is None and (self.must_be_released() or not self.more_comes()))
    @rule()
    def take(self) -> None:
        self.read(None)
        self.collect()
        self.settle()

    def must_be_released(self) -> bool:
        return self.handed_over is not None or self.arrived > len(self.taken)

    def more_comes(self) -> bool:
        """Whether items will cross as soon as the loop is let go: then the threads would race, as above."""
        return self.queued or self.source.given > self.arrived

    def collect(self, must: bool = False) -> None:
        """Look at what the reader got, which it must have done by now unless there is nothing for it."""
        if self.reading is None:
            return
        if not (must or self.must_be_released()):
            assert not self.reading.done()
            return
        reading, self.reading = self.reading, None
        error = reading.exception(WITHIN)
        batch = None if error is not None else reading.result()
        if batch:
            assert not self.closed, "nothing is read after close"
            assert len(batch) <= self.capacity
            self.taken += batch
            assert self.handed_over is None or len(self.taken) <= self.handed_over
        elif batch is None:
            assert self.handed_over is not None, "an end that nobody caused"
            assert self.closed or len(self.taken) == self.handed_over, "the end came before the items"
            if self.closed:
                assert error is None
            elif isinstance(self.end, type):
                assert type(error) is self.end
            else:
                assert error is self.end

    # -------------------------------------------------------------- the ends

    @rule(error=st.sampled_from([None, Stopped("by the owner")]))
    def stop(self, error: Exception | None) -> None:
        self.settle_end(error)
        self.bridge.stop(error)
        self.settle()

    @precondition(lambda self: self.holder is None and not self.loop_ended)
    @rule(error=st.sampled_from([None, Stopped("from the loop")]))
    def stop_on_the_loops_thread(self, error: Exception | None) -> None:
        self.settle_end(error)
        self.loop.call_soon(self.bridge.stop, error)
        self.settle()

    @rule()
    def close(self) -> None:
        self.settle_end(None)
        self.closed = True
        self.raced = self.raced or self.queued
        closing = self.stage.closer.submit(self.bridge.close)
        if self.holder is not None:
            self.the_loop_is_let_go()
        closing.result(WITHIN)
        if not (self.loop_ended or self.raced):
            assert self.source.cleaned == self.source.begun, "close returned before the clean-up was over"

    @precondition(lambda self: self.holder is None and not self.loop_ended)
    @rule()
    def the_loop_is_closed(self) -> None:
        self.settle_end(SourceCancelled)
        self.loop_ended = True
        assert self.loop.close(WITHIN)

    @precondition(lambda self: self.holder is None and not self.loop_ended)
    @rule()
    def the_loop_dies(self) -> None:
        def die() -> None:
            raise SystemExit

        self.settle_end(LoopUnavailable)
        self.loop_ended = True
        self.loop.call_soon(die)
        assert self.stage.died.wait(WITHIN)

    # -------------------------------------------------------------- what always holds

    @invariant()
    def the_reader_has_a_prefix_in_order(self) -> None:
        self.collect()
        assert self.taken == list(range(1, len(self.taken) + 1))
        assert len(self.taken) <= self.source.given

    @invariant()
    def the_source_is_held_back(self) -> None:
        if self.handed_over is None and self.reading is None:
            assert self.source.given <= len(self.taken) + self.capacity + 1

    @invariant()
    def every_end_releases_the_reader(self) -> None:
        self.collect()
        assert self.handed_over is None or self.reading is None

    def teardown(self) -> None:
        if not hasattr(self, "bridge"):
            return
        try:
            if self.holder is not None:
                self.the_loop_is_let_go()
            if self.handed_over is not None and not self.closed:
                while len(self.taken) < self.handed_over:
                    self.take()
                self.take()
        finally:
            self.close()
        self.every_end_releases_the_reader()
        assert self.bridge.take() is None
        if self.loop_ended:
            assert self.loop.close(WITHIN)
            assert self.raced or self.source.cleaned == self.source.begun


@pytest.mark.timeout(3600 if LONG else 60)
def test_the_promises_hold_at_any_interleaving(stage: LoopStage) -> None:
    run_state_machine_as_test(lambda: BridgeMachine(stage), settings=RUNS)


@pytest.mark.timeout(3600 if LONG else 60)
@RACES
@given(
    items=st.integers(0, 300),
    capacity=st.integers(1, 8),
    stop_at=st.integers(0, 300),
    failing=st.booleans(),
    error=st.sampled_from([None, Stopped("raced")]),
)
def test_the_promises_hold_where_nothing_holds_the_threads_back(
    stage: LoopStage,
    items: int,
    capacity: int,
    stop_at: int,
    failing: bool,
    error: Exception | None,
) -> None:
    its_own = SourceFailed("its own")
    may_stop = threading.Event()
    given = 0

    async def source() -> AsyncIterator[int]:
        nonlocal given
        for given in range(1, items + 1):
            if given == stop_at:
                may_stop.set()
            yield given
        may_stop.set()
        if failing:
            raise its_own

    def stop() -> None:
        assert may_stop.wait(WITHIN)
        bridge.stop(error)

    if stop_at == 0:
        may_stop.set()
    taken: list[int] = []
    met: Exception | None = None
    with Bridge(stage.running_loop(), source(), capacity=capacity) as bridge:
        stopping = stage.closer.submit(stop)
        try:
            for batch in bridge:
                taken += batch
        except (SourceFailed, Stopped) as raised:
            met = raised
        stopping.result(WITHIN)
    assert taken == list(range(1, len(taken) + 1))
    assert len(taken) <= given
    if met is its_own or len(taken) < items:
        assert len(taken) == items or met is error
    else:
        assert met in (error, its_own if failing else None)
