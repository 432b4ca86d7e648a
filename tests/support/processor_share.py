"""How much of the processor a machine gives to processes that want it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self


class ProcessorShare:
    """What part of the time in which they could run, these processes did run, while the block runs.

    1.0 on an idle machine. A bound in seconds of the clock, divided by it, is one for our own work alone: what else
    the machine does is left out. Of each process the thread counts that ran most; the smallest share is taken.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = list(pids)
        self._before: list[dict[str, tuple[int, int]]] = []
        #: Known after the block.
        self.share = 1.0

    def __enter__(self) -> Self:
        self._before = [_threads(pid) for pid in self._pids]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid, before in zip(self._pids, self._before, strict=True):
            after = _threads(pid)
            ran, waited = max(
                (after[thread][0] - before[thread][0], after[thread][1] - before[thread][1])
                for thread in after.keys() & before.keys()
            )
            if ran > 0:
                self.share = min(self.share, ran / (ran + waited))


def _threads(pid: int) -> dict[str, tuple[int, int]]:
    """Return for each thread of a process the nanoseconds that it ran, and that it waited for a processor."""
    found = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            fields = (thread / "schedstat").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        found[thread.name] = int(fields[0]), int(fields[1])
    return found
