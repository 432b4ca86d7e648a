"""A stored run is closed once, when its log has ended, whoever has read its end before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from sluice.service.chat import Chat, CurrentChat
from sluice.service.concurrency.event_loop_thread import LoopThread
from sluice.service.errors import Stopped, UpstreamRejected
from sluice.service.events.events import Event, Finished
from sluice.service.message import Message
from sluice.service.observability.metrics import Metrics
from sluice.service.runs.log import RunLog
from sluice.service.runs.run import Run, Source
from sluice.service.settings.records.storage import StorageSettings
from sluice.service.stored_runs.stored_runs import StoredRuns
from sluice.service.stored_runs.subscription import StoredSubscription
from tests.support.polling import wait_until
from tests.support.run_logs import CollectingReader

WITHIN = 5.0
CHAT = Chat([Message(role="user", content="Hi")], "m", run_id="1")


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread("stored-loop")
    thread.start()
    yield thread
    assert thread.close()


@pytest.fixture
def stored(loop: LoopThread) -> Iterator[StoredRuns]:
    runs = StoredRuns(StorageSettings(store="memory:"), loop, 0.0)
    yield runs
    loop.submit(runs.aclose()).result(WITHIN)
    runs.wait_closed(WITHIN)


class Opened:
    """Makes a run, and takes note of its close."""

    def __init__(self, loop: LoopThread, source: Source) -> None:
        self._loop = loop
        self._source = source
        self.is_closed = threading.Event()
        self.closed_by = ""
        self.run: Run | None = None

    def __call__(self) -> Run:
        self.run = Run(
            self._loop,
            self._source,
            Metrics("m"),
            current=CurrentChat(CHAT),
            heartbeat=0.0,
            is_stored=True,
            on_close=self._note_close,
        )
        return self.run

    def _note_close(self, run: Run) -> None:
        self.closed_by = threading.current_thread().name
        self.is_closed.set()


class Writer(CollectingReader):
    """A reader that hands out each event in the call in which it comes, as the one that writes a reply."""

    def __init__(self, subscription: StoredSubscription) -> None:
        self._subscription = subscription
        super().__init__(subscription.log)

    def take(self, first_number: int, events: Sequence[Event]) -> None:
        super().take(first_number, events)
        self._subscription.has_delivered_end = isinstance(events[-1], Finished)


@pytest.mark.parametrize("leaves", [False, True])
def test_a_run_is_closed_with_the_reader_that_has_written_its_end_and_else_by_itself(
    loop: LoopThread, stored: StoredRuns, leaves: bool
) -> None:
    may_end = asyncio.Event()

    async def answer(log: RunLog) -> None:
        await may_end.wait()
        log.append([Finished("stop", None)])

    async def on_the_loop(function: Callable[[], object]) -> None:
        function()

    opened = Opened(loop, answer)
    first = stored.begin("owner", opened)
    if leaves:
        first.close()
    else:
        loop.submit(on_the_loop(lambda: Writer(first))).result(WITHIN)
    loop.call_soon(may_end.set)
    if leaves:
        assert opened.is_closed.wait(WITHIN)
        assert opened.closed_by.startswith("sluice-closing")
    else:
        wait_until(lambda: first.has_delivered_end, WITHIN)
        loop.submit(on_the_loop(lambda: None)).result(WITHIN)
        assert not opened.is_closed.is_set()
        first.close()
        assert opened.closed_by == threading.current_thread().name


def test_a_run_whose_refusal_was_raised_before_the_loop_took_note_of_it_is_closed(
    loop: LoopThread, stored: StoredRuns
) -> None:
    async def wait_forever(log: RunLog) -> None:
        await asyncio.Event().wait()

    opened = Opened(loop, wait_forever)
    stored.begin("owner", opened).close()
    assert opened.run is not None
    # As `Run.wait_accepted` does on the request's thread, between two steps of the loop's.
    opened.run.has_delivered_end = True
    opened.run.stop(Stopped())
    assert opened.is_closed.wait(WITHIN)


def test_a_run_that_has_failed_before_it_is_kept_is_closed(loop: LoopThread, stored: StoredRuns) -> None:
    async def refuse(log: RunLog) -> None:
        raise UpstreamRejected("no")

    opened = Opened(loop, refuse)
    stored.begin("owner", opened).close()
    assert opened.is_closed.wait(WITHIN)
