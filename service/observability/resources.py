"""What a process can run out of: file descriptors, threads, memory. Tried out when asked, and never remembered."""

from __future__ import annotations

import errno
import os
import resource
import threading

# Kept for the page, health checks and refusals: a chat that takes the last ones would leave nobody to say so.
DESCRIPTOR_RESERVE = 16
# What a chat may need at once: a body of the usual limit, decoded and encoded again.
MEMORY_TRIED = 4 * 2**20

NO_DESCRIPTORS = "no file descriptor is left for another connection"
NO_THREADS = "no further thread can be started"
NO_MEMORY = "no memory is left"

_SENTENCES = {
    errno.EMFILE: NO_DESCRIPTORS,
    errno.ENFILE: NO_DESCRIPTORS,
    errno.ENOMEM: NO_MEMORY,
    errno.ENOBUFS: NO_MEMORY,
}
# Of a chain of causes, which is three or four long.
_MOST_CAUSES = 10


def exhausted_by(error: BaseException) -> str | None:
    """Say what a failure shows to be used up, by itself or by what has caused it.

    Args:
        error: What was raised.

    Returns:
        A sentence; `None` where the failure is of another kind.
    """
    cause: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if cause is None:
            return None
        if isinstance(cause, MemoryError):
            return NO_MEMORY
        if isinstance(cause, OSError) and cause.errno in _SENTENCES:
            return _SENTENCES[cause.errno]
        # `threading` has no class of its own for it.
        if isinstance(cause, RuntimeError) and "can't start new thread" in str(cause):
            return NO_THREADS
        cause = cause.__cause__ or cause.__context__
    return None


def descriptors_short() -> bool:
    """Say whether the descriptors are nearly used up. Costs a few microseconds; any thread may ask."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        # The kernel gives the lowest number that is free.
        number = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return exhausted_by(error) == NO_DESCRIPTORS
    os.close(number)
    return limit != resource.RLIM_INFINITY and number + DESCRIPTOR_RESERVE >= limit


def exhausted() -> str | None:
    """Try out all of it; return a sentence for what is used up, or `None`. Takes under a millisecond."""
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
