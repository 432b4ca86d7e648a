"""A run's log: numbers, readers at different positions, and a producer that is held back by the slowest."""

from __future__ import annotations

import asyncio

import pytest

from sluice.service.errors import InternalError
from sluice.service.events.events import Event, Failed, Finished, Text
from sluice.service.runs.log import CAPACITY, RunLog
from tests.support.run_logs import CollectingReader
from tests.support.scenario import run

END = Finished("stop", None)


def texts(first: int, last: int) -> list[Event]:
    return [Text(str(number)) for number in range(first, last + 1)]


def test_events_are_kept_until_the_first_reader_has_taken_them() -> None:
    log = RunLog()
    log.append(texts(1, 2))
    log.append(texts(3, 3))
    assert log.read(0) == texts(1, 3)
    assert log.read(2) == texts(3, 3)
    assert log.read(3) == []
    reader = CollectingReader(log)
    log.append(texts(4, 4))
    assert reader.events == texts(1, 4)
    with pytest.raises(ValueError, match="behind number 0 are not kept"):
        log.read(0)
    with pytest.raises(ValueError, match="behind number 5"):
        log.read(5)
    with pytest.raises(ValueError, match="are not kept"):
        CollectingReader(log)


def test_the_slowest_reader_decides_what_is_kept_and_whether_the_log_is_full() -> None:
    log = RunLog()
    fast, slow = CollectingReader(log), CollectingReader(log)
    slow.is_waiting = False
    log.append(texts(1, CAPACITY - 1))
    assert not log.is_full
    log.append(texts(CAPACITY, CAPACITY))
    assert log.is_full
    assert fast.events == texts(1, CAPACITY)
    assert log.read(CAPACITY - 1) == texts(CAPACITY, CAPACITY)
    slow.catch_up()
    assert slow.events == fast.events
    assert not log.is_full
    with pytest.raises(ValueError, match="are not kept"):
        log.read(CAPACITY - 1)


def test_nothing_follows_the_terminal_event() -> None:
    for last in (END, Failed(InternalError("no"))):
        log = RunLog()
        reader = CollectingReader(log)
        log.append([Text("1"), last])
        log.append(texts(3, 3))
        assert log.has_ended
        assert reader.events == [Text("1"), last]
        assert log.last_number == 2


def test_a_closed_log_releases_its_readers_and_takes_nothing() -> None:
    log = RunLog()
    reader = CollectingReader(log)
    log.close()
    log.append(texts(1, 1))
    assert reader.has_been_released
    assert reader.events == []
    assert log.has_ended


@pytest.mark.parametrize("released_by", ["pull", "detach", "close"])
def test_a_producer_waits_for_room_until_the_slowest_reader_has_taken_leaves_or_the_log_ends(
    released_by: str,
) -> None:
    async def scenario() -> None:
        log = RunLog()
        CollectingReader(log)
        slow = CollectingReader(log)
        slow.is_waiting = False
        log.append(texts(1, CAPACITY))
        producer = asyncio.ensure_future(log.wait_room())
        await asyncio.sleep(0)
        assert not producer.done()
        if released_by == "pull":
            slow.catch_up()
        elif released_by == "detach":
            log.detach(slow)
        else:
            log.close()
            producer.cancel()  # as the run does
        await asyncio.wait([producer])
        await log.wait_room()

    run(scenario)


def test_the_begin_is_told_once_with_the_first_event_or_a_moment_after_the_provider_accepted() -> None:
    async def scenario() -> None:
        told: list[str] = []
        moment_is_over = asyncio.Event()

        def note_accepted() -> None:
            told.append("accepted")
            moment_is_over.set()

        accepted = RunLog(on_begin=note_accepted)
        begun = RunLog(on_begin=lambda: told.append("begun"))
        accepted.accept()
        accepted.accept()
        begun.append(texts(1, 1))
        begun.accept()
        assert told == ["begun"]
        await asyncio.wait_for(moment_is_over.wait(), 5)
        accepted.append(texts(1, 1))
        begun.close()
        assert told == ["begun", "accepted"]

    run(scenario)


def test_one_is_called_back_once_behind_the_event_of_a_number_or_the_end() -> None:
    for last in ([END], None):
        log = RunLog(keeps_all=True)
        calls: list[tuple[int, list[Event]]] = []

        def call(log: RunLog = log, calls: list[tuple[int, list[Event]]] = calls) -> None:
            calls.append((log.last_number, log.read(log.last_number - 1)))

        log.call_at(3, call)
        log.append(texts(1, 2))
        assert not calls
        log.append(texts(3, 4))
        log.append(texts(5, 5))
        assert calls == [(4, texts(4, 4))]
        log.call_at(100, call)
        log.append(last) if last else log.close()
        log.close()
        assert calls[1:] == [(6, [END]) if last else (5, texts(5, 5))]
        assert log.end is (END if last else None)


def test_batches_that_are_packed_are_read_as_their_events_from_any_number() -> None:
    batches = {b"1-3": texts(1, 3), b"2-5": texts(2, 5), b"8-9": texts(8, 9), b"6-7": texts(6, 7)}
    log = RunLog(keeps_all=True)
    log.append(texts(1, 9))
    # The second one begins before the end of the first, as after a store that has lost some. Then there is a gap.
    for name in batches:
        log.pack(int(name[:1]), int(name[2:]), name, batches.__getitem__)
    batches[b"8-9"] = []
    for after in range(10):
        for most in (1, 2, 4, 100):
            assert log.read(after, most) == texts(after + 1, min(9, after + most))
    reader = CollectingReader(log)
    log.append([*texts(10, 10), END])
    assert reader.events == [*texts(1, 10), END]
    log.pack(8, 11, b"not after the end", batches.__getitem__)
    assert log.read(7) == [*texts(8, 10), END]
