"""The numbers of one process's metrics: in memory, and in files where the other workers of a server read them.

Memory is the truth; a file only repeats it. So a file that is lost, or that could not be written for a while, is
written anew as a whole, and no number is lost with it.

The files have the form of prometheus_client's own (0.26, `mmap_dict.py`), because its reader adds them up, together
with whatever the host application counts in the same directory. But they are written by pwrite(2): on a full disk it
fails, where a write to a mapped page ends the process with SIGBUS. It is called a dozen times for each answer.
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
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from glob import escape, glob

# How often it is looked whether the files are still there, and how soon a file is tried again that failed.
LOOK_EVERY = 1.0
# The file begins with the number of bytes that are used, as a C int, and four bytes of padding.
_HEADER = struct.Struct("i4x")
_LENGTH = struct.Struct("i")
_NUMBERS = struct.Struct("dd")  # the value and its time, of which no metric here makes use


class Value:
    """One number of a metric. `MetricValues` alone changes it."""

    __slots__ = ("help", "key", "kind", "labels", "metric", "name", "number")

    def __init__(self, kind: str, metric: str, name: str, labels: Mapping[str, str], help_text: str) -> None:
        """Describe it.

        Args:
            kind: `counter`, `histogram`, or `gauge_` with one of prometheus_client's multiprocess modes behind it.
            metric: The metric's name.
            name: The sample's name, such as the metric's with `_total` behind it.
            labels: The sample's labels.
            help_text: What the metric says of itself.
        """
        self.kind = kind
        self.metric = metric
        self.name = name
        self.labels = tuple(sorted(labels.items()))
        self.help = help_text
        self.key = json.dumps([metric, name, dict(labels), help_text], sort_keys=True).encode()
        self.number = 0.0


class _ValueFile:
    """One file with some of the values. Not safe for threads; every method may raise OSError."""

    def __init__(self, path: str, values: list[Value]) -> None:
        """Create the file with these values in it, all at once: a reader never sees half of it."""
        self._path = path
        self._positions: dict[Value, int] = {}
        entries = bytearray(_HEADER.size)
        for value in values:
            entries += self._entry(value, len(entries))
        _HEADER.pack_into(entries, 0, len(entries))
        self._used = len(entries)
        # Put in the place of an older one only when it is whole.
        new = f"{path}.new"
        self._descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            self._write(bytes(entries), 0)
            status = os.fstat(self._descriptor)
            os.rename(new, path)
        except OSError:
            self.close()
            with suppress(OSError):
                os.unlink(new)
            raise
        self._identity = (status.st_dev, status.st_ino)

    def put(self, value: Value) -> None:
        """Write one value."""
        position = self._positions.get(value)
        if position is not None:
            self._write(_NUMBERS.pack(value.number, 0.0), position)
            return
        entry = self._entry(value, self._used)
        try:
            self._write(entry, self._used)
            # After the entry, so that no reader takes what is not there yet.
            self._write(_HEADER.pack(self._used + len(entry)), 0)
        except OSError:
            del self._positions[value]
            raise
        self._used += len(entry)

    def is_there(self) -> bool:
        """Say whether the path still leads to this file: what is written to a removed one, nobody reads."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def close(self) -> None:
        """Close it; to be called once."""
        os.close(self._descriptor)

    def _entry(self, value: Value, begin: int) -> bytes:
        padding = b" " * (8 - (len(value.key) + _LENGTH.size) % 8)
        head = _LENGTH.pack(len(value.key)) + value.key + padding
        self._positions[value] = begin + len(head)
        return head + _NUMBERS.pack(value.number, 0.0)

    def _write(self, data: bytes, position: int) -> None:
        if os.pwrite(self._descriptor, data, position) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)


class MetricValues:
    """All values of one owner, in one process. Any thread may call its methods.

    In a forked child all values are 0 again, and its files are its own.
    """

    def __init__(self, directory: str | None) -> None:
        """Take the directory of the files; ``None`` where nobody else reads the values. Opens nothing."""
        self._directory = directory
        self._values: list[Value] = []
        self._kinds: list[str] = []
        self._files: dict[str, _ValueFile] = {}
        self._forget()
        _reset_after_fork()
        _instances.add(self)

    def _forget(self) -> None:
        """Be as new; run on creation, and in a forked child before any of its threads."""
        self._lock = threading.Lock()
        # The parent's own: it goes on writing to them.
        for file in self._files.values():
            with suppress(OSError):
                file.close()
        self._files = {}
        self._changed: set[Value] = set()
        # Not the process's id alone: ids come again, and with them a file that a dead worker has left.
        self._owner = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._look_at = 0.0
        for value in self._values:
            value.number = 0.0

    def use(self, kind: str) -> None:
        """Have a file for a kind of values, even while there are none: later there may be no descriptor for it."""
        with self._lock:
            if kind not in self._kinds:
                self._kinds.append(kind)

    def new(self, kind: str, metric: str, name: str, labels: Mapping[str, str], help_text: str) -> Value:
        """Make a value of 0, of a kind in use; the arguments are those of `Value`."""
        value = Value(kind, metric, name, labels, help_text)
        with self._lock:
            self._values.append(value)
            self._changed.add(value)
        return value

    def add(self, value: Value, amount: float) -> None:
        """Add to a value, in memory."""
        with self._lock:
            value.number += amount
            self._changed.add(value)

    def set(self, value: Value, number: float) -> None:
        """Replace a value, in memory."""
        with self._lock:
            if value.number != number:
                value.number = number
                self._changed.add(value)

    def snapshot(self) -> list[tuple[Value, float]]:
        """Return all values as they are in memory now."""
        with self._lock:
            return [(value, value.number) for value in self._values]

    def owns(self, file_name: str) -> bool:
        """Say whether a file of the directory repeats these values."""
        return file_name.endswith(f"_{self._owner}.db")

    def write(self) -> bool:
        """Bring the files up to date, and make those that are not there, and their directory.

        Once a second at most it is looked whether they are there; and after a failure nothing is tried for a second.

        Returns:
            Whether somebody had removed a file, which is there again now.

        Raises:
            OSError: A file or the directory cannot be written. What is missing is written by a later call.
        """
        if self._directory is None:
            return False
        with self._lock:
            now = time.monotonic()
            looks = now >= self._look_at
            if looks:
                self._look_at = now + LOOK_EVERY
            lost = looks and self._drop_lost()
            self._put_changed()
            if looks:
                self._open_missing(self._directory)
            return lost

    def close(self) -> None:
        """Close the files; they stay, so that what they count is not lost. Closing twice is harmless."""
        with self._lock:
            while self._files:
                self._files.popitem()[1].close()

    def _put_changed(self) -> None:
        for value in list(self._changed):
            file = self._files.get(value.kind)
            if file is None:
                continue
            try:
                file.put(value)
            except OSError:
                # Whatever it holds now: one that is made anew is whole.
                self._files.pop(value.kind).close()
                raise
            self._changed.discard(value)

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
            self._changed.difference_update(values)


def forget_worker(directory: str, pid: int) -> None:
    """Remove the files that hold only for as long as a process lives; its counters stay. For its master.

    Args:
        directory: Where the workers' files are. One that is not there has none.
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
    # Not when this is imported: gunicorn's master imports it anew with each HUP, and hooks cannot be taken back.
    os.register_at_fork(after_in_child=_forget_in_child)


_instances: weakref.WeakSet[MetricValues] = weakref.WeakSet()
