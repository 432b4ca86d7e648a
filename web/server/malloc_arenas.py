"""The memory that a worker's C code takes from the system: one heap, in place of one for each group of threads.

glibc gives threads up to eight heaps ("arenas") for each CPU, so that they do not wait for each other. What one
thread gives back stays in its heap, for that heap's threads: a buffer that each of 48 threads needs in turn is kept
sixteen times. A worker of 24 clients, of whom some read nothing, grew from 80 to 138 MiB within 12,000 visits, and
on; with one heap it stays at 95 (docs/decisions/ 34). Nobody waits for it: these threads have the interpreter's
lock when they take memory, nearly always.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

logger = logging.getLogger("sluice.malloc")

# mallopt(3), `M_ARENA_MAX`.
_ARENA_MAX = -8


def share_one_arena(environ: Mapping[str, str] = os.environ) -> None:
    """Have the threads that are started from now on share the main thread's heap. Before any of them is started.

    Nothing is changed where an operator chose otherwise, or where the C library has no such choice (musl, macOS).

    Args:
        environ: Where the choice would be: `MALLOC_ARENA_MAX`, or `glibc.malloc.arena_max` in `GLIBC_TUNABLES`.
    """
    if "MALLOC_ARENA_MAX" in environ or "glibc.malloc.arena_max" in environ.get("GLIBC_TUNABLES", ""):
        return
    try:
        # Not every Python has it, and before libffi 3.4 it cannot be loaded where no memory may be made executable.
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    except (ImportError, MemoryError, OSError) as error:
        logger.info("mallopt cannot be called, so threads use many malloc arenas: %r; set MALLOC_ARENA_MAX=1", error)
        return
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
