"""The leak oracle goes red for each kind of leak, names it, and stays green for what was there before."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tools.common.gunicorn_server import REPOSITORY
from tools.common.leaks import LeakError, no_leaks, pending_tasks
from tools.common.scripted_model import ScriptedModel


@pytest.fixture
def afterwards() -> Iterator[ExitStack]:
    """Puts right, after the inner oracle has looked, what a test leaks on purpose."""
    with ExitStack() as stack:
        yield stack


def leak_thread(afterwards: ExitStack) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, args=(30,), name="forgotten-thread")
    thread.start()
    afterwards.callback(thread.join)
    afterwards.callback(stop.set)


def leak_socket(afterwards: ExitStack) -> None:
    listener = afterwards.enter_context(socket.create_server(("127.0.0.1", 0)))
    assert listener.getsockname()[1]


def leak_pipe(afterwards: ExitStack) -> None:
    for end in os.pipe():
        afterwards.callback(os.close, end)


def leak_process(afterwards: ExitStack) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    afterwards.callback(process.wait)
    assert process.stdin is not None
    afterwards.callback(process.stdin.close)


def leak_zombie(afterwards: ExitStack) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    afterwards.callback(process.wait)


def leak_loop(afterwards: ExitStack) -> None:
    afterwards.callback(asyncio.new_event_loop().close)


@pytest.mark.parametrize(
    ("leak", "name"),
    [
        (leak_thread, r"thread <Thread\(forgotten-thread, started \d+\)>, which is at\n.*wait"),
        (leak_socket, r"file descriptor \d+: socket:\[\d+\] TCP LISTEN, local port \d+"),
        (leak_pipe, r"file descriptor \d+: pipe:\[\d+\]"),
        (leak_process, r"child process \d+ \(python.*\)"),
        (leak_zombie, r"child process \d+ \(python.*\)"),
        (leak_loop, r"file descriptor \d+: anon_inode:\[eventpoll\]"),
    ],
)
def test_a_leak_is_found_and_named(leak: Callable[[ExitStack], None], name: str, afterwards: ExitStack) -> None:
    with pytest.raises(LeakError, match=f"(?s)left behind.*{name}"), no_leaks(within=0.1):
        leak(afterwards)


def test_a_pending_task_of_any_loop_is_found_and_named() -> None:
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(LeakError, match=r"(?s)asyncio task <Task pending name='forgotten-task'"):  # noqa: SIM117
            with no_leaks(within=0.1):
                task = loop.create_task(asyncio.sleep(30), name="forgotten-task")
        assert task in pending_tasks()
        task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    finally:
        loop.close()
    assert task not in pending_tasks()


def test_what_was_there_before_is_no_leak(afterwards: ExitStack) -> None:
    for leak in (leak_thread, leak_socket, leak_pipe, leak_process, leak_loop):
        leak(afterwards)
    with no_leaks(within=0.1):
        pass


def test_a_thread_that_ends_in_time_is_no_leak(afterwards: ExitStack) -> None:
    timer = threading.Timer(0.1, lambda: None)
    with no_leaks(within=5):
        timer.start()


def test_the_scripted_model_leaves_nothing() -> None:
    with no_leaks(within=1), ScriptedModel():
        pass


def test_a_failing_block_shows_its_own_failure(afterwards: ExitStack) -> None:
    def fail() -> None:
        leak_thread(afterwards)
        raise LookupError("its own")

    with pytest.raises(LookupError, match="its own"), no_leaks(within=0.1):
        fail()


def test_the_fixture_fails_the_test_that_leaks_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "from tools.common import leaks\nleaks.SETTLE = 0.1\nfrom tests.conftest import leaves_nothing_behind\n"
    )
    (tmp_path / "test_three.py").write_text(
        "import os, pytest\n"
        "held = []\n"
        "@pytest.fixture(scope='module')\n"
        "def shared():\n"
        "    ends = os.pipe()\n"
        "    yield\n"
        "    [os.close(end) for end in ends]\n"
        "def test_uses_what_is_shared(shared): pass\n"
        "def test_leaks(shared): held.extend(os.pipe())\n"
        "def test_after_it(shared): [os.close(end) for end in held]\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-v", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "3 passed, 1 error" in run.stdout, run.stdout
    assert "ERROR at teardown of test_leaks" in run.stdout
    assert "LeakError: the test left behind" in run.stdout
    assert "pipe:[" in run.stdout
