"""The values of one owner's metrics: in memory, and in files for the other workers of a server.

Files repeat what is in memory. So a file that was lost, or could not be written for a while, is written again as a
whole, and no value is lost.

The files have the form of prometheus_client (0.26, `mmap_dict.py`), whose reader adds them up, together with the host
application's in the same directory. They are written by pwrite(2): on a full disk it fails, where a write to a mapped
page ends the process with SIGBUS. Each call releases the interpreter's lock, which another thread then takes. So
values that are near each other are written together (docs/decisions/0041-own-metrics-files.md).
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import struct
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from glob import escape, glob

# Seconds between two checks that the files exist, and between two attempts at a file that failed.
CHECK_INTERVAL = 1.0
# Bytes between two changed values that are written again, in place of a second call. The values of a histogram for
# one combination of labels take about 7,000.
MOST_BETWEEN = 16384
# The file begins with the number of bytes that are used, as a C int, and four bytes of padding.
_HEADER = struct.Struct("i4x")
_LENGTH = struct.Struct("i")
_NUMBERS = struct.Struct("dd")  # the value and its time, of which no metric here makes use


class Value:
    """One number of a metric, changed by `MetricValues` alone."""

    __slots__ = ("help", "key", "kind", "labels", "metric", "name", "number", "position")

    def __init__(self, kind: str, metric: str, name: str, labels: Mapping[str, str], help_text: str) -> None:
        """Describe it.

        Args:
            kind: `counter`, `histogram`, or `gauge_` with one of prometheus_client's multiprocess modes after it.
            metric: The metric's name.
            name: The sample's name, such as the metric's with `_total` after it.
            labels: The sample's labels.
            help_text: The metric's description.
        """
        self.kind = kind
        self.metric = metric
        self.name = name
        self.labels = tuple(sorted(labels.items()))
        self.help = help_text
        self.key = json.dumps([metric, name, dict(labels), help_text], sort_keys=True).encode()
        self.number = 0.0
        #: Where its number is in its file; None where it is not in a file yet.
        self.position: int | None = None


class _ValueFile:
    """One file with some of the values. Not safe for threads; every method may raise OSError."""

    def __init__(self, path: str, values: list[Value]) -> None:
        """Create the file with these values in it. Readers see it only when it is complete."""
        self._path = path
        #: What the file has, or is about to have.
        self._content = bytearray(_HEADER.size)
        for value in values:
            self._append(value)
        _HEADER.pack_into(self._content, 0, len(self._content))
        # Renamed when it is complete.
        new = f"{path}.new"
        self._descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            self._write(0, len(self._content))
            status = os.fstat(self._descriptor)
            os.rename(new, path)
        except OSError:
            self.close()
            with suppress(OSError):
                os.unlink(new)
            raise
        self._identity = (status.st_dev, status.st_ino)

    def put(self, values: Iterable[Value]) -> None:
        """Write some values, those that are near each other by one call. After an error the file must be closed."""
        used = len(self._content)
        changed = []
        for value in values:
            position = value.position
            if position is None:
                self._append(value)
            else:
                _NUMBERS.pack_into(self._content, position, value.number, 0.0)
                changed.append(position)
        begin = end = 0
        for position in sorted(changed):
            if end and position - end > MOST_BETWEEN:
                self._write(begin, end)
                end = 0
            if not end:
                begin = position
            end = position + _NUMBERS.size
        if end:
            self._write(begin, end)
        if len(self._content) > used:
            self._write(used, len(self._content))
            # After the entries: readers take as much as the header says.
            _HEADER.pack_into(self._content, 0, len(self._content))
            self._write(0, _HEADER.size)

    def is_there(self) -> bool:
        """Return whether the path still leads to this file. Nobody reads a removed one."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def close(self) -> None:
        """Close it. To be called once."""
        os.close(self._descriptor)

    def _append(self, value: Value) -> None:
        padding = b" " * (8 - (len(value.key) + _LENGTH.size) % 8)
        self._content += _LENGTH.pack(len(value.key)) + value.key + padding
        value.position = len(self._content)
        self._content += _NUMBERS.pack(value.number, 0.0)

    def _write(self, begin: int, end: int) -> None:
        if os.pwrite(self._descriptor, self._content[begin:end], begin) != end - begin:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)


