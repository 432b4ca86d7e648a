"""How much of the machine's processors other programs leave to a test."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

# A machine that leaves less than this is taken to leave this much: a bound that is divided by it stays one.
LEAST = 0.1


class ProcessorShare:
    """What part of all processors was left to these processes, idle time included, while the block runs.

    1.0 where nothing else runs. A bound in seconds, divided by it, is one for our own work: what other programs and
    other virtual machines do is left out. What our processes take from each other is not.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = list(pids)
        self._before = (0, 0, 0)
        #: Known after the block.
        self.share = 1.0

    def __enter__(self) -> Self:
        self._before = self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        busy, total, ours = (after - before for after, before in zip(self._read(), self._before, strict=True))
        if total:
            self.share = max(LEAST, min(1.0, 1.0 - (busy - ours) / total))

    def _read(self) -> tuple[int, int, int]:
        """Return what all programs used of the processors, all there was, and what ours used, in clock ticks."""
        # proc(5): user, nice, system, idle, iowait, irq, softirq, steal. Interrupts are left out, as ours cause some.
        ticks = [int(field) for field in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
        return ticks[0] + ticks[1] + ticks[2] + ticks[7], sum(ticks), sum(map(_ticks, self._pids))


def _ticks(pid: int) -> int:
    """Return what a process used, by all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
