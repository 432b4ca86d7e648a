"""Holds signals while a process of gunicorn starts, so that none is lost and none kills the process.

A master has the default handlers until gunicorn sets its own. Most of these would kill or stop it. So the
configuration sets handlers for the signals that end it, and blocks the others until gunicorn can handle them.

A forked worker first has the handlers of its master, which put a signal into a queue that only the master reads. A
forked child of CPython also loses the signals that its handlers have recorded. So signals are blocked before the
fork. Those for the worker stay pending in the kernel until `exit_on_signal` or `release`.

The master keeps this module over HUP (`gunicorn_hooks.py`), because a fork hook cannot be removed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from types import FrameType
from typing import Final

#: The signals that end a process of gunicorn.
ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
#: All signals that gunicorn's master handles, except SIGCHLD, which never concerns a new process.
HELD: Final = (
    *ENDING,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGWINCH,
)

_next_is_worker = False
#: The signals that were blocked before `hold`; None where none is held.
_blocked_before: set[int] | None = None


def prepare_master() -> None:
    """Let signals that end the master exit with 0, and block all others until `release`. Called by the configuration.

    Does nothing where gunicorn has set its handlers: the configuration is read again on HUP.
    """
    global _blocked_before
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    for number in ENDING:
        signal.signal(number, exit_at_once)
    hold()
    if "GUNICORN_PID" in os.environ:
        # Started by USR2: `prepare_exec` in the old master has blocked these signals.
        _blocked_before = set()
    _unblock(ENDING)


def prepare_exec() -> None:
    """Hold signals for the program that this process will execute. In the child that USR2 has forked.

    A blocked signal stays pending over exec(2), and `prepare_master` of the new program unblocks it. Signals that end
    a process end this one.
    """
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    hold()
    _unblock(ENDING)


def expect_worker() -> None:
    """Hold signals over the next fork, which makes a worker. In the master."""
    global _next_is_worker
    _next_is_worker = True


def expect_nothing() -> None:
    """Cancel `expect_worker`."""
    global _next_is_worker
    _next_is_worker = False


def exit_on_signal() -> None:
    """Let signals that end a worker exit with 0, until it sets its own handlers. In the worker.

    It has no connections yet. Held signals of `ENDING` arrive now; the others stay held until `release`. Harmless
    where none is held.
    """
    for number in ENDING:
        signal.signal(number, exit_at_once)
    _unblock(ENDING)


def exit_at_once(*_: int | FrameType | None) -> None:
    """Exit with 0, and ignore further signals, which would interrupt the exit. A signal handler.

    Raises:
        SystemExit: Always.
    """
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def hold() -> None:
    """Block all signals of `HELD` until `release`. On the main thread."""
    global _blocked_before
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    if _blocked_before is None:
        _blocked_before = before


def release() -> None:
    """Unblock all held signals. Harmless where none is held."""
    global _blocked_before
    _unblock(HELD)
    _blocked_before = None


def _unblock(numbers: Iterable[int]) -> None:
    # Signals that the parent of gunicorn had blocked stay blocked.
    if _blocked_before is not None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, set(numbers) - _blocked_before)


def _before_fork() -> None:
    if _next_is_worker:
        hold()


def _after_in_parent() -> None:
    global _next_is_worker
    if _next_is_worker:
        _next_is_worker = False
        release()


def _after_in_child() -> None:
    global _next_is_worker
    _next_is_worker = False


os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