class MetricValues:
    """All values of one owner, in one process. Any thread may call its methods.

    In a forked child all values are 0 again, and its files are its own.
    """

    def __init__(self, directory: str | None) -> None:
        """Take the directory of the files; ``None`` for a single process. No file is opened."""
        self._directory = directory
        self._values: list[Value] = []
        self._kinds: list[str] = []
        self._files: dict[str, _ValueFile] = {}
        self._forget()
        _reset_after_fork()
        _instances.add(self)

    def _forget(self) -> None:
        """Reset all state: on creation, and in a forked child before any of its threads runs."""
        self._lock = threading.Lock()
        # They are the parent's, which goes on writing to them.
        for file in self._files.values():
            with suppress(OSError):
                file.close()
        self._files = {}
        self._changed: dict[str, set[Value]] = {kind: set() for kind in self._kinds}
        # More than the process's id: ids are used again, and there may be a file of a worker that has ended.
        self._owner = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._check_at = 0.0
        for value in self._values:
            value.number = 0.0

    def use(self, kind: str) -> None:
        """Have a file made for a kind of values now: later there may be no descriptor."""
        with self._lock:
            if kind not in self._kinds:
                self._kinds.append(kind)
                self._changed[kind] = set()

    def new(self, kind: str, metric: str, name: str, labels: Mapping[str, str], help_text: str) -> Value:
        """Make a value of 0, of a kind in use; the arguments are those of `Value`."""
        value = Value(kind, metric, name, labels, help_text)
        with self._lock:
            self._values.append(value)
            self._changed[kind].add(value)
        return value

    def add(self, *amounts: tuple[Value, float]) -> None:
        """Add amounts to values, in memory."""
        with self._lock:
            for value, amount in amounts:
                value.number += amount
                self._changed[value.kind].add(value)

    def set(self, value: Value, number: float) -> None:
        """Replace a value, in memory."""
        with self._lock:
            if value.number != number:
                value.number = number
                self._changed[value.kind].add(value)

    def snapshot(self) -> list[tuple[Value, float]]:
        """Return all values as they are in memory now."""
        with self._lock:
            return [(value, value.number) for value in self._values]

    def owns(self, file_name: str) -> bool:
        """Return whether a file of the directory repeats these values."""
        return file_name.endswith(f"_{self._owner}.db")

    def write(self) -> bool:
        """Write changed values; make missing files and their directory.

        Missing files are looked for once a second at most. After a failure nothing is tried for a second.

        Returns:
            Whether a removed file was made again.

        Raises:
            OSError: A file or the directory cannot be written. A later call writes what is missing.
        """
        if self._directory is None:
            return False
        with self._lock:
            now = time.monotonic()
            is_due = now >= self._check_at
            if is_due:
                self._check_at = now + CHECK_INTERVAL
            lost = is_due and self._drop_lost()
            self._put_changed()
            if is_due:
                self._open_missing(self._directory)
            return lost

    def close(self) -> None:
        """Close the files, and keep them, so that their counts remain. Closing twice is harmless."""
        with self._lock:
            while self._files:
                self._files.popitem()[1].close()

    def _put_changed(self) -> None:
        for kind, changed in self._changed.items():
            file = self._files.get(kind)
            if file is None or not changed:
                continue
            try:
                file.put(changed)
            except OSError:
                # Its content is unknown; the next check makes it again.
                self._files.pop(kind).close()
                raise
            changed.clear()

    def _drop_lost(self) -> bool:
        lost = [kind for kind, file in self._files.items() if not file.is_there()]
        for kind in lost:
            self._files.pop(kind).close()
        return bool(lost)

    def _open_missing(self, directory: str) -> None:
        missing: dict[str, list[Value]] = {kind: [] for kind in self._kinds if kind not in self._files}
        if not missing:
            return
        for value in self._values:
            if value.kind in missing:
                missing[value.kind].append(value)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        for kind, values in missing.items():
            self._files[kind] = _ValueFile(os.path.join(directory, f"{kind}_{self._owner}.db"), values)
            self._changed[kind].clear()


def forget_worker(directory: str, pid: int) -> None:
    """Remove a worker's gauges, and keep its counters. For the master, when the worker has ended.

    Args:
        directory: Where the workers' files are; it need not exist.
        pid: The process that has ended.

    Raises:
        OSError: A file cannot be removed.
    """
    for pattern in (f"gauge_live*_{pid}.db", f"gauge_live*_{pid}-*.db"):
        for path in glob(os.path.join(escape(directory), pattern)):
            with suppress(FileNotFoundError):
                os.unlink(path)


def _forget_in_child() -> None:
    for instance in list(_instances):
        instance._forget()


@cache
def _reset_after_fork() -> None:
    # Not at import: gunicorn's master imports this again with each HUP, and hooks cannot be removed.
    os.register_at_fork(after_in_child=_forget_in_child)


_instances: weakref.WeakSet[MetricValues] = weakref.WeakSet()
