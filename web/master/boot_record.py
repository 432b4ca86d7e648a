"""Whether the workers of a server can start, in memory that the master and the workers share.

gunicorn ends the server where a worker cannot start. That is right for the first one. Later, the files on disk may be
those of an unfinished deploy, or an edited `.env`, while other workers serve.
"""

from __future__ import annotations

import mmap
import struct

# Whether a worker has ever started, and how many have failed since the last one that did.
_RECORD = struct.Struct("=?I")
# Seconds before another worker is started: short, because a file is written in a moment; doubled with each failure,
# because each attempt costs a second of CPU.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0


class BootRecord:
    """Made by the master before it forks. Each worker records the result of its start."""

    def __init__(self) -> None:
        """Allocate the memory. It is anonymous, so it ends with the last process that uses it."""
        self._memory = mmap.mmap(-1, _RECORD.size)

    @property
    def has_booted(self) -> bool:
        """Whether any worker has ever started."""
        booted: bool = _RECORD.unpack_from(self._memory)[0]
        return booted

    def note_boot(self) -> None:
        """Record that a worker has started."""
        _RECORD.pack_into(self._memory, 0, True, 0)

    def note_failure(self) -> float:
        """Record that a worker could not start; return the seconds to wait before the next one."""
        booted, failures = _RECORD.unpack_from(self._memory)
        _RECORD.pack_into(self._memory, 0, booted, failures + 1)
        pause: float = min(FIRST_PAUSE * 2.0 ** min(failures, 16), LONGEST_PAUSE)
        return pause
