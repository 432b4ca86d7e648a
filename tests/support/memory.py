"""How much memory a process holds, as the kernel counts it."""

from __future__ import annotations

import re
from pathlib import Path


def resident(pid: int, field: str = "VmRSS") -> int:
    """Return the resident memory of a process in bytes."""
    matched = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert matched
    return int(matched[1]) * 1024


def resident_peak(pid: int) -> int:
    """Return the largest resident memory of a process in bytes since `forget_peak`."""
    return resident(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Have the kernel measure the peak from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
