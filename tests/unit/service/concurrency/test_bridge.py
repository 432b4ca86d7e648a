"""What the bridge promises beyond test_bridge_properties.py, which proves order, ends and clean-up in any order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Self

import janus
import pytest
from flask import Flask, Response

from sluice.service.concurrency.bridge import Bridge, SourceCancelled
from sluice.service.concurrency.event_loop_thread import LoopState, LoopThread, LoopUnavailable, WrongThread
from tests.unit.service.concurrency.loop_faults import WITHIN, Blocker, for_ever, settle

# Long enough to be a wait, short enough not to be felt.
BRIEFLY = 0.01


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread("bridge-loop", stuck_after=0.3)
    thread.start()
    yield thread
    thread.close(WITHIN)


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    """Other threads."""
    with ThreadPoolExecutor(4) as threads:
        yield threads


async def count(number: int) -> AsyncIterator[int]:
    for item in range(number):
        yield item


class Source:
    """Items, then a wait for ever or an error; shows how far it came and whether its clean-up ran to its end."""

    def __init__(self, *items: int, error: Exception | None = None) -> None:
        self._items = items
        self._error = error
        self.given = 0
        self.began = threading.Event()
        #: Asked for more after its last item: all of them have been handed over.
        self.handed_over = threading.Event()
        self.clean = threading.Event()

    async def __aiter__(self) -> AsyncIterator[int]:
        self.began.set()
        try:
            for item in self._items:
                self.given += 1
                yield item
            self.handed_over.set()
            if self._error is not None:
                raise self._error
            await for_ever()
        finally:
            # A clean-up that takes a while, as the closing of a connection does.
            for _ in range(5):
                await asyncio.sleep(0)
            self.clean.set()


class Boom(Exception):
    """A source's own error."""


# ------------------------------------------------------------------ items


def test_all_items_arrive_in_order_and_then_it_ends(loop: LoopThread) -> None:
    with Bridge(loop, count(1000)) as batches:
        assert [item for batch in batches for item in batch] == list(range(1000))
        assert next(batches, "ended") == "ended"
        assert batches.take() is None


def test_a_batch_is_the_item_waited_for_and_all_that_wait_with_it(loop: LoopThread) -> None:
    source = Source(1, 2, 3)
    with Bridge(loop, source) as batches:
        assert source.handed_over.wait(WITHIN)
        assert batches.take() == [1, 2, 3]


