"""Text streams whose `write` never waits: a thread writes what a bounded queue holds, and too much is dropped.

A pipe that nobody reads holds 64 KiB; the next line of a log would wait for ever, and with it the request whose line
it is. What is dropped is counted, and said in a line of its own as soon as lines are taken again.

The standard library's `QueueHandler` puts records into a queue, and formats none of them: the request's id, which the
formatter reads from the context, would be that of the listener's thread. Its `QueueListener` does not survive a fork,
and ends a process only when all is written. And neither is between `print`, a traceback and the pipe.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import select
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, BinaryIO

# Characters that may wait: some thousand lines, for the seconds in which a reader restarts.
MOST_WAITING = 2**20
# A line that grows without its end is taken for one here.
LONGEST_LINE = 2**16
# At the exit, for the lines that still wait; a process that may not be late has no more for them.
FLUSH_TIMEOUT = 1.0
# Reentrant, as a signal handler may write while its own thread counts.
_dropped_lock = threading.RLock()
_dropped = 0


def dropped_lines() -> int:
    """Return how many lines this process has dropped; any thread may ask."""
    return _dropped


class _Missing:
    """Stands in a queue where lines are missing."""


class QueuedStream(io.TextIOBase):
    """A stream over a descriptor. Any thread may write, and a signal handler too; none of them ever waits.

    In a forked child it is empty again, with a thread of its own as soon as something is written.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, descriptor: int, *, owned: bool = False, unopened: str | None = None) -> None:
        """Take a descriptor; start nothing.

        Args:
            descriptor: Where to write.
            owned: Whether `close` closes it.
            unopened: The file that it should be of, if that could not be opened: it is tried again for each line.
        """
        super().__init__()
        self._descriptor = descriptor
        self._owned = owned
        self._unopened = unopened
        #: Says in the log's form how many lines were dropped.
        self.say_dropped: Callable[[int], str] = lambda lines: f"{lines} lines of the log were dropped\n"
        self._forget()
        _instances.add(self)

    def _forget(self) -> None:
        """Be as new; run on creation, and in a forked child before any of its threads."""
        # Reentrant: a signal handler may write while its own thread is in here.
        self._lock = threading.RLock()
        self._waiting = 0
        self._writes = False
        self._partial = ""
        # Lines that were dropped and are not said yet; and whether the place where they are missing is in the queue.
        self._unsaid = 0
        self._marked = False
        self._lines: SimpleQueue[str | threading.Event | _Missing | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------------ what streams have

    @property
    def buffer(self) -> BinaryIO:
        """Python's own binary stream, for those who ask for it; its writes wait."""
        own: Any = {1: sys.__stdout__, 2: sys.__stderr__}.get(self._descriptor)
        if own is None:
            raise io.UnsupportedOperation("buffer")
        found: BinaryIO = own.buffer
        return found

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Say whether somebody sits before it."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Take text; its whole lines are written soon, or dropped where too much waits already."""
        with self._lock:
            if self._writes:  # and a signal handler has interrupted it: half a line is not the handler's to end
                self._put(text)
                return len(text)
            self._writes = True
            try:
                whole, newline, self._partial = (self._partial + text).rpartition("\n")
                if len(self._partial) > LONGEST_LINE:
                    whole, newline, self._partial = whole + newline + self._partial, "\n", ""
                if newline:
                    self._put(whole + newline)
            finally:
                self._writes = False
        return len(text)

    def flush(self) -> None:
        """Hand on a line whose end has not come. Does not wait: handlers call this behind each record."""
        with self._lock:
            if self._partial:
                partial, self._partial = self._partial, ""
                self._put(partial)

    def close(self) -> None:
        """Have a file closed once all that waits is written; others stay open. Closing twice is harmless."""
        if not self.closed:
            super().close()  # flushes
            if self._owned:
                self._lines.put(None)
                self._start()

    def wait_written(self, timeout: float) -> bool:
        """Wait until all is written that was taken before, at most `timeout` seconds; say whether it is."""
        if self._thread is None:
            return True
        written = threading.Event()
        self._lines.put(written)
        return written.wait(timeout)

    # ------------------------------------------------------------------ inside

    def _put(self, text: str) -> None:
        if self._thread is None and _threads_are_replaced():
            # No thread of ours would ever run. Such a process is refused at its start, and should say why.
            if not self._written(text):
                self._drop(text)
        elif not self._start():
            self._drop(text)
        elif self._waiting + len(text) > MOST_WAITING:
            self._drop(text)
            if not self._marked:
                self._marked = True
                self._lines.put(_Missing())
        else:
            self._waiting += len(text)
            self._lines.put(text)

    def _start(self) -> bool:
        if self._thread is None:
            # Known before it runs: a signal handler that writes in between must not start another one.
            self._thread = thread = threading.Thread(target=self._run, name="sluice-log", daemon=True)
            # It inherits this: signals are for the main thread, which may hold them back.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            try:
                thread.start()
            except RuntimeError:
                self._thread = None
                return False  # no thread is left, or the interpreter is about to end
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return True

    def _drop(self, text: str) -> None:
        global _dropped
        lines = max(1, text.count("\n"))
        with self._lock:
            self._unsaid += lines
        with _dropped_lock:
            _dropped += lines

    def _run(self) -> None:
        lines = self._lines
        while (item := lines.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
            elif isinstance(item, _Missing):
                self._say_missing()
            else:
                if self._written(item):
                    if self._unsaid and not self._marked:
                        self._say_missing()
                else:
                    self._drop(item)
                with self._lock:
                    # Counted anew where nothing waits: a signal handler may have counted within another's counting.
                    self._waiting = 0 if lines.empty() else self._waiting - len(item)
        os.close(self._descriptor)

    def _say_missing(self) -> None:
        with self._lock:
            unsaid, self._unsaid, self._marked = self._unsaid, 0, False
        if unsaid and not self._written(self.say_dropped(unsaid)):
            # Said behind the next line that can be written.
            with self._lock:
                self._unsaid += unsaid

    def _written(self, text: str) -> bool:
        data = text.encode(self.encoding, self.errors)
        try:
            if self._unopened is not None:
                opened = _open_file(self._unopened)
                os.dup2(opened, self._descriptor, inheritable=False)
                os.close(opened)
                self._unopened = None
            while data:
                try:
                    data = data[os.write(self._descriptor, data) :]
                except BlockingIOError:
                    # Whoever shares the pipe may have made it so.
                    poll = select.poll()
                    poll.register(self._descriptor, select.POLLOUT)
                    poll.poll()
        except OSError:
            return False  # a reader that has gone, a full disk
        return True


class QueuedFileHandler(logging.FileHandler):
    """Appends to a file through a queue. A file that cannot be opened or written costs lines, and nothing else."""

    def _open(self) -> QueuedStream:  # type: ignore[override]
        """Open the file; gunicorn calls this again for each rotation."""
        try:
            return QueuedStream(_open_file(self.baseFilename), owned=True)
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            return QueuedStream(nowhere, owned=True, unopened=self.baseFilename)


def _threads_are_replaced() -> bool:
    """Say whether gevent or eventlet has put its own threads in place of the system's."""
    return threading.Lock.__module__ != "_thread"


def _open_file(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)


def queue_files(*loggers: logging.Logger) -> None:
    """Have the files of these loggers written through queues, in place of handlers that may wait or raise.

    Called again after gunicorn has set its loggers up anew, it closes the files of before.
    """
    kept: set[logging.Handler] = set()
    for logger in loggers:
        for handler in list(logger.handlers):
            if type(handler) is logging.FileHandler:
                queued = QueuedFileHandler(handler.baseFilename)
                queued.setFormatter(handler.formatter)
                # By its mark gunicorn knows the handlers that it may take away.
                vars(queued).update({name: mark for name, mark in vars(handler).items() if name == "_gunicorn"})
                logger.addHandler(queued)
                logger.removeHandler(handler)
                handler.close()
        kept.update(logger.handlers)
    for former in _file_handlers - kept:
        former.close()
    _file_handlers.intersection_update(kept)
    _file_handlers.update(handler for handler in kept if isinstance(handler, QueuedFileHandler))


def queue_standard_streams() -> tuple[QueuedStream, QueuedStream]:
    """Put queues before this process's standard output and error, once, and so before those of its children.

    A standard descriptor that is closed is opened on `/dev/null` first: else the next socket would be opened there,
    and get the lines of the log.

    Returns:
        `sys.stdout` and `sys.stderr`, as they are from now on.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free
    if not isinstance(sys.stdout, QueuedStream):
        with suppress(AttributeError, OSError):
            sys.stdout.flush()
        sys.stdout = QueuedStream(1)
    if not isinstance(sys.stderr, QueuedStream):
        sys.stderr = QueuedStream(2)
    return sys.stdout, sys.stderr


def _write_at_exit() -> None:
    deadline = time.monotonic() + FLUSH_TIMEOUT
    for instance in list(_instances):
        instance.flush()
        instance.wait_written(max(0.0, deadline - time.monotonic()))


def _forget_in_child() -> None:
    global _dropped_lock, _dropped
    _dropped_lock, _dropped = threading.RLock(), 0
    for instance in list(_instances):
        instance._forget()


_file_handlers: set[logging.Handler] = set()
_instances: weakref.WeakSet[QueuedStream] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget_in_child)
atexit.register(_write_at_exit)
