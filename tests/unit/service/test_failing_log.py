"""A filter of the log that raises, such as one that reads Flask's `request` at the end of a stream."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue

import pytest

from sluice.service import Chat, ChatService, LoopState, LoopThread, LoopUnavailable, Settings
from sluice.service.events.events import Failed
from sluice.service.message import Message
from sluice.service.settings.records.provider import ProviderSettings
from tests.support.polling import wait_until
from tests.unit.service.concurrency.loop_faults import Blocker, exit_the_thread, for_ever
from tools.common.scripted_model import ScriptedModel, reply, stalling_after

WITHIN = 5.0
CHAT = Chat([Message(role="user", content="Hi")], "m", run_id="1")


@contextmanager
def failing(name: str) -> Iterator[None]:
    """Have a logger's filter raise at every record."""

    def refuse(record: logging.LogRecord) -> bool:
        raise LookupError("the log's filter has failed")

    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addFilter(refuse)
    try:
        yield
    finally:
        logger.removeFilter(refuse)
        logger.setLevel(level)


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as model:
        yield model


@pytest.fixture
def service(model: ScriptedModel) -> Iterator[ChatService]:
    service = ChatService(Settings(provider=ProviderSettings(base_url=model.base_url, model="m", api_key="k")))
    yield service
    assert service.close()


def test_a_slot_is_given_back_where_the_end_of_a_run_cannot_be_logged(
    model: ScriptedModel, service: ChatService
) -> None:
    model.enqueue(reply("Hello"))
    run = service.open(CHAT)
    assert service.complete(run).message == "Hello"
    with failing("sluice.run"), pytest.raises(LookupError):
        run.close()
    assert service.limiter.in_use == 0


@pytest.mark.parametrize("end", [lambda service: service.begin_drain(0.0), ChatService.close])
def test_open_runs_are_stopped_where_that_cannot_be_logged(
    model: ScriptedModel, service: ChatService, end: Callable[[ChatService], object]
) -> None:
    model.enqueue(stalling_after("a"))
    with service.open(CHAT) as run:
        assert next(run)
        with failing("sluice.chat"), pytest.raises(LookupError):
            end(service)
        last = [event for _, events in run for event in events][-1]
    assert isinstance(last, Failed)
    assert last.error.code == "shutting_down"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("is_stuck", [False, True])
def test_waiters_are_released_where_a_failure_of_the_loop_cannot_be_logged(is_stuck: bool) -> None:
    loop = LoopThread("silent", stuck_after=0.2)
    loop.start()
    future = loop.submit(for_ever())
    with failing("sluice.loop"):
        blocker = Blocker(loop) if is_stuck else None
        if blocker is None:
            loop.call_soon(exit_the_thread)
        with pytest.raises(LoopUnavailable) as caught:
            future.result(WITHIN)
        if blocker is not None:
            blocker.let_go()
        assert loop.close(WITHIN)
    assert caught.value.state is (LoopState.STUCK if is_stuck else LoopState.DEAD)


def test_a_watchdog_that_cannot_log_reports_it_and_sees_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", reported.append)
    states: Queue[LoopState] = Queue()
    loop = LoopThread("silent", stuck_after=0.2, on_failure=states.put)
    loop.start()
    with failing("sluice.loop"):
        for _ in range(2):
            blocker = Blocker(loop)
            assert states.get(timeout=WITHIN) is LoopState.STUCK
            blocker.let_go()
            wait_until(lambda: loop.health().state is LoopState.RUNNING, WITHIN)
        assert loop.close(WITHIN)
    assert {arguments.exc_type for arguments in reported} == {LookupError}
