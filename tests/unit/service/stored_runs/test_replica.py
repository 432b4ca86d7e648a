"""A run of another process, followed from the store: without a bell, with a store that is away, and unreadable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from sluice.service.errors import InternalError
from sluice.service.events.events import Event, Failed, Finished, Text
from sluice.service.runs.stores.base import Batch, Page, RunRecord, RunState, StoreUnavailable
from sluice.service.stored_runs import replica as replica_module
from sluice.service.stored_runs.event_codec import encode_events
from sluice.service.stored_runs.replica import Replica

RUN_ID = "0" * 38


class FakeStore:
    """A store with one run, whose bells are away."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.is_away = False
        self.reads = 0

    def append(self, *events: Event, payload: bytes | None = None) -> None:
        first = self.batches[-1].last + 1 if self.batches else 1
        self.batches.append(Batch(first, len(events), encode_events(events) if payload is None else payload))

    async def read(self, run_id: str, after: int, max_bytes: int) -> Page:
        self.reads += 1
        if self.is_away:
            raise StoreUnavailable("away")
        last = self.batches[-1].last if self.batches else 0
        record = RunRecord(RUN_ID, "owner", RunState.RUNNING, "", last, 1, 1, "", 1.0, 0.0, 0.0, 0.0, "")
        return Page([batch for batch in self.batches if batch.last > after], record)

    async def watch(self, run_id: str) -> None:
        raise StoreUnavailable("no bells")

    async def unwatch(self, run_id: str) -> None:
        raise StoreUnavailable("no bells")


class Reader:
    """Takes what the log appends (`LogReader`)."""

    def __init__(self) -> None:
        self.cursor = 0
        self.is_waiting = True
        self.events: list[Event] = []
        self.has_ended = asyncio.Event()
        self.grew = asyncio.Event()

    def take(self, first_number: int, events: Sequence[Event]) -> None:
        self.events += events
        self.cursor = first_number + len(events) - 1
        self.grew.set()

    def end(self) -> None:
        self.has_ended.set()


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_module, "POLL_INTERVAL", 0.01)
    monkeypatch.setattr(replica_module, "PATIENCE", 0.2)


def play(scenario: Callable[[FakeStore, Replica, Reader, list[Replica]], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        store, closed = FakeStore(), list[Replica]()
        replica = Replica(RUN_ID, "owner", store, closed.append)  # type: ignore[arg-type]
        reader = Reader()
        replica.enter()
        replica.log.attach(reader)
        async with asyncio.timeout(10):
            await scenario(store, replica, reader, closed)
        if replica.readers:
            replica.leave()
        # The task ends by its cancellation.
        await asyncio.sleep(0)

    asyncio.run(run())


async def grown(reader: Reader) -> None:
    await reader.grew.wait()
    reader.grew.clear()


def test_without_a_bell_the_store_is_looked_into_again_and_again() -> None:
    async def scenario(store: FakeStore, replica: Replica, reader: Reader, closed: list[Replica]) -> None:
        for event in (Text("one "), Text("two"), Finished("stop", None)):
            store.append(event)
            await grown(reader)
        assert reader.events == [Text("one "), Text("two"), Finished("stop", None)]
        assert replica.log.has_ended

    play(scenario)


def test_a_store_that_is_away_for_a_while_is_waited_for() -> None:
    async def scenario(store: FakeStore, replica: Replica, reader: Reader, closed: list[Replica]) -> None:
        store.append(Text("one "))
        await grown(reader)
        store.is_away = True
        reads = store.reads
        while store.reads < reads + 3:
            await asyncio.sleep(0.001)
        store.append(Text("two"))
        store.is_away = False
        await grown(reader)
        assert reader.events == [Text("one "), Text("two")]
        assert not reader.has_ended.is_set()

    play(scenario)


def test_a_store_that_is_away_for_longer_ends_its_readers_without_a_terminal_event() -> None:
    async def scenario(store: FakeStore, replica: Replica, reader: Reader, closed: list[Replica]) -> None:
        store.append(Text("one "))
        await grown(reader)
        store.is_away = True
        await reader.has_ended.wait()
        assert reader.events == [Text("one ")]
        # Who comes back at once begins a new one.
        assert closed == [replica]

    play(scenario)


def test_a_batch_that_is_not_readable_ends_its_readers_with_an_error_above_all_that_they_have_seen(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(store: FakeStore, replica: Replica, reader: Reader, closed: list[Replica]) -> None:
        store.append(Text("one "))
        await grown(reader)
        store.append(Text("two"), payload=b"\xc1")
        await grown(reader)
        *texts, end = reader.events
        assert texts == [Text("one ")]
        assert isinstance(end, Failed)
        assert isinstance(end.error, InternalError)
        assert replica.log.end_gap > 0

    play(scenario)
    assert f"run {RUN_ID[:14]} cannot be read" in caplog.text
    assert RUN_ID not in caplog.text


def test_a_batch_that_begins_before_the_cursor_is_taken_from_there() -> None:
    async def scenario(store: FakeStore, replica: Replica, reader: Reader, closed: list[Replica]) -> None:
        store.append(Text("one "))
        await grown(reader)
        # As a store that has joined batches.
        store.batches = [Batch(1, 2, encode_events([Text("one "), Text("two")]))]
        await grown(reader)
        assert reader.events == [Text("one "), Text("two")]

    play(scenario)


def test_the_last_reader_ends_the_following() -> None:
    async def scenario(store: FakeStore, replica: Replica, reader: Reader, closed: list[Replica]) -> None:
        replica.enter()
        replica.leave()
        assert closed == []
        replica.leave()
        assert closed == [replica]
        await asyncio.sleep(0.03)
        reads = store.reads
        await asyncio.sleep(0.03)
        assert store.reads == reads

    play(scenario)
