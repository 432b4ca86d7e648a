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


class Occupancy:
    """The board. Made by the master before it forks; each worker writes its own slot and reads all."""

    def __init__(self) -> None:
        """Reserve the memory; anonymous, so it goes with the last process that has it."""
        # The byte behind the slots says whether successors have taken over.
        self._memory = mmap.mmap(-1, SLOTS * _SLOT.size + 1)
        self._slot: int | None = None
        self._pid = 0

    def join(self, pid: int) -> None:
        """Take a slot, in the worker. Two workers that start at once might choose the same one, so look again."""
        self._pid = pid
        for slot in range(SLOTS):
            owner, _, seen = self._read(slot)
            if owner == 0 or time.monotonic() - seen > SILENCE:
                self._slot = slot
                return
        # Without a slot a worker never leaves anything to others, and none leaves anything to it.
        self._slot = None

    def say(self, load: Load) -> None:
        """Write what this worker has to do. About once a second at least."""
        if self._slot is None:
            return
        owner, _, seen = self._read(self._slot)
        if owner not in (0, self._pid) and time.monotonic() - seen <= SILENCE:
            # Another one took the same slot at the same moment.
            self.join(self._pid)
        if self._slot is not None:
            _SLOT.pack_into(self._memory, self._slot * _SLOT.size, self._pid, *load, time.monotonic())

    def leave(self) -> None:
        """Give the slot back: this worker takes no more connections."""
        if self._slot is not None:
            _SLOT.pack_into(self._memory, self._slot * _SLOT.size, 0, 0, 0, 0.0)
            self._slot = None

    def others(self) -> Iterator[Load]:
        """Yield what each other worker that is alive has to do."""
        now = time.monotonic()
        for slot in range(SLOTS):
            owner, load, seen = self._read(slot)
            if owner not in (0, self._pid) and now - seen <= SILENCE:
                yield load

    def retire(self) -> None:
        """Tell all who share this board that others, with a board of their own, take over from them."""
        self._memory[-1] = 1

    @property
    def retired(self) -> bool:
        """Whether others have taken over."""
        return bool(self._memory[-1])

    def _read(self, slot: int) -> tuple[int, Load, float]:
        pid, connections, streams, seen = _SLOT.unpack_from(self._memory, slot * _SLOT.size)
        return pid, Load(connections, streams), seen