def test_a_batch_is_bounded_even_where_the_source_is_faster_than_its_reader(
    loop: LoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = type(janus.Queue().sync_q)
    get_nowait = queue.get_nowait

    def get_and_let_the_source_catch_up(items: janus.SyncQueue[int]) -> int:
        item = get_nowait(items)
        settle(loop)
        return item

    monkeypatch.setattr(queue, "get_nowait", get_and_let_the_source_catch_up)
    with Bridge(loop, count(50), capacity=7) as batches:
        assert [len(batch) for batch in batches] == [7] * 7 + [1]


def test_a_tick_without_an_item_is_an_empty_batch(loop: LoopThread) -> None:
    with Bridge(loop, Source(), tick=BRIEFLY) as batches:
        assert [next(batches), next(batches)] == [[], []]
        assert batches.take(0) == []


def test_a_tick_loses_nothing(loop: LoopThread) -> None:
    source = Source(1)
    with Bridge(loop, source, tick=BRIEFLY) as batches:
        assert source.handed_over.wait(WITHIN)
        assert [next(batches), next(batches)] == [[1], []]


def test_many_bridges_share_one_loop(loop: LoopThread, elsewhere: ThreadPoolExecutor) -> None:
    def drain(number: int) -> bool:
        with Bridge(loop, count(number), capacity=3) as batches:
            return [item for batch in batches for item in batch] == list(range(number))

    assert all(elsewhere.map(drain, range(100)))


def test_the_source_sees_the_context_variables_of_the_thread_that_opened_the_bridge(loop: LoopThread) -> None:
    request_id: ContextVar[str] = ContextVar("request_id")
    request_id.set("seen")

    async def source() -> AsyncIterator[str]:
        yield request_id.get()

    with Bridge(loop, source()) as batches:
        assert batches.take() == ["seen"]


# ------------------------------------------------------------------ kinds of sources


class Countdown:
    """An async iterator that is no generator and has no `aclose`."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        if self.left == 0:
            raise StopAsyncIteration
        self.left -= 1
        return self.left


class ClosingCountdown(Countdown):
    """One that has `aclose`, and takes a while for it."""

    def __init__(self, left: int) -> None:
        super().__init__(left)
        self.closings = 0

    async def aclose(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        self.closings += 1


def test_an_iterator_without_aclose_is_read_as_well(loop: LoopThread) -> None:
    with Bridge(loop, Countdown(3)) as batches:
        assert [item for batch in batches for item in batch] == [2, 1, 0]
    with Bridge(loop, Countdown(10**9)) as batches:
        assert batches.take()


def test_an_iterators_aclose_is_awaited_once_however_it_ends(loop: LoopThread) -> None:
    ended, closed = ClosingCountdown(3), ClosingCountdown(10**9)
    with Bridge(loop, ended) as batches:
        assert [item for batch in batches for item in batch] == [2, 1, 0]
        assert ended.closings == 1
    with Bridge(loop, closed) as batches:
        assert batches.take()
    assert (ended.closings, closed.closings) == (1, 1)


def test_an_argument_that_is_no_async_iterable_is_the_readers_error(loop: LoopThread) -> None:
    with Bridge(loop, [1, 2, 3]) as batches, pytest.raises(TypeError, match="async"):  # type: ignore[arg-type]
        batches.take(WITHIN)


# ------------------------------------------------------------------ the source's end


def test_a_sources_error_comes_after_its_items_and_again_when_asked_again(loop: LoopThread) -> None:
    error = Boom("after three")
    with Bridge(loop, Source(1, 2, 3, error=error)) as batches:
        settle(loop)
        assert batches.take() == [1, 2, 3]
        for _ in range(2):
            with pytest.raises(Boom) as caught:
                batches.take(WITHIN)
            assert caught.value is error


@pytest.mark.parametrize(
    "error",
    [janus.AsyncQueueShutDown, janus.SyncQueueShutDown, janus.SyncQueueEmpty, janus.AsyncQueueFull, TimeoutError],
)
def test_an_error_that_the_bridge_itself_knows_is_no_plain_end_when_the_source_raises_it(
    error: type[Exception], loop: LoopThread
) -> None:
    with Bridge(loop, Source(1, error=error("the source's own"))) as batches:
        assert batches.take(WITHIN) == [1]
        with pytest.raises(error, match="the source's own"):
            batches.take(WITHIN)


def test_a_source_that_cancels_itself_is_not_a_plain_end(loop: LoopThread) -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await for_ever()

    with Bridge(loop, source()) as batches:
        assert batches.take(WITHIN) == [1]
        with pytest.raises(SourceCancelled, match="cancelled before its end"):
            batches.take(WITHIN)


# ------------------------------------------------------------------ stop


def test_stop_does_not_wait_for_the_clean_up_and_releases_the_reader_before_it(loop: LoopThread) -> None:
    may_clean = asyncio.Event()
    began, cleaned = threading.Event(), threading.Event()

    async def source() -> AsyncIterator[int]:
        try:
            began.set()
            await for_ever()
            yield 1
        finally:
            await may_clean.wait()
            cleaned.set()

    with Bridge(loop, source()) as batches:
        assert began.wait(WITHIN)
        batches.stop()
        assert batches.take(WITHIN) is None
        assert not cleaned.is_set()
        assert repr(batches) == "<Bridge stopping, 0 of 64 waiting>"
        loop.call_soon(may_clean.set)
    assert cleaned.is_set()


# ------------------------------------------------------------------ close


def test_closing_twice_is_harmless_and_leaving_the_block_closes_in_every_case(loop: LoopThread) -> None:
    source = Source(1)
    with contextlib.suppress(Boom), Bridge(loop, source) as batches:
        assert batches.take() == [1]
        raise Boom("the reader's own")
    assert source.clean.is_set()
    assert batches.take() is None
    batches.close()


def test_close_is_bounded_where_the_source_ignores_its_cancellation_and_the_log_says_so(
    loop: LoopThread, caplog: pytest.LogCaptureFixture
) -> None:
    told = asyncio.Event()
    began = threading.Event()

    async def deaf() -> AsyncIterator[int]:
        began.set()
        while not told.is_set():
            try:
                await told.wait()
            except asyncio.CancelledError:
                continue
        yield 1

    bridge = Bridge(loop, deaf(), close_timeout=BRIEFLY)
    assert began.wait(WITHIN)
    bridge.close()
    assert "a source did not end within 0.01 s of its cancellation" in caplog.text
    assert bridge.take() is None
    loop.call_soon(told.set)


def test_a_source_that_goes_on_after_its_cancellation_is_ended_at_its_next_item(loop: LoopThread) -> None:
    given: list[int] = []
    waits = threading.Event()

    async def stubborn() -> AsyncIterator[int]:
        waits.set()
        try:
            await for_ever()
        except asyncio.CancelledError:
            given.append(1)
            yield 1
        given.append(2)
        yield 2

    bridge = Bridge(loop, stubborn())
    assert waits.wait(WITHIN)
    bridge.close()
    assert given == [1]
    assert bridge.take() is None


@pytest.mark.parametrize("end", [Bridge.stop, Bridge.close])
def test_a_source_that_is_ended_before_its_first_step_never_begins_and_is_still_closed(
    end: Callable[[Bridge[int]], None], loop: LoopThread, elsewhere: ThreadPoolExecutor
) -> None:
    generator, countdown = Source(1), ClosingCountdown(3)
    blocker = Blocker(loop)
    bridges = [Bridge(loop, generator), Bridge(loop, countdown)]
    for bridge in bridges:
        bridge.stop()
    ending = [elsewhere.submit(end, bridge) for bridge in bridges]
    blocker.let_go()
    for future in ending:
        future.result(WITHIN)
    for bridge in bridges:
        assert bridge.take(WITHIN) is None
        bridge.close()
    assert not generator.began.is_set()
    assert (countdown.left, countdown.closings) == (3, 1)


# ------------------------------------------------------------------ the loop's end


def test_a_stop_while_the_loop_closes_is_harmless(loop: LoopThread, elsewhere: ThreadPoolExecutor) -> None:
    may_end = asyncio.Event()
    began, cancelled = threading.Event(), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def source() -> AsyncIterator[int]:
        loops.append(asyncio.get_running_loop())
        yield 1
        began.set()
        try:
            await for_ever()
        finally:
            cancelled.set()
            await may_end.wait()

    with Bridge(loop, source()) as batches:
        assert began.wait(WITHIN)
        closing = elsewhere.submit(loop.close, WITHIN)
        assert cancelled.wait(WITHIN)
        batches.stop()
        assert list(batches) == [[1]]
        loops[0].call_soon_threadsafe(may_end.set)
        assert closing.result(WITHIN)


def test_a_stuck_loop_releases_the_reader_and_ends_the_source_when_it_runs_again(
    loop: LoopThread, elsewhere: ThreadPoolExecutor
) -> None:
    source = Source()
    bridge = Bridge(loop, source)
    reading = elsewhere.submit(bridge.take)
    assert source.handed_over.wait(WITHIN)
    blocker = Blocker(loop)
    with pytest.raises(LoopUnavailable) as caught:
        reading.result(WITHIN)
    assert caught.value.state is LoopState.STUCK
    bridge.close()  # Nothing to wait for: it returns at once.
    assert not source.clean.is_set()
    blocker.let_go()
    assert source.clean.wait(WITHIN)


def test_a_loop_that_does_not_run_is_an_error_at_once_and_leaves_nothing_unawaited() -> None:
    source = Source()
    with pytest.raises(LoopUnavailable, match="not started"):
        Bridge(LoopThread(), source)
    with pytest.raises(LoopUnavailable, match="not started"):
        Bridge(LoopThread(), count(3))
    gc.collect()
    assert not source.began.is_set()


def test_the_loops_own_thread_can_neither_open_nor_close_one(loop: LoopThread) -> None:
    source = Source(1)
    bridge = Bridge(loop, source)

    async def inside() -> None:
        with pytest.raises(WrongThread, match="submit"):
            Bridge(loop, count(3))
        with pytest.raises(WrongThread, match=r"close\(\)"):
            bridge.close()

    loop.submit(inside()).result(WITHIN)
    # The refused close changed nothing.
    assert bridge.take(WITHIN) == [1]
    bridge.close()


# ------------------------------------------------------------------ where it is used


def view_of(loop: LoopThread, source: Source) -> Flask:
    app = Flask(__name__)

    @app.get("/items")
    def items() -> Response:
        def generate() -> Iterator[str]:
            with Bridge(loop, source) as batches:
                for batch in batches:
                    yield "".join(f"{item} " for item in batch)

        return Response(generate(), mimetype="text/plain")

    return app


def test_any_flask_view_can_stream_an_async_generator(loop: LoopThread) -> None:
    app = Flask(__name__)

    @app.get("/words")
    def words() -> Response:
        async def source() -> AsyncIterator[str]:
            for word in ("one", "loop", "is", "enough"):
                yield f"{word} "

        def generate() -> Iterator[str]:
            with Bridge(loop, source()) as batches:
                for batch in batches:
                    yield "".join(batch)

        return Response(generate(), mimetype="text/plain")

    assert app.test_client().get("/words").text == "one loop is enough "


def test_a_disconnect_from_a_flask_view_ends_the_source(loop: LoopThread) -> None:
    source = Source(1, 2, 3)
    response = view_of(loop, source).test_client().get("/items", buffered=False)
    assert next(iter(response.response)).startswith(b"1 ")
    assert not source.clean.is_set()
    response.close()
    assert source.clean.is_set()


def test_a_bridge_that_has_ended_is_freed_without_the_garbage_collector(loop: LoopThread) -> None:
    gc.disable()
    try:
        source = Source(1, 2)
        with Bridge(loop, count(3)) as ended, Bridge(loop, source) as closed:
            assert list(ended) == [[0, 1, 2]]
            assert closed.take()
        gone = [weakref.ref(ended), weakref.ref(closed), weakref.ref(source)]
        del ended, closed, source
        settle(loop)
        assert [what() for what in gone] == [None, None, None]
    finally:
        gc.enable()


def test_repr_shows_the_state_and_the_number_of_waiting_items(loop: LoopThread) -> None:
    source = Source(1, 2)
    with Bridge(loop, source, capacity=8) as batches:
        assert source.handed_over.wait(WITHIN)
        assert repr(batches) == "<Bridge running, 2 of 8 waiting>"
    assert repr(batches) == "<Bridge ended, 0 of 8 waiting>"
