"""One run's terminal event, where its events go past the reader."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from service.events import Accepted, Event, Failed, Finished
from service.loop import LoopThread
from service.metrics import Metrics
from service.run import Run, RunLabels


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread("run-loop")
    thread.start()
    yield thread
    assert thread.close()


def begun(loop: LoopThread, source: AsyncIterator[Sequence[Event]], *, heartbeat: float) -> Run:
    labels = RunLabels("1", "api", "stream", "m")
    return Run(loop, source, labels, Metrics("m"), prompts=[], heartbeat=heartbeat, on_close=lambda _: None)


def test_an_end_that_the_outlet_could_not_hand_on_becomes_a_failure(
    loop: LoopThread, caplog: pytest.LogCaptureFixture
) -> None:
    async def source() -> AsyncIterator[Sequence[Event]]:
        while not run._bridge._outlet_free:  # until the reader waits
            await asyncio.sleep(0)
        yield [Finished("stop", None)]

    def outlet(batch: Sequence[Event]) -> bool:
        raise ZeroDivisionError

    with begun(loop, source(), heartbeat=5.0) as run:
        run.divert(outlet)
        events = [event for batch in run for event in batch]
    assert [type(event) for event in events] == [Failed]
    assert "a defect ended a run" in caplog.text


@pytest.mark.parametrize("diverted", [True, False])
def test_a_model_that_accepts_does_not_put_the_sign_of_life_off(loop: LoopThread, diverted: bool) -> None:
    async def source() -> AsyncIterator[Sequence[Event]]:
        await asyncio.sleep(0.4)
        yield [Accepted()]
        await asyncio.Event().wait()

    with begun(loop, source(), heartbeat=0.5) as run:
        if diverted:
            run.divert(lambda batch: False)
        began = time.monotonic()
        assert next(run) == []
        # Put off, it would come after 0.9 s.
        assert time.monotonic() - began < 0.85
