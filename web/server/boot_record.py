"""Whether workers of a server can start, in a little memory that master and workers share.

gunicorn ends the whole server where one worker cannot start. That is right for the first: nothing would be better
tomorrow. Later, what is on disk may be half of a deploy, or an edited `.env`, while other workers serve.
"""

from __future__ import annotations

import mmap
import struct

# Whether one has ever started, and how many have failed since the last that did.
_RECORD = struct.Struct("=?I")
# Seconds before another worker is tried: soon, because a half-written file is whole in a moment, and twice as long
# with each failure, because each attempt costs a second of CPU.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0


class BootRecord:
    """Made by the master before it forks; each worker notes how its own start went."""

    def __init__(self) -> None:
        """Reserve the memory; anonymous, so it goes with the last process that has it."""
        self._memory = mmap.mmap(-1, _RECORD.size)

    @property
    def has_booted(self) -> bool:
        """Whether any worker has ever started."""
        booted: bool = _RECORD.unpack_from(self._memory)[0]
        return booted

    def note_boot(self) -> None:
        """Note that a worker has started."""
        _RECORD.pack_into(self._memory, 0, True, 0)

    def note_failure(self) -> float:
        """Note that a worker could not start. Returns how many seconds to wait before the next may try."""
        booted, failures = _RECORD.unpack_from(self._memory)
        _RECORD.pack_into(self._memory, 0, booted, failures + 1)
        pause: float = min(FIRST_PAUSE * 2.0 ** min(failures, 16), LONGEST_PAUSE)
        return pause
