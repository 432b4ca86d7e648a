"""Signals that come while a process of gunicorn starts: none is lost, and none kills what it should steer.

A master has the system's default handlers until gunicorn sets its own, and most of them would kill or stop it. So the
configuration sets handlers for those that end it, and blocks the others until gunicorn can handle them.

A forked worker first has the handlers of its master, which put a signal into a queue that only the master reads. And
CPython drops, in a forked child, what its handlers have noted by then. So signals are blocked before the fork: those
for the worker stay pending in the kernel until `leave_when_told` or `release`.

The master keeps this one module when it forgets the others (gunicorn.conf.py), because a fork hook cannot be removed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from types import FrameType
from typing import Final

#: What tells a process of gunicorn to end.
LEAVE: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
#: All that gunicorn's master handles, SIGCHLD apart, which is never for a new process.
HELD: Final = (
    *LEAVE,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGWINCH,
)

_next_is_worker = False
#: The signals that were blocked before the fork; None where nothing is held.
_blocked_before: set[int] | None = None


def prepare_master() -> None:
    """Exit with 0 when told to end, and block all other signals until `release`. While the configuration is read.

    Does nothing where gunicorn has set its handlers already: the configuration is read again on HUP.
    """
    global _blocked_before
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    for number in LEAVE:
        signal.signal(number, leave)
    hold()
    if "GUNICORN_PID" in os.environ:
        # Started by USR2: what is blocked was blocked by `prepare_exec` in the old master.
        _blocked_before = set()
    _unblock(LEAVE)


def prepare_exec() -> None:
    """Keep signals for the program that this process is about to become. In what USR2 has forked off the master.

    A blocked signal stays pending over exec(2), and `prepare_master` of the new program lets it come. What ends a
    process ends this one.
    """
    for number in LEAVE:
        signal.signal(number, signal.SIG_DFL)
    hold()
    _unblock(LEAVE)


def expect_worker() -> None:
    """Hold signals over the next fork of this process, which makes a worker. In the master."""
    global _next_is_worker
    _next_is_worker = True


def expect_nothing() -> None:
    """Take `expect_worker` back."""
    global _next_is_worker
    _next_is_worker = False


def leave_when_told() -> None:
    """Have a new worker exit with 0 when it is told to end, until it sets handlers of its own. In the worker.

    Nobody is connected to it yet, so there is nothing to end in order. Signals of `LEAVE` that are held come now; the
    others stay held until `release`. Harmless where nothing is held.
    """
    for number in LEAVE:
        signal.signal(number, leave)
    _unblock(LEAVE)


def leave(*_: int | FrameType | None) -> None:
    """Exit with 0, once: a second signal does not interrupt what the exit runs. A signal handler.

    Raises:
        SystemExit: Always.
    """
    for number in LEAVE:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def hold() -> None:
    """Block all signals of `HELD` while their handlers change; `release` ends it. On the main thread."""
    global _blocked_before
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    if _blocked_before is None:
        _blocked_before = before


def release() -> None:
    """Let all signals come that are held. Harmless where nothing is held."""
    global _blocked_before
    _unblock(HELD)
    _blocked_before = None


def _unblock(numbers: Iterable[int]) -> None:
    # What the process that started gunicorn had blocked stays so.
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
