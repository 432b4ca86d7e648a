"""Ends a process in which gevent or eventlet has replaced the threads."""

from __future__ import annotations

import os
import sys


def exit_if_threads_are_replaced(code: int) -> None:
    """Exit with a sentence on stderr if gevent or eventlet has patched this process.

    Without Python's shutdown and without the log: both would wait for threads that never run.

    Args:
        code: The exit status.
    """
    # So that the master need not import the loop.
    if not {"gevent", "eventlet"} & sys.modules.keys():
        return
    from ...service.concurrency.replaced_threads import ThreadsReplaced, refuse_replaced_threads

    try:
        refuse_replaced_threads()
    except ThreadsReplaced as error:
        os.write(2, f"Sluice cannot start:\n{error}.\n".encode())
        os._exit(code)
