"""The end of a process whose threads gevent or eventlet has replaced: it says why, where nothing else can."""

from __future__ import annotations

import os
import sys


def exit_if_threads_are_replaced(code: int) -> None:
    """Say that this process cannot serve, and exit without Python's own end, if it is patched.

    Python would wait at its end for threads that never run, and so would a log that one of them writes.
    """
    # Else there is nothing to look at, and the master need not import the loop.
    if not {"gevent", "eventlet"} & sys.modules.keys():
        return
    from ...service.concurrency.event_loop_thread import ThreadsReplaced, refuse_replaced_threads

    try:
        refuse_replaced_threads()
    except ThreadsReplaced as error:
        os.write(2, f"Sluice cannot start:\n{error}.\n".encode())
        os._exit(code)
