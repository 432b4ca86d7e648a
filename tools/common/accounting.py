"""What the operating system says that processes have used. Linux only.

CPU time is read from each process's own CPU clock: the same account as utime + stime in /proc/PID/stat (all its
threads, those that have ended too), in nanoseconds instead of ticks of 10 ms.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def cpu_seconds(pids: Iterable[int]) -> float:
    """Sum the CPU time, user and system, that these processes have used so far."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            # As in the kernel's MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED); clock_getcpuclockid(3) does the same.
            total += time.clock_gettime((~pid << 3) | 2)
    return total


def machine_seconds() -> float:
    """Return the CPU time that all cores together have been busy for since the machine started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    idle = fields[3] + fields[4]
    # Guests are counted within user and nice already.
    return (sum(fields[:8]) - idle) / os.sysconf("SC_CLK_TCK")


def memory_bytes(pids: Iterable[int]) -> int:
    """Sum the memory of these processes; what several share is divided among them (PSS)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def switches(pids: Iterable[int]) -> int:
    """Sum the context switches of all threads that these processes have now."""
    total = 0
    for pid in pids:
        for task in _tasks(pid):
            with contextlib.suppress(OSError):
                lines = (task / "status").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return total


def thread_seconds(pid: int) -> dict[int, tuple[str, float]]:
    """Return name and CPU time of each thread that a process has now."""
    found = {}
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            used = int((task / "schedstat").read_text().split()[0]) / 1e9
            found[int(task.name)] = ((task / "comm").read_text().strip(), used)
    return found


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def session_pids(session: int) -> list[int]:
    """List the processes of a session that are there now, zombies excluded."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name may hold spaces and brackets: only the last bracket ends it.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session and fields[0] != "Z":
                    found.append(int(entry.name))
    return sorted(found)


def machine() -> dict[str, Any]:
    """Say what this was measured on."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }
