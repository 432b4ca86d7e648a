"""A stored run is closed once, when its log has ended, whoever has read its end before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from sluice.service.chat import Chat, CurrentChat
from sluice.service.concurrency.event_loop_thread import LoopThread
from sluice.service.errors import Stopped, UpstreamRejected
from sluice.service.message import Message
from sluice.service.observability.metrics import Metrics
from sluice.service.runs.log import RunLog
from sluice.service.runs.run import Run, Source
from sluice.service.settings.storage import StorageSettings
from sluice.service.stored_runs.registry import StoredRuns

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
        self.run: Run | None = None

    def __call__(self) -> Run:
        self.run = Run(
            self._loop,
            self._source,
            Metrics("m"),
            current=CurrentChat(CHAT),
            heartbeat=0.0,
            is_stored=True,
            on_close=lambda run: self.is_closed.set(),
        )
        return self.run


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
