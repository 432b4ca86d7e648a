"""File descriptors, threads and memory: whether a process has run out of them. Tested at each call."""

from __future__ import annotations

import errno
import os
import resource
import select
import threading

# Descriptors that are kept for the page, health checks and refusals.
DESCRIPTOR_RESERVE = 16
# Bytes that a chat may need at once: a body of the usual limit, decoded and encoded again.
MEMORY_TRIED = 4 * 2**20

NO_DESCRIPTORS = "no file descriptor is left for another connection"
NO_THREADS = "no further thread can be started"
NO_MEMORY = "no memory is left"

_REASONS = {
    errno.EMFILE: NO_DESCRIPTORS,
    errno.ENFILE: NO_DESCRIPTORS,
    errno.ENOMEM: NO_MEMORY,
    errno.ENOBUFS: NO_MEMORY,
}
# A chain of causes is three or four long.
_MOST_CAUSES = 10


def exhausted_by(error: BaseException) -> str | None:
    """Return which resource has run out, judged by a failure and its causes.

    Args:
        error: What was raised.

    Returns:
        The reason, for the log; `None` where the failure is of another kind.
    """
    cause: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if cause is None:
            return None
        if isinstance(cause, MemoryError):
            return NO_MEMORY
        if isinstance(cause, OSError) and cause.errno in _REASONS:
            return _REASONS[cause.errno]
        # `threading` has no class of its own for it.
        if isinstance(cause, RuntimeError) and "can't start new thread" in str(cause):
            return NO_THREADS
        cause = cause.__cause__ or cause.__context__
    return None


def limit_is_near() -> bool:
    """Return whether nearly all descriptors of this process are taken. Takes three microseconds; for any thread.

    Where one of the highest numbers is taken it takes longer, a millisecond for a thousand open descriptors.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    # That a low number is free says nothing of those above it: what was opened later may have stayed open.
    if limit == resource.RLIM_INFINITY or _all_free(range(max(0, limit - DESCRIPTOR_RESERVE), limit)):
        return False
    try:
        taken = sum(int(name) < limit for name in os.listdir("/dev/fd"))
    except OSError as error:
        return exhausted_by(error) == NO_DESCRIPTORS
    return limit - taken <= DESCRIPTOR_RESERVE


def descriptors_short() -> bool:
    """Return whether nearly no descriptors are left, of this process or of the whole system. For any thread."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return exhausted_by(error) == NO_DESCRIPTORS
    return limit_is_near()


def _all_free(numbers: range) -> bool:
    """Return whether none of these numbers is an open descriptor."""
    poll = select.poll()
    for number in numbers:
        poll.register(number, 0)
    return poll.poll(0) == [(number, select.POLLNVAL) for number in numbers]


def exhausted() -> str | None:
    """Test all resources; return the reason where one has run out, or `None`. Takes under a millisecond."""
    if descriptors_short():
        return NO_DESCRIPTORS
    try:
        thread = threading.Thread(target=_do_nothing, name="sluice-probe", daemon=True)
        thread.start()
        thread.join()
        bytearray(MEMORY_TRIED)
    except (RuntimeError, MemoryError) as error:
        return exhausted_by(error)
    return None


def _do_nothing() -> None:
    """Be a thread."""
