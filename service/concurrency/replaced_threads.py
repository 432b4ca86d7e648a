"""Refuses a process in which gevent or eventlet has replaced the threads or the sockets: no event loop would run."""

from __future__ import annotations

import select
import socket
import threading


class ThreadsReplaced(RuntimeError):
    """gevent or eventlet has put its own threads or sockets in place of the system's."""

    #: The message says all that an operator needs; a traceback would add nothing.
    explains_itself = True


def refuse_replaced_threads() -> None:
    """Raise an error in a process where a loop thread would never run.

    Raises:
        ThreadsReplaced: `monkey.patch_all()` of gevent or `monkey_patch()` of eventlet was called in this process.
    """
    for name, value in (("threading", threading.Lock), ("socket", socket.socket), ("select", select.select)):
        library = (getattr(value, "__module__", None) or "").partition(".")[0]
        if library in ("gevent", "eventlet"):
            raise ThreadsReplaced(
                f"{library} has replaced Python's {name} module in this process, so that the event loop's thread "
                f"would never run; nothing should call {library}'s monkey patching, and the server's worker class "
                "should be one with threads, such as gunicorn's gthread"
            )
