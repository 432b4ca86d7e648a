"""How busy each worker is, in a little memory that all of them share.

A worker that is full leaves new connections in the listening socket, which is shared, while any other worker has
room; so no chat is refused in one process while there is a place in another.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Iterator
from typing import NamedTuple

# pid, connections held, streams among them, and when the worker last said so (seconds, CLOCK_MONOTONIC, which all
# processes share).
_SLOT = struct.Struct("=IIId")
# More than gunicorn can usefully run, whatever TTIN adds; 5 KiB, two pages.
SLOTS = 256
# A worker's main thread says how it is at least once a second; one that is silent for longer is dead or stuck, and
# nothing may be left to it.
SILENCE = 2.5


class Load(NamedTuple):
    """What one worker has to do."""

    connections: int
    streams: int


class WorkerLoads:
    """The board. Made by the master before it forks; each worker writes its own slot and reads all."""

    def __init__(self) -> None:
        """Reserve the memory; anonymous, so it goes with the last process that has it."""
        self._memory = mmap.mmap(-1, SLOTS * _SLOT.size)
        self._slot: int | None = None
        self._pid = 0

    def join(self, pid: int, number: int) -> None:
        """Take a slot, in the worker.

        Args:
            pid: The worker's.
            number: The worker's number among all that its master ever started. No two that live have the same slot,
                so that none has to look for a free one while another does.
        """
        self._pid = pid
        self._slot = number % SLOTS

    def report(self, load: Load) -> None:
        """Write what this worker has to do. About once a second at least."""
        if self._slot is not None:
            _SLOT.pack_into(self._memory, self._slot * _SLOT.size, self._pid, *load, time.monotonic())

    def leave(self) -> None:
        """Give the slot back: this worker takes no more connections."""
        if self._slot is not None:
            _SLOT.pack_into(self._memory, self._slot * _SLOT.size, 0, 0, 0, 0.0)
            self._slot = None

    def forget(self, number: int) -> None:
        """Give the slot of a worker back that has died, in the master: nothing may be left to it."""
        _SLOT.pack_into(self._memory, number % SLOTS * _SLOT.size, 0, 0, 0, 0.0)

    def others(self) -> Iterator[Load]:
        """Yield what each other worker that is alive has to do."""
        now = time.monotonic()
        for slot in range(SLOTS):
            owner, load, seen = self._read(slot)
            if owner not in (0, self._pid) and now - seen <= SILENCE:
                yield load

    def _read(self, slot: int) -> tuple[int, Load, float]:
        pid, connections, streams, seen = _SLOT.unpack_from(self._memory, slot * _SLOT.size)
        return pid, Load(connections, streams), seen
