"""The writer behind the logs: it goes on after each fault of a store, and takes its answers for the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from sluice.service.errors import Interrupted, ServiceError, Stopped
from sluice.service.runs.stores.base import Answer, Append, Batch, Refusal, StoreUnavailable
from sluice.service.stored_runs import writer as writer_module
from sluice.service.stored_runs.stored_run import StoredRun
from sluice.service.stored_runs.writer import FIRST_PAUSE, INTERVAL, LONGEST_PAUSE, StoreWriter

TAKEN = Answer(None, 0)


class FakeRun:
    """A stored run with some events, as the writer sees it."""

    def __init__(self, last: int = 3, *, has_ended: bool = False, readers: int = 1) -> None:
        self.run_id = "0" * 38
        self.last = last
        self.written = 0
        self.is_lost = False
        self.has_ended = has_ended
        self.readers = readers
        self.attended_until = 0.0
        self.appended_at = 0.0
        self.expectations = 0
        self.stops: list[ServiceError] = []
        self.defect: Exception | None = None

    @property
    def is_written(self) -> bool:
        return self.is_lost or self.written == self.last

    @property
    def is_urgent(self) -> bool:
        return self.has_ended

    @property
    def run(self) -> FakeRun:
        return self

    def stop(self, error: ServiceError) -> None:
        self.stops.append(error)

    def expect_event(self) -> None:
        self.expectations += 1

    # What the store says of it is for the run.
    obey = StoredRun.obey

    def note_written(self, batch: Batch, now: float) -> None:
        self.written = batch.last

    def next_append(self) -> Append:
        if self.defect is not None:
            raise self.defect
        return Append(self.run_id, 1, Batch(self.written + 1, self.last - self.written, b""))


class FakeStore:
    """Answers each append by the next of some answers or exceptions; takes all after these."""

    def __init__(self, *answers: Answer | BaseException) -> None:
        self.answers = list(answers)
        self.appends: list[tuple[int, int]] = []
        self.is_asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self.may_answer.set()

    async def append(self, appends: Sequence[Append]) -> list[Answer]:
        self.is_asked.set()
        await self.may_answer.wait()
        self.appends += [(each.batch.first, each.batch.last) for each in appends]
        answers: list[Answer] = []
        for _ in appends:
            answer = self.answers.pop(0) if self.answers else TAKEN
            if isinstance(answer, BaseException):
                raise answer
            answers.append(answer)
        return answers


class Written:
    """A writer over a fake store, and the runs that it has done."""

    def __init__(self, *answers: Answer | BaseException) -> None:
        self.store = FakeStore(*answers)
        self.done: list[Any] = []
        self.writer = StoreWriter(self.store, self.done.append)  # type: ignore[arg-type]

    def add(self, run: FakeRun) -> None:
        self.writer.add(run)  # type: ignore[arg-type]


def play(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_a_store_that_is_away_is_asked_again_after_longer_and_longer_pauses_and_at_once_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def record(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    async def scenario() -> None:
        written, run = Written(*[StoreUnavailable("away")] * 5), FakeRun(has_ended=True)
        monkeypatch.setattr(writer_module.asyncio, "sleep", record)
        task = asyncio.create_task(written.writer.write_forever())
        written.add(run)
        while not written.done:
            await sleep(0)
        assert not written.writer.is_away
        run.last += 1
        written.add(run)
        while not run.is_written:
            await sleep(0)
        task.cancel()

    play(scenario)
    assert pauses == [INTERVAL, FIRST_PAUSE, 0.5, 1.0, LONGEST_PAUSE, LONGEST_PAUSE, INTERVAL]


@pytest.mark.parametrize(
    ("answer", "appended"),
    [
        # All of it, or a part, was appended before.
        (Answer(Refusal.DUPLICATE, 4), [(1, 3)]),
        (Answer(Refusal.DUPLICATE, 2), [(1, 3), (2, 3)]),
        # The store has lost what it had.
        (Answer(Refusal.GAP, 1), [(1, 3), (1, 3)]),
    ],
)
def test_the_store_says_from_where_to_append_again(answer: Answer, appended: list[tuple[int, int]]) -> None:
    async def scenario() -> None:
        written, run = Written(answer), FakeRun(has_ended=True)
        written.add(run)
        while not written.done:
            await written.writer.write()
        assert written.store.appends == appended
        assert run.written == 3

    play(scenario)


def test_an_append_that_was_cancelled_is_written_again() -> None:
    async def scenario() -> None:
        written, run = Written(asyncio.CancelledError()), FakeRun(has_ended=True)
        written.add(run)
        with pytest.raises(asyncio.CancelledError):
            await written.writer.write()
        assert written.writer.lag > 0
        await written.writer.write()
        assert written.done == [run]
        assert written.store.appends == [(1, 3), (1, 3)]
        assert written.writer.lag == 0

    play(scenario)


def test_the_lag_is_the_age_of_the_oldest_event_that_waits() -> None:
    async def scenario() -> None:
        now = asyncio.get_running_loop().time
        written, run = Written(*[StoreUnavailable("away")] * 3), FakeRun()
        assert written.writer.lag == 0
        began = now()
        written.add(run)
        for _ in range(3):
            await written.writer.write()
            written.add(FakeRun())
            await asyncio.sleep(0.01)
            assert abs(written.writer.lag - (now() - began)) < 0.005
        await written.writer.write()
        assert written.writer.lag == 0

    play(scenario)


def test_a_run_that_cannot_be_encoded_is_given_up_and_the_others_are_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        written, bad, good = Written(), FakeRun(has_ended=True), FakeRun(has_ended=True)
        bad.defect = ValueError("a defect")
        written.add(bad)
        written.add(good)
        await written.writer.write()
        assert written.done == [bad, good]
        assert (bad.is_lost, good.is_lost, good.written) == (True, False, 3)

    play(scenario)
    assert "cannot be written" in caplog.text


def test_a_defect_of_a_store_does_not_end_the_writer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer_module, "LONGEST_PAUSE", 0.01)

    async def scenario() -> None:
        written, run = Written(RuntimeError("a defect")), FakeRun(has_ended=True)
        task = asyncio.create_task(written.writer.write_forever())
        written.add(run)
        while not written.done:
            await asyncio.sleep(0.001)
        assert run.written == 3
        task.cancel()

    play(scenario)
    assert "unhandled exception in the writer of stored runs" in caplog.text


def test_the_lag_counts_what_an_append_takes_that_is_not_answered() -> None:
    async def scenario() -> None:
        now = asyncio.get_running_loop().time
        written = Written(TAKEN)
        written.store.may_answer.clear()
        first = now()
        written.add(FakeRun())
        task = asyncio.create_task(written.writer.write())
        await written.store.is_asked.wait()
        await asyncio.sleep(0.02)
        second = now()
        written.add(FakeRun())
        assert abs(written.writer.lag - (now() - first)) < 0.01
        written.store.may_answer.set()
        await task
        assert abs(written.writer.lag - (now() - second)) < 0.01

    play(scenario)


def test_a_run_that_the_store_has_lost_ends_where_nobody_reads_it_and_goes_on_for_its_readers() -> None:
    async def scenario() -> None:
        for readers in (0, 1):
            written, run = Written(Answer(Refusal.UNKNOWN, 1)), FakeRun(readers=readers)
            written.add(run)
            await written.writer.write()
            assert run.is_lost
            assert [type(error) for error in run.stops] == ([] if readers else [Stopped])

    play(scenario)


def test_a_run_that_another_process_has_ended_is_stopped_once() -> None:
    async def scenario() -> None:
        written, run = Written(Answer(Refusal.ENDED, 4)), FakeRun()
        written.add(run)
        await written.writer.write()
        run.obey(Answer(Refusal.ENDED, 4))
        assert [type(error) for error in run.stops] == [Interrupted]

    play(scenario)


def test_an_answer_with_a_reason_stops_a_run_that_goes_on_and_takes_its_readers_elsewhere() -> None:
    async def scenario() -> None:
        for has_ended in (False, True):
            written, run = Written(Answer(None, 4, stop="abandoned", attended_until=7.0)), FakeRun()
            run.has_ended = has_ended
            written.add(run)
            await written.writer.write()
            assert [error.reason for error in run.stops if isinstance(error, Stopped)] == (
                [] if has_ended else ["abandoned"]
            )
            assert run.attended_until == 7.0

    play(scenario)
