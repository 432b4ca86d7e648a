"""Keeps a worker on one CPU while it has that one for itself. Linux only; elsewhere it does nothing.

Python runs one thread of a process at a time. On several CPUs the threads of a worker wake each other across them
only to wait for the interpreter: of 8 requests at a time each took 65 switches between threads where 10 are enough,
and twice the CPU time (docs/decisions/ 19). A worker cannot use more than one CPU anyway. But one that is bound to a
CPU cannot get away from a process that is busy there, and its clients wait. So it is let go when others come, and
bound again when they have gone.

Loaded by gunicorn's master too, so it imports nothing of the application.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

logger = logging.getLogger("sluice.affinity")

# Seconds between two looks, and so for how long a neighbour can disturb; a look takes 0.1 ms.
LOOK_EVERY = 1.0
# Shares of a CPU. Let go where others take more than this of the worker's own: then about one wait in three for the
# CPU would be a long one. A front proxy for one worker, and what the system does for its connections, stay below it.
DISTURBED = 0.3
# Bound again only where there is less than this on all CPUs together, for each: well below the other, so that a
# worker does not come and go.
QUIET = 0.15


class Affinity:
    """The CPU of one worker. For its main thread, after the fork."""

    def __init__(self, number: int, busy_seconds: Callable[[], dict[int, float]] | None = None) -> None:
        """Bind the calling thread, and so the threads that it will start, to one CPU.

        Args:
            number: Which worker this is: workers that start together begin on different CPUs.
            busy_seconds: Reads for how long each CPU has been busy. Default: what the system says.
        """
        self._read = busy_seconds or _read_busy_seconds
        possible = hasattr(os, "sched_setaffinity") and Path("/proc/self/task").is_dir()
        self._allowed = sorted(os.sched_getaffinity(0)) if possible else []
        #: Where it is bound to; `None` where it may be anywhere.
        self.cpu: int | None = None
        #: Whether there is a choice, and the system says what it takes.
        self._active = len(self._allowed) > 1
        if self._active:
            self._looked_at, self._own = time.monotonic(), time.process_time()
            self._look_at = self._looked_at + LOOK_EVERY
            try:
                self._busy = self._read()
            except OSError:  # hidden, as by systemd's ProcSubset=pid
                self._busy = {}
            # Some containers show other CPUs than a process may use: LXC counts its own from 0.
            if self._busy.keys() >= set(self._allowed):
                self._bind(self._allowed[number % len(self._allowed)])
            else:
                self._give_up("the system does not report the load of its CPUs")

    def look(self) -> None:
        """See whether others are busy where the worker is, and bind it or let it go. At most once a second."""
        now = time.monotonic()
        if not self._active or now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY
        try:
            self._decide(now)
        except OSError as error:
            # A look takes a descriptor, and clients may hold all that there are.
            logger.debug("the load of the CPUs cannot be read: %s", error)

    def _decide(self, now: float) -> None:
        busy, own, passed = self._read(), time.process_time(), now - self._looked_at
        if busy.keys() >= set(self._allowed):
            shares = {cpu: (busy[cpu] - self._busy[cpu]) / passed for cpu in self._allowed}
            cpu = choose_cpu(self.cpu, shares, (own - self._own) / passed)
            self._looked_at, self._busy, self._own = now, busy, own
            if cpu != self.cpu:
                logger.debug("the worker now runs on %s", "any CPU" if cpu is None else f"CPU {cpu}")
                self._bind(cpu)
        else:
            self._give_up("a CPU was taken away")

    def _bind(self, cpu: int | None) -> None:
        threads = list(Path("/proc/self/task").iterdir())
        self.cpu = cpu
        # The system call is about one thread; those that start later have it from the one that starts them.
        for thread in threads:
            try:
                os.sched_setaffinity(int(thread.name), self._allowed if cpu is None else {cpu})
            except ProcessLookupError:
                logger.debug("thread %s has ended", thread.name)
            except OSError as error:
                # Forbidden, or the CPU has been taken away: a worker serves without this as well.
                self._give_up(str(error))
                return

    def _give_up(self, reason: str) -> None:
        if not self._active:
            return  # also to let go is forbidden
        self._active = False
        logger.info("the worker is not pinned to a CPU: %s", reason)
        if self.cpu is not None:
            self._bind(None)


def choose_cpu(cpu: int | None, busy: Mapping[int, float], own: float) -> int | None:
    """Decide where a worker should be.

    Args:
        cpu: Where it is bound to; `None`: nowhere.
        busy: For each CPU that it may use, the share of the last second in which it was busy, with whatever.
        own: The worker's own part of that.

    Returns:
        The CPU to be bound to; `None`: any.
    """
    if cpu is not None:
        return cpu if busy.get(cpu, 0.0) - own <= DISTURBED else None
    if (sum(busy.values()) - own) / len(busy) > QUIET:
        return None
    return min(busy, key=lambda each: busy[each])


def _read_busy_seconds() -> dict[int, float]:
    """Read for how long each CPU has been busy since the machine started; proc(5), /proc/stat."""
    tick = os.sysconf("SC_CLK_TCK")
    found = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            user, nice, system, _, _, irq, softirq, steal, *_ = map(int, fields)
            found[int(name[3:])] = (user + nice + system + irq + softirq + steal) / tick
    return found
