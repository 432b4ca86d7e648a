"""Pins a worker to one CPU while no other process needs that CPU. Linux only; does nothing elsewhere.

Python runs one thread of a process at a time, so the threads of a worker gain nothing from several CPUs, and wake
each other across them (docs/decisions/0019-pin-a-worker-to-an-idle-cpu.md). But a pinned worker cannot avoid a
process that is busy on its CPU. So the worker is unpinned when another process is busy there, and pinned again later.

Loaded by gunicorn's master too, so it loads nothing of the application (test_imports.py).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

logger = logging.getLogger("sluice.affinity")

# Seconds between two checks, and so for how long another process can disturb, and for how long the worker is not
# pinned after that: a request then costs nearly twice as much. A check takes 0.1 ms.
CHECK_INTERVAL = 0.25
# Share of the worker's CPU that others use. Above it the worker is unpinned: about one wait in three for the CPU
# would be long. A front proxy for one worker, and the kernel's work for its connections, stay below.
DISTURBED = 0.3
# Mean share of all CPUs that others use. Below it the worker is pinned again. Far below the other limit, so that a
# worker is not pinned and unpinned all the time.
QUIET = 0.15


class Affinity:
    """The CPU of one worker. For its main thread, after the fork."""

    def __init__(self, number: int, busy_seconds: Callable[[], dict[int, float]] | None = None) -> None:
        """Pin the calling thread, and so the threads that it will start, to one CPU.

        Args:
            number: The worker's number. Workers that start together begin on different CPUs.
            busy_seconds: Returns for how many seconds each CPU has been busy. Default: by the system's counters.
        """
        self._read = busy_seconds or _read_busy_seconds
        possible = hasattr(os, "sched_setaffinity") and Path("/proc/self/task").is_dir()
        self._allowed = sorted(os.sched_getaffinity(0)) if possible else []
        #: The CPU it is pinned to; None where it is not pinned.
        self.cpu: int | None = None
        #: Whether there are several CPUs, and the system reports their load.
        self._is_active = len(self._allowed) > 1
        if self._is_active:
            self._checked_at, self._own = time.monotonic(), time.process_time()
            self._next_check_at = self._checked_at + CHECK_INTERVAL
            try:
                self._busy = self._read()
            except OSError:  # hidden, as by systemd's ProcSubset=pid
                self._busy = {}
            # Some containers show other CPUs than a process may use: LXC counts its own from 0.
            if self._busy.keys() >= set(self._allowed):
                self._pin(self._allowed[number % len(self._allowed)])
            else:
                self._give_up("the system does not report the load of its CPUs")

    def update(self) -> None:
        """Pin or unpin the worker by the load of the CPUs. Checks at most once in `CHECK_INTERVAL`."""
        now = time.monotonic()
        if not self._is_active or now < self._next_check_at:
            return
        self._next_check_at = now + CHECK_INTERVAL
        try:
            self._decide(now)
        except OSError as error:
            # A check needs a descriptor, and none may be left.
            logger.debug("the load of the CPUs cannot be read: %s", error)

    def _decide(self, now: float) -> None:
        busy, own, passed = self._read(), time.process_time(), now - self._checked_at
        if busy.keys() >= set(self._allowed):
            shares = {cpu: (busy[cpu] - self._busy[cpu]) / passed for cpu in self._allowed}
            cpu = choose_cpu(self.cpu, shares, (own - self._own) / passed)
            self._checked_at, self._busy, self._own = now, busy, own
            if cpu != self.cpu:
                logger.debug("the worker now runs on %s", "any CPU" if cpu is None else f"CPU {cpu}")
                self._pin(cpu)
        else:
            self._give_up("a CPU was taken away")

    def _pin(self, cpu: int | None) -> None:
        threads = list(Path("/proc/self/task").iterdir())
        self.cpu = cpu
        # The system call changes one thread. A new thread inherits from the one that starts it.
        for thread in threads:
            try:
                os.sched_setaffinity(int(thread.name), self._allowed if cpu is None else {cpu})
            except ProcessLookupError:
                logger.debug("thread %s has ended", thread.name)
            except OSError as error:
                # Forbidden, or the CPU was removed. The worker serves unpinned.
                self._give_up(str(error))
                return

    def _give_up(self, reason: str) -> None:
        if not self._is_active:
            return  # unpinning is forbidden as well
        self._is_active = False
        logger.info("the worker is not pinned to a CPU: %s", reason)
        if self.cpu is not None:
            self._pin(None)


def choose_cpu(cpu: int | None, busy: Mapping[int, float], own: float) -> int | None:
    """Return the CPU that a worker should be pinned to.

    Args:
        cpu: The CPU it is pinned to; None where it is not pinned.
        busy: For each CPU that it may use, the share of the last interval in which the CPU was busy.
        own: The worker's share in that.

    Returns:
        The CPU; None where the worker should not be pinned.
    """
    if cpu is not None:
        return cpu if busy.get(cpu, 0.0) - own <= DISTURBED else None
    if (sum(busy.values()) - own) / len(busy) > QUIET:
        return None
    return min(busy, key=lambda each: busy[each])


def _read_busy_seconds() -> dict[int, float]:
    """Return the seconds for which each CPU has been busy since the machine started (proc(5), /proc/stat)."""
    tick = os.sysconf("SC_CLK_TCK")
    found = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            user, nice, system, _, _, irq, softirq, steal, *_ = map(int, fields)
            found[int(name[3:])] = (user + nice + system + irq + softirq + steal) / tick
    return found
