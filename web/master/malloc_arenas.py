"""Makes all threads of a worker use one malloc arena.

glibc gives threads up to eight arenas for each CPU. Memory that a thread frees stays in its arena, so a buffer that
48 threads use in turn is kept sixteen times. See docs/decisions/0034-one-malloc-arena.md.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

logger = logging.getLogger("sluice.malloc")

# mallopt(3), `M_ARENA_MAX`.
_ARENA_MAX = -8


def share_one_arena(environ: Mapping[str, str] = os.environ) -> None:
    """Make all threads use the main thread's arena. Called before any thread is started.

    Does nothing where the operator has set the number of arenas, or where the C library has none (musl, macOS).

    Args:
        environ: The environment. `MALLOC_ARENA_MAX`, or `glibc.malloc.arena_max` in `GLIBC_TUNABLES`, is the number
            that the operator has set.
    """
    if "MALLOC_ARENA_MAX" in environ or "glibc.malloc.arena_max" in environ.get("GLIBC_TUNABLES", ""):
        return
    try:
        # Some builds lack ctypes. With libffi before 3.4 it needs executable memory, which may be forbidden.
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    except (ImportError, MemoryError, OSError) as error:
        logger.info("mallopt cannot be called, so threads use many malloc arenas: %r; set MALLOC_ARENA_MAX=1", error)
        return
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
