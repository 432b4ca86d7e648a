"""The way past the reader: what an outlet takes on the loop's thread, the reader's thread is not woken for."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Any

import janus
import pytest

from sluice.service.concurrency.bridge import Bridge
from sluice.service.concurrency.event_loop_thread import LoopThread
from tests.support.polling import wait_until

from .bridge_state import has_open_outlet, queued_items
from .loop_faults import WITHIN, settle


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread("outlet-loop", stuck_after=2.0)
    thread.start()
    yield thread
    thread.close(WITHIN)


@pytest.fixture
def reader() -> Iterator[ThreadPoolExecutor]:
    """The reader's thread."""
    with ThreadPoolExecutor(1, "reader") as threads:
        yield threads


class Source:
    """Yields what it is given, one by one, as the test says."""

    def __init__(self, loop: LoopThread) -> None:
        self._loop = loop
        self._items: asyncio.Queue[int | Exception | None] = asyncio.Queue()
        self.given = 0
        self.ended = threading.Event()

    def say(self, *items: int | Exception | None) -> None:
        for item in items:
            self._loop.call_soon(self._items.put_nowait, item)

    async def __aiter__(self) -> AsyncIterator[int]:
        try:
            while (item := await self._items.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                self.given += 1
                yield item
        finally:
            self.ended.set()


class Outlet:
    """Takes everything, until it is told to take no more."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.threads: set[str] = set()
        self.full = False
        self._came = threading.Condition()

    def __call__(self, item: int) -> int | None:
        self.threads.add(threading.current_thread().name)
        with self._came:
            if self.full:
                return item
            self.taken.append(item)
            self._came.notify()
        return None

    def wait_for(self, count: int) -> list[int]:
        with self._came:
            assert self._came.wait_for(lambda: len(self.taken) >= count, WITHIN)
        return self.taken


def waiting(
    reader: ThreadPoolExecutor, bridge: Bridge[int], timeout: float | None = None
) -> Future[list[int] | None]:
    """Have the reader take, and come back when it waits, so that the outlet may be used."""
    taken = reader.submit(bridge.take, timeout)
    wait_until(lambda: has_open_outlet(bridge), WITHIN)
    return taken


def test_items_go_to_the_outlet_on_the_loops_thread_while_the_reader_waits(
    loop: LoopThread, reader: ThreadPoolExecutor
) -> None:
    source, outlet = Source(loop), Outlet()
    with Bridge(loop, source) as bridge:
        bridge.divert(outlet)
        taken = waiting(reader, bridge)
        source.say(1, 2, 3)
        assert outlet.wait_for(3) == [1, 2, 3]
        assert outlet.threads == {"outlet-loop"}
        assert not taken.done()
        source.say(None)
        assert taken.result(WITHIN) is None


def test_nothing_goes_past_a_reader_that_is_busy(loop: LoopThread, reader: ThreadPoolExecutor) -> None:
    source, outlet = Source(loop), Outlet()
    with Bridge(loop, source) as bridge:
        bridge.divert(outlet)
        source.say(1, 2, None)
        assert source.ended.wait(WITHIN)
        assert outlet.taken == []
        assert bridge.take(WITHIN) == [1, 2]
        assert bridge.take(WITHIN) is None


def test_what_the_outlet_does_not_take_wakes_the_reader_and_the_rest_queues_behind_it(
    loop: LoopThread, reader: ThreadPoolExecutor
) -> None:
    source, outlet = Source(loop), Outlet()
    with Bridge(loop, source) as bridge:
        bridge.divert(outlet)
        taken = waiting(reader, bridge)
        source.say(1)
        outlet.wait_for(1)
        outlet.full = True
        source.say(2)
        assert taken.result(WITHIN) == [2]
        # The reader has it in hand now: no outlet may overtake it.
        outlet.full = False
        source.say(3)
        wait_until(lambda: queued_items(bridge) == 1, WITHIN)
        assert outlet.taken == [1]
        assert bridge.take(WITHIN) == [3]
        taken = waiting(reader, bridge)
        source.say(4)
        assert outlet.wait_for(2) == [1, 4]
        source.say(None)
        assert taken.result(WITHIN) is None


def test_an_item_that_waits_for_a_full_queue_is_not_overtaken(loop: LoopThread, reader: ThreadPoolExecutor) -> None:
    source, outlet = Source(loop), Outlet()
    with Bridge(loop, source, capacity=1) as bridge:
        bridge.divert(outlet)
        source.say(1, 2, 3)
        # One is queued, and the next is in the source's hand.
        wait_until(lambda: source.given == 2, WITHIN)
        settle(loop)
        assert [bridge.take(WITHIN), bridge.take(WITHIN), bridge.take(WITHIN)] == [[1], [2], [3]]
        assert outlet.taken == []
        # A reader that has caught up is gone past again.
        taken = waiting(reader, bridge)
        source.say(4)
        assert outlet.wait_for(1) == [4]
        source.say(None)
        assert taken.result(WITHIN) is None


def test_silence_begins_with_the_last_item_that_the_outlet_took(loop: LoopThread, reader: ThreadPoolExecutor) -> None:
    source, outlet = Source(loop), Outlet()
    # Long enough that a busy machine takes the item within it.
    tick = 0.8
    with Bridge(loop, source) as bridge:
        bridge.divert(outlet)
        taken = reader.submit(bridge.take, tick)
        with pytest.raises(TimeoutError):
            taken.result(tick / 3)
        said_at = monotonic()
        source.say(1)
        assert taken.result(WITHIN) == []
        assert monotonic() >= said_at + tick
        assert outlet.taken == [1]


@pytest.mark.parametrize("end", [None, ValueError("broken")])
def test_the_reader_learns_of_the_end_behind_what_the_outlet_took(
    loop: LoopThread, reader: ThreadPoolExecutor, end: Exception | None
) -> None:
    source, outlet = Source(loop), Outlet()
    with Bridge(loop, source) as bridge:
        bridge.divert(outlet)
        taken = waiting(reader, bridge)
        source.say(1, end)
        if end is None:
            assert taken.result(WITHIN) is None
        else:
            with pytest.raises(ValueError, match="broken"):
                taken.result(WITHIN)
        assert outlet.taken == [1]


def test_the_rest_of_an_item_keeps_its_position(loop: LoopThread, reader: ThreadPoolExecutor) -> None:
    source = Source(loop)
    with Bridge(loop, source) as bridge:
        bridge.divert(lambda item: -item)
        taken = waiting(reader, bridge)
        source.say(1)
        assert taken.result(WITHIN) == [-1]


def test_nothing_goes_past_a_reader_whose_time_is_up(loop: LoopThread) -> None:
    source, outlet = Source(loop), Outlet()
    with Bridge(loop, source) as bridge:
        bridge.divert(outlet)
        assert bridge.take(0.0) == []
        # What the reader does now, a heartbeat for example, must not be overtaken.
        source.say(1, None)
        assert source.ended.wait(WITHIN)
        assert outlet.taken == []
        assert bridge.take(WITHIN) == [1]


@pytest.mark.parametrize("released_by", ["its time", "a stop"])
def test_a_reader_does_not_go_on_while_the_outlet_works(
    loop: LoopThread, reader: ThreadPoolExecutor, released_by: str
) -> None:
    source = Source(loop)
    works, may_end = threading.Event(), threading.Event()

    def outlet(item: int) -> int | None:
        works.set()
        assert may_end.wait(WITHIN)
        return None

    with Bridge(loop, source) as bridge:
        bridge.divert(outlet)
        taken = waiting(reader, bridge, 0.05 if released_by == "its time" else None)
        source.say(1)
        assert works.wait(WITHIN)
        if released_by == "a stop":
            bridge.stop()
        with pytest.raises(TimeoutError):
            taken.result(0.2)
        may_end.set()
        assert taken.result(WITHIN) == ([] if released_by == "its time" else None)


class SlowReader:
    """Holds every reader of a janus queue before and behind `get` until the test lets it go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self.may_take = threading.Event()
        self.may_go_on = threading.Event()
        sync_queue = type(janus.Queue().sync_q)
        get = sync_queue.get

        def slow_get(queue: Any, block: bool = True, timeout: float | None = None) -> Any:
            self.reached.set()
            assert self.may_take.wait(WITHIN)
            try:
                return get(queue, block, timeout)
            finally:
                assert self.may_go_on.wait(WITHIN)

        monkeypatch.setattr(sync_queue, "get", slow_get)


def test_a_queued_item_that_the_reader_is_about_to_take_is_not_overtaken(
    loop: LoopThread, reader: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, outlet = Source(loop), Outlet()
    slow = SlowReader(monkeypatch)
    slow.may_go_on.set()
    with Bridge(loop, source) as bridge:
        bridge.divert(outlet)
        source.say(1)
        wait_until(lambda: queued_items(bridge) == 1, WITHIN)
        taken = reader.submit(bridge.take)
        assert slow.reached.wait(WITHIN)
        source.say(2, None)
        assert source.ended.wait(WITHIN)
        slow.may_take.set()
        assert taken.result(WITHIN) == [1, 2]
        assert outlet.taken == []


def test_what_a_closed_source_yields_goes_nowhere_though_the_reader_has_not_woken_yet(
    loop: LoopThread, reader: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlet = Outlet()
    items, released = outlet.taken, weakref.ref(outlet)
    started, ended = threading.Event(), threading.Event()

    async def stubborn() -> AsyncIterator[int]:
        started.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            while released() is not None:
                await asyncio.sleep(0)
            yield 1
        finally:
            ended.set()

    slow = SlowReader(monkeypatch)
    slow.may_take.set()
    bridge = Bridge(loop, stubborn())
    bridge.divert(outlet)
    del outlet
    taken = waiting(reader, bridge)
    # A source that is cancelled before it has begun does not run at all.
    assert started.wait(WITHIN)
    bridge.close()
    assert items == []
    assert ended.is_set()
    slow.may_go_on.set()
    assert taken.result(WITHIN) is None


def test_what_an_outlet_raises_ends_the_source_as_its_own_error(loop: LoopThread, reader: ThreadPoolExecutor) -> None:
    source = Source(loop)

    def outlet(item: int) -> int | None:
        raise ZeroDivisionError

    with Bridge(loop, source) as bridge:
        bridge.divert(outlet)
        taken = waiting(reader, bridge)
        source.say(1)
        with pytest.raises(ZeroDivisionError):
            taken.result(WITHIN)
        assert source.ended.wait(WITHIN)


def test_a_closed_bridge_releases_its_outlet(loop: LoopThread, reader: ThreadPoolExecutor) -> None:
    source, outlet = Source(loop), Outlet()
    bridge = Bridge(loop, source)
    bridge.divert(outlet)
    taken = waiting(reader, bridge)
    source.say(1)
    outlet.wait_for(1)
    bridge.close()
    assert taken.result(WITHIN) is None
    assert source.ended.is_set()
    released = weakref.ref(outlet)
    del outlet
    assert released() is None


# ------------------------------------------------------------------ items offered past the source's iteration


class Offering:
    """A source that waits, while a test offers items in its place; what is not taken, it yields."""

    def __init__(self, loop: LoopThread) -> None:
        self._loop = loop
        self._offer: Callable[[int], bool] | None = None
        self._refused: asyncio.Queue[int | None] = asyncio.Queue()
        self.steps = 0

    def __call__(self, offer: Callable[[int], bool]) -> AsyncIterator[int]:
        self._offer = offer
        return self._items()

    async def _items(self) -> AsyncIterator[int]:
        while (item := await self._refused.get()) is not None:
            self.steps += 1
            yield item

    def offer(self, item: int) -> bool:
        """Offer an item; say whether it was taken."""
        taken: Future[bool] = Future()
        self._loop.call_soon(self._try, item, taken)
        return taken.result(WITHIN)

    def _try(self, item: int, taken: Future[bool]) -> None:
        assert self._offer is not None
        try:
            was_taken = self._offer(item)
        except Exception as error:
            taken.set_exception(error)
            return
        if not was_taken:
            self._refused.put_nowait(item)
        taken.set_result(was_taken)

    def end(self) -> None:
        self._loop.call_soon(self._refused.put_nowait, None)


def test_an_offered_item_reaches_the_reader_and_wakes_no_source(loop: LoopThread) -> None:
    source = Offering(loop)
    with Bridge(loop, source) as bridge:
        assert source.offer(1)
        assert source.offer(2)
        assert bridge.take(WITHIN) == [1, 2]
        assert source.steps == 0
        source.end()
        assert bridge.take(WITHIN) is None


def test_an_offered_item_goes_to_the_outlet_while_the_reader_waits(
    loop: LoopThread, reader: ThreadPoolExecutor
) -> None:
    source, outlet = Offering(loop), Outlet()
    with Bridge(loop, source) as bridge:
        bridge.divert(outlet)
        taken = waiting(reader, bridge)
        assert source.offer(1)
        assert outlet.taken == [1]
        outlet.full = True
        assert source.offer(2)
        assert taken.result(WITHIN) == [2]
        assert source.steps == 0


def test_an_item_offered_to_a_full_queue_is_refused_and_waits_when_it_is_yielded(
    loop: LoopThread, reader: ThreadPoolExecutor
) -> None:
    source, outlet = Offering(loop), Outlet()
    with Bridge(loop, source, capacity=2) as bridge:
        bridge.divert(outlet)
        assert [source.offer(item) for item in (1, 2, 3)] == [True, True, False]
        wait_until(lambda: source.steps == 1, WITHIN)
        assert bridge.take(WITHIN) == [1, 2]
        assert bridge.take(WITHIN) == [3]
        # The one that was held has been handed over, so the outlet is free for those after it.
        taken = waiting(reader, bridge)
        assert source.offer(4)
        assert outlet.taken == [4]
        source.end()
        assert taken.result(WITHIN) is None


def test_an_item_that_is_refused_overtakes_nothing_though_the_queue_has_space_again(
    loop: LoopThread, reader: ThreadPoolExecutor
) -> None:
    source, outlet = Offering(loop), Outlet()
    with Bridge(loop, source, capacity=1) as bridge:
        bridge.divert(outlet)

        async def refused_and_then_room() -> Future[list[int] | None]:
            # Within one turn of the loop, in which the source cannot yield what was refused.
            assert source._offer is not None
            assert [source._offer(1), source._offer(2)] == [True, False]
            assert bridge.take(WITHIN) == [1]
            reading = threading.Event()

            def take() -> list[int] | None:
                reading.set()
                return bridge.take(WITHIN)

            taken = reader.submit(take)
            wait_until(lambda: reading.is_set() and queued_items(bridge) == 0, WITHIN)
            source._refused.put_nowait(2)
            return taken

        taken = loop.submit(refused_and_then_room()).result(WITHIN)
        assert taken.result(WITHIN) == [2]
        assert outlet.taken == []
        # It has been handed over, so the outlet is free for those after it.
        waiting(reader, bridge)
        assert source.offer(3)
        assert outlet.taken == [3]


def test_nothing_is_taken_when_the_reader_has_ended_it(loop: LoopThread) -> None:
    source = Offering(loop)
    with Bridge(loop, source) as bridge:
        bridge.stop()
        assert not source.offer(1)


def test_what_the_outlet_raises_is_raised_by_offer(loop: LoopThread, reader: ThreadPoolExecutor) -> None:
    def broken(item: int) -> int | None:
        raise ZeroDivisionError

    source = Offering(loop)
    with Bridge(loop, source) as bridge:
        bridge.divert(broken)
        waiting(reader, bridge)
        with pytest.raises(ZeroDivisionError):
            source.offer(1)


def test_a_source_that_holds_its_offer_makes_no_circle(loop: LoopThread) -> None:
    source = Offering(loop)
    bridge = Bridge(loop, source)
    gone = weakref.ref(bridge)
    bridge.close()
    source._offer = None
    del bridge
    assert gone() is None


def test_a_function_that_makes_no_source_is_refused_before_anything_runs(loop: LoopThread) -> None:
    def broken(offer: Callable[[int], bool]) -> AsyncIterator[int]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Bridge(loop, broken)
    assert loop.health().waiting == 0
