"""Time limits of an answer whose provider never lets the task that reads it wait."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from sluice.service.errors import UpstreamTimeout
from sluice.service.events.events import Event, Finished, Text
from sluice.service.message import Message
from sluice.service.provider import connection
from tests.support.floods import Endless, delta
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


def ask(script: Script, **limits: float) -> tuple[list[Event], type[BaseException] | None, float]:
    """Ask a model on uvloop; return the events, the error's type, and the seconds from the first token to the end."""

    async def asking() -> tuple[list[Event], type[BaseException] | None, float]:
        events: list[Event] = []
        error: type[BaseException] | None = None
        began = 0.0
        async with client_of(model.base_url, **limits) as client:
            deadline = asyncio.get_running_loop().time() + WITHIN
            try:
                async for batch in client.stream([Message(role="user", content="Hi")], "m", deadline):
                    events += batch
                    if not began and isinstance(batch[0], Text):
                        began = time.monotonic()
            except UpstreamTimeout as raised:
                error = type(raised)
        return events, error, time.monotonic() - began

    with ScriptedModel() as model:
        model.enqueue(script)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(asyncio.wait_for(asking(), 2 * WITHIN))


def test_tokens_without_end_are_ended_at_the_limit_for_the_whole_answer() -> None:
    # Nothing is offered past the iteration, so that each read wakes the task.
    events, error, took = ask((Headers(), Endless(Chunk("word ").encode())), total_timeout=LIMIT)
    assert error is UpstreamTimeout
    assert took < LIMIT + LATE
    assert {type(event) for event in events[1:]} == {Text}


def test_events_without_end_behind_the_finish_reason_are_ended_at_the_limit_for_usage() -> None:
    script = (Headers(), Chunk("Hello"), Chunk(finish_reason="stop"), Endless(delta("")))
    events, error, took = ask(script, total_timeout=LIMIT)
    assert error is None
    assert took < LIMIT + LATE
    assert isinstance(events[-1], Finished)
