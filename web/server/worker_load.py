"""The load of each worker, in memory that all workers share.

A full worker leaves new connections in the shared listening socket while another worker has room. So no chat is
refused in one process while another one could serve it.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Iterator
from typing import NamedTuple

# More workers than gunicorn can usefully run, including those that TTIN adds. 6 KiB.
SLOTS = 256
# The pids of all slots, 0 where there is no worker. They come first, because most are 0: read one by one, all slots
# would take ten times as long.
_PID = struct.Struct("=I")
_PIDS = struct.Struct(f"={SLOTS}I")
# The fields of `Load`, and the time of the report (seconds of CLOCK_MONOTONIC, which all processes share).
_LOAD = struct.Struct("=IIId")
# Seconds. A worker reports at least once a second. After a longer silence it is dead or stuck, and no connection is
# left to it.
SILENCE = 2.5


class Load(NamedTuple):
    """The load of one worker."""

    connections: int
    #: Open streams among them.
    streams: int
    #: Connections among them that wait for their next request.
    idle: int = 0

    @property
    def busy(self) -> int:
        """Connections that have a request, or are about to send one."""
        return self.connections - self.idle


class WorkerLoads:
    """The loads of all workers. Made by the master before it forks; each worker writes its slot and reads all."""

    def __init__(self) -> None:
        """Allocate the memory. It is anonymous, so it ends with the last process that uses it."""
        self._memory = mmap.mmap(-1, _PIDS.size + SLOTS * _LOAD.size)
        self._slot: int | None = None
        self._pid = 0

    def join(self, pid: int, number: int) -> None:
        """Take a slot, in the worker.

        Args:
            pid: The worker's pid.
            number: The worker's number among all that its master has started. It selects the slot, so that no two
                running workers have the same one, and none has to look for a free one.
        """
        self._pid = pid
        self._slot = number % SLOTS
        # Not seen before its first report.
        _LOAD.pack_into(self._memory, _place(self._slot), 0, 0, 0, 0.0)
        _PID.pack_into(self._memory, self._slot * _PID.size, pid)

    def report(self, load: Load) -> None:
        """Write the load of this worker. Called at least once a second."""
        if self._slot is not None:
            _LOAD.pack_into(self._memory, _place(self._slot), *load, time.monotonic())

    def leave(self) -> None:
        """Clear the slot: this worker accepts no more connections."""
        if self._slot is not None:
            self.forget(self._slot)
            self._slot = None

    def forget(self, number: int) -> None:
        """Clear the slot of a worker that has ended. In the master."""
        _PID.pack_into(self._memory, number % SLOTS * _PID.size, 0)

    def others(self) -> Iterator[Load]:
        """Yield the load of each other worker that reports."""
        now = time.monotonic()
        for slot, owner in enumerate(_PIDS.unpack_from(self._memory)):
            if owner and owner != self._pid:
                *load, seen = _LOAD.unpack_from(self._memory, _place(slot))
                if now - seen <= SILENCE:
                    yield Load(*load)


def _place(slot: int) -> int:
    return _PIDS.size + slot * _LOAD.size
