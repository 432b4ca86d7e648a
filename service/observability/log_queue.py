"""Text streams whose `write` does not wait: a thread writes a bounded queue, and lines beyond it are dropped.

A pipe that nobody reads holds 64 KiB; then the next line of the log, and its request, would wait for ever. Dropped
lines are counted, and reported in the log as soon as lines can be written again.

The standard library's `QueueListener` would format records on its own thread, where the request's id is unknown. It
does not survive a fork, delays the end of a process, and does not cover `print` and tracebacks.
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

# Characters that may wait: some thousand lines, for the seconds in which a reader of the log restarts.
MOST_WAITING = 2**20
# Characters after which a line without an end is written as one.
LONGEST_LINE = 2**16
# Seconds between the last waiting line and a look for further ones. Without it each line of a busy worker wakes the
# thread, which interrupts the line's request twice (docs/decisions/0042-write-logs-through-a-bounded-queue.md).
PAUSE = 0.01
# Seconds at the exit for the lines that still wait.
FLUSH_TIMEOUT = 1.0
# Characters that are written at once. A pipe takes so many ASCII characters as one piece.
_WRITTEN_AT_ONCE = select.PIPE_BUF
# Reentrant, as a signal handler may write while its own thread counts.
_dropped_lock = threading.RLock()
_dropped = 0


def dropped_lines() -> int:
    """Return how many lines this process has dropped; any thread may ask."""
    return _dropped


class _Missing:
    """Marks in the queue where lines were dropped."""


class QueuedStream(io.TextIOBase):
    """A stream over a descriptor. Any thread and any signal handler may write; none of them waits.

    In a forked child it is empty again, and starts a thread with the first write.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, descriptor: int, *, owned: bool = False, unopened: str | None = None) -> None:
        """Take a descriptor. No thread is started.

        Args:
            descriptor: Where to write.
            owned: Whether `close` closes it.
            unopened: The path of a file that could not be opened; it is tried again for each line.
        """
        super().__init__()
        self._descriptor = descriptor
        self._owned = owned
        self._unopened = unopened
        #: Makes the line that reports a number of dropped lines.
        self.format_dropped: Callable[[int], str] = lambda lines: f"{lines} lines of the log were dropped\n"
        self._forget()
        _instances.add(self)

    def _forget(self) -> None:
        """Reset all state: on creation, and in a forked child before any of its threads runs."""
        # Reentrant: a signal handler may write while its own thread is in here.
        self._lock = threading.RLock()
        self._waiting = 0
        self._writes = False
        self._partial = ""
        # Dropped lines that are not reported yet; and whether the queue has a mark for them.
        self._unreported = 0
        self._marked = False
        self._lines: SimpleQueue[str | threading.Event | _Missing | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        # Held from the start of the thread.
        self._claimed = threading.Lock()

    # ------------------------------------------------------------------ what streams have

    @property
    def buffer(self) -> BinaryIO:
        """Python's own binary stream. Its writes wait."""
        own: Any = {1: sys.__stdout__, 2: sys.__stderr__}.get(self._descriptor)
        if own is None:
            raise io.UnsupportedOperation("buffer")
        found: BinaryIO = own.buffer
        return found

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether the descriptor is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Return true."""
        return True

    def write(self, text: str) -> int:
        """Queue whole lines, or drop them where the queue is full; keep the rest for the next call."""
        with self._lock:
            if self._writes:  # a signal handler has interrupted a write: it must not end that one's line
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
        """Queue a line without its end. Does not wait: logging's handlers call this after each record."""
        with self._lock:
            if self._partial:
                partial, self._partial = self._partial, ""
                self._put(partial)

    def close(self) -> None:
        """Close an owned descriptor once all that waits is written. Closing twice is harmless."""
        if not self.closed:
            super().close()  # flushes
            if self._owned:
                self._lines.put(None)
                self._start()

    def wait_written(self, timeout: float) -> bool:
        """Wait until all that was queued before is written, at most `timeout` seconds; return whether it is."""
        if self._thread is None:
            return True
        written = threading.Event()
        self._lines.put(written)
        return written.wait(timeout)

    # ------------------------------------------------------------------ inside

    def _put(self, text: str) -> None:
        if self._thread is None and _threads_are_replaced():
            # Our thread would never run. Such a process is refused at its start, and must be able to say why.
            if unwritten := self._write(text):
                self._drop(unwritten)
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
        # A signal handler that writes after the look at `_thread` must not start another thread.
        if self._thread is None and self._claimed.acquire(blocking=False):
            self._thread = thread = threading.Thread(target=self._run, name="sluice-log", daemon=True)
            # The thread inherits the mask: signals are for the main thread, which may hold them back.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            try:
                thread.start()
            except RuntimeError:
                self._thread = None
                self._claimed.release()
                return False  # no thread can be started, or the interpreter is about to end
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return True

    def _drop(self, text: str) -> None:
        global _dropped
        lines = max(1, text.count("\n"))
        with self._lock:
            self._unreported += lines
        with _dropped_lock:
            _dropped += lines

    def _run(self) -> None:
        lines = self._lines
        item = lines.get()
        while item is not None:
            if isinstance(item, str):
                item = self._write_waiting(item)
                continue
            if isinstance(item, threading.Event):
                item.set()
            else:
                self._report_dropped()
            item = lines.get()
        os.close(self._descriptor)

    def _write_waiting(self, text: str) -> str | threading.Event | _Missing | None:
        """Write a text with those that wait behind it, as far as one write takes them.

        Returns:
            What comes next in the queue; waited for, after a rest, where nothing does.
        """
        lines, joined, size = self._lines, [text], len(text)
        while not lines.empty():
            item = lines.get()
            # Other processes that share a pipe write nothing in between (pipe(7)).
            if not isinstance(item, str) or size + len(item) > _WRITTEN_AT_ONCE:
                self._write_lines("".join(joined))
                return item
            joined.append(item)
            size += len(item)
        self._write_lines("".join(joined))
        if lines.empty():
            time.sleep(PAUSE)
        return lines.get()

    def _write_lines(self, text: str) -> None:
        unwritten = self._write(text)
        if unwritten:
            self._drop(unwritten)
        elif self._unreported and not self._marked:
            self._report_dropped()
        with self._lock:
            # Reset where nothing waits: a signal handler may have interrupted another counting.
            self._waiting = 0 if self._lines.empty() else self._waiting - len(text)

    def _report_dropped(self) -> None:
        with self._lock:
            unreported, self._unreported, self._marked = self._unreported, 0, False
        if unreported and self._write(self.format_dropped(unreported)):
            # Reported after the next line that can be written.
            with self._lock:
                self._unreported += unreported

    def _write(self, text: str) -> str:
        """Write a text, and return what could not be written of it."""
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
                    # Another process that shares the pipe has made it non-blocking.
                    poll = select.poll()
                    poll.register(self._descriptor, select.POLLOUT)
                    poll.poll()
        except OSError:
            return data.decode(self.encoding, "replace")  # such as a closed pipe, or a full disk
        return ""


class QueuedFileHandler(logging.FileHandler):
    """Appends to a file through a queue. If the file cannot be opened or written, lines are dropped."""

    def _open(self) -> QueuedStream:  # type: ignore[override]
        """Open the file; gunicorn calls this again for each rotation."""
        try:
            return QueuedStream(_open_file(self.baseFilename), owned=True)
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            return QueuedStream(nowhere, owned=True, unopened=self.baseFilename)


def _threads_are_replaced() -> bool:
    """Return whether gevent or eventlet has replaced the system's threads."""
    return threading.Lock.__module__ != "_thread"


def _open_file(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)


def queue_files(*loggers: logging.Logger) -> None:
    """Replace the file handlers of these loggers by handlers that neither wait nor raise.

    Called again after gunicorn has set up its loggers again, it closes the former files.
    """
    kept: set[logging.Handler] = set()
    for logger in loggers:
        for handler in list(logger.handlers):
            if type(handler) is logging.FileHandler:
                queued = QueuedFileHandler(handler.baseFilename)
                queued.setFormatter(handler.formatter)
                # gunicorn removes only handlers with this mark.
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
    """Replace `sys.stdout` and `sys.stderr` by queued streams, also for forked children.

    A second call changes nothing. A closed standard descriptor is opened on `/dev/null` first: else the next socket
    would get its number, and the lines of the log.

    Returns:
        `sys.stdout` and `sys.stderr`.
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
