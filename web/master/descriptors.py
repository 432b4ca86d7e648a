"""How many files the server's processes may open: as many as their streams need, where the system allows it."""

from __future__ import annotations

import resource


def raise_descriptor_limit(needed: int) -> None:
    """Raise this process's limit of open files up to what is needed, or to the most that it may set itself.

    Processes that are forked later inherit it. The usual limit, 1024, is kept low for programs that use `select`.

    Args:
        needed: Open files. A lower number leaves the limit as it is.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
