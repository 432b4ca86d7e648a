"""Time limits of an answer whose provider never lets the task that reads it wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest
import uvloop

from sluice.service.errors import UpstreamTimeout
from sluice.service.events.events import Event, Finished, Text
from sluice.service.message import Message
from sluice.service.provider import connection
from sluice.service.runs import log as run_log
from sluice.service.runs.log import RunLog
from tests.support.floods import Endless, delta
from tests.support.run_logs import CollectingReader
from tests.unit.service.provider.test_transport import client_of
from tools.common.scripted_model import Chunk, Headers, Script, ScriptedModel

WITHIN = 5.0
LIMIT = 0.3
# Half of what a timer that is looked at again later would need at least, if it were lucky.
LATE = 0.2


@pytest.fixture(autouse=True)
def never_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a fast model all the time, so that the task never waits."""
    monkeypatch.setattr(connection, "FAST_READS", 10**9)


@pytest.fixture(autouse=True)
def wakes_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each event fill the log."""
    monkeypatch.setattr(run_log, "CAPACITY", 1)


class AlwaysBehind(CollectingReader):
    """Takes what was appended in the loop's next turn."""

    def __init__(self, log: RunLog) -> None:
        super().__init__(log)
        self.began = 0.0

    def take(self, first_number: int, events: Sequence[Event]) -> None:
        self.began = self.began or time.monotonic()
        self.is_waiting = False
        asyncio.get_running_loop().call_soon(self.catch_up)


def ask(script: Script, **limits: float) -> tuple[list[Event], type[BaseException] | None, float]:
    """Ask a model on uvloop; return the events, the error's type, and the seconds from the first token to the end."""

    async def asking() -> tuple[list[Event], type[BaseException] | None, float]:
        error: type[BaseException] | None = None
        async with client_of(model.base_url, **limits) as client:
            deadline = asyncio.get_running_loop().time() + WITHIN
            log = RunLog()
            # A log that has room and is full in turn, so that each read wakes the task.
            reader = AlwaysBehind(log)
            try:
                await client.stream([Message(role="user", content="Hi")], "m", deadline, log)
            except UpstreamTimeout as raised:
                error = type(raised)
            reader.catch_up()
        return reader.events, error, time.monotonic() - reader.began

    with ScriptedModel() as model:
        model.enqueue(script)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(asyncio.wait_for(asking(), 2 * WITHIN))


def test_tokens_without_end_are_ended_at_the_limit_for_the_whole_answer() -> None:
    events, error, took = ask((Headers(), Endless(Chunk("word ").encode())), total_timeout=LIMIT)
    assert error is UpstreamTimeout
    assert took < LIMIT + LATE
    assert {type(event) for event in events} == {Text}


def test_events_without_end_behind_the_finish_reason_are_ended_at_the_limit_for_usage() -> None:
    script = (Headers(), Chunk("Hello"), Chunk(finish_reason="stop"), Endless(delta("")))
    events, error, took = ask(script, total_timeout=LIMIT)
    assert error is None
    assert took < LIMIT + LATE
    assert isinstance(events[-1], Finished)
