"""What a failure shows to be used up, and what becomes of a request for which no thread can be started."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from sluice.service import LoopThread, Settings
from sluice.service.errors import Overloaded
from sluice.service.message import Message
from sluice.service.observability.resources import (
    NO_DESCRIPTORS,
    NO_MEMORY,
    NO_THREADS,
    descriptors_short,
    exhausted,
    exhausted_by,
)
from sluice.service.provider.client import ProviderClient
from sluice.service.runs.log import RunLog
from sluice.service.settings.providers import Provider
from sluice.service.settings.records.provider import ProviderSettings
from sluice.web.intake.request_threads import THREAD_WAIT, RequestThreads
from sluice.web.sockets.client_socket import DisconnectWatcher
from tools.common.leaks import open_descriptors

WITHIN = 5.0


def caused(cause: BaseException) -> Exception:
    error = LookupError("around it")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.EMFILE, ""), NO_DESCRIPTORS),
        (OSError(errno.ENFILE, ""), NO_DESCRIPTORS),
        (OSError(errno.ENOMEM, ""), NO_MEMORY),
        (MemoryError(), NO_MEMORY),
        (RuntimeError("can't start new thread"), NO_THREADS),
        (caused(caused(MemoryError())), NO_MEMORY),
        (OSError(errno.ENOENT, ""), None),
        (RuntimeError("something else"), None),
        (LookupError(), None),
    ],
)
def test_a_failure_says_what_is_used_up(error: BaseException, sentence: str | None) -> None:
    assert exhausted_by(error) == sentence


def test_a_chain_of_causes_that_is_a_circle_has_an_end() -> None:
    one, two = LookupError(), LookupError()
    one.__cause__, two.__cause__ = two, one
    assert exhausted_by(one) is None


@contextmanager
def no_descriptors(more: int = 0) -> Iterator[None]:
    """Leave this process only so many further descriptors."""
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = free_numbers()
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[more], usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)


def free_numbers() -> list[int]:
    taken = open_descriptors()
    return [number for number in range(4096) if number not in taken]


def test_a_process_with_enough_of_all_lacks_nothing() -> None:
    assert exhausted() is None


@pytest.mark.parametrize("more", [0, 1, 10])
def test_the_last_descriptors_are_kept_for_others_than_chats(more: int) -> None:
    with no_descriptors(more):
        assert descriptors_short()
        assert exhausted() == NO_DESCRIPTORS
    assert not descriptors_short()


@pytest.mark.parametrize("lowest_free", [1, 10])
def test_low_numbers_that_were_closed_again_do_not_hide_that_all_others_are_taken(lowest_free: int) -> None:
    with ExitStack() as opened:
        numbers = free_numbers()[: lowest_free + 100]
        for number in numbers[lowest_free:]:
            os.dup2(2, number, inheritable=False)
            opened.callback(os.close, number)
        with no_descriptors(lowest_free):
            assert descriptors_short()
        assert not descriptors_short()


def test_a_high_number_that_is_taken_is_not_a_lack() -> None:
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1
    os.dup2(2, highest, inheritable=False)
    try:
        assert not descriptors_short()
    finally:
        os.close(highest)


def test_no_descriptor_for_the_model_is_overloaded_and_not_the_models_fault() -> None:
    async def ask() -> None:
        url = "http://127.0.0.1:9/v1"
        client = ProviderClient(Settings(provider=ProviderSettings(base_url=url, model="m")), Provider("p", url))
        try:
            with no_descriptors():
                await client.stream([Message(role="user", content="Hi")], "m", 1e9, RunLog())
        finally:
            await client.aclose()

    with pytest.raises(Overloaded, match=NO_DESCRIPTORS):
        asyncio.run(ask())


def test_a_watch_that_cannot_be_opened_leaves_nothing_behind() -> None:
    loop = LoopThread()
    loop.start()
    watcher = DisconnectWatcher(loop)
    ours, theirs = socket.socketpair()
    try:
        with ours, theirs:
            with no_descriptors(), pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
                watcher.attach()
            left = threading.Event()
            unwatch = watcher.watch(ours, left.set)
            theirs.close()
            assert left.wait(WITHIN)
            unwatch()
    finally:
        watcher.close()
        loop.close()


# -------------------------------------------------------------------------------------------------- threads


class Starting:
    """Has threads started only as often as a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        start = threading.Thread.start

        def start_some(thread: threading.Thread) -> None:
            if self.left <= 0:
                raise RuntimeError("can't start new thread")
            self.left -= 1
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_some)


@pytest.fixture
def starting(monkeypatch: pytest.MonkeyPatch) -> Starting:
    return Starting(monkeypatch)


@pytest.fixture
def threads() -> Iterator[RequestThreads]:
    made = RequestThreads(4)
    yield made
    made.shutdown()


def test_without_any_thread_a_request_is_cancelled_at_once(starting: Starting, threads: RequestThreads) -> None:
    future, error = threads.submit_request(lambda: None)
    assert error is not None
    threads.end_expired()
    assert future.cancelled()
    assert threads.time_left() is None


def test_a_request_waits_for_another_ones_thread_where_none_can_be_started(
    starting: Starting, threads: RequestThreads
) -> None:
    starting.left = 1
    release = threading.Event()
    first, error = threads.submit_request(release.wait, WITHIN)
    assert error is None
    assert not threads.has_spare(holds=False)
    second, error = threads.submit_request(lambda: "served")
    assert str(error) == "can't start new thread"
    threads.end_expired()
    assert not second.cancelled()
    assert 0 < (threads.time_left() or 0) <= THREAD_WAIT
    release.set()
    assert second.result(WITHIN) == "served"
    assert first.result(WITHIN)
    assert threads.has_spare(holds=False)
    threads.end_expired()
    assert threads.time_left() is None


def test_a_spare_thread_is_started_while_it_can_be(starting: Starting, threads: RequestThreads) -> None:
    starting.left = 2
    release = threading.Event()
    threads.submit_request(release.wait, WITHIN)
    assert threads.has_spare(holds=False)
    assert starting.left == 0
    release.set()


@pytest.mark.parametrize("started", [0, 1], ids=["the watchdog", "the loop"])
def test_a_loop_whose_threads_cannot_be_started_may_be_started_later(starting: Starting, started: int) -> None:
    loop = LoopThread()
    starting.left = started
    with pytest.raises(RuntimeError, match="can't start new thread"):
        loop.start()
    starting.left = 2
    loop.start()
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("sluice-loop") == 1
    assert "sluice-loop-watchdog" in names
    assert loop.submit(_forty_two()).result(WITHIN) == 42
    assert loop.close()


async def _forty_two() -> Any:
    return 42
