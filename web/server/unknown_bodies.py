"""Logs which middleware's body keeps the loop from writing a stream."""

from __future__ import annotations

import logging
import threading
from typing import Any

logger = logging.getLogger("sluice.web")


class UnknownBodies:
    """Logs, once for each type in a process, that a middleware's body keeps the loop from writing. For any thread."""

    def __init__(self) -> None:
        """Begin without any."""
        self._lock = threading.Lock()
        self._logged: set[str] = set()

    def report(self, body: object) -> None:
        """Log the type of a body around a stream, unless it was logged before."""
        name = _describe(body)
        with self._lock:
            if name in self._logged:
                return
            self._logged.add(name)
        logger.warning(
            "a middleware or an after_request function wraps streams in %s, which may change their bytes: they pass "
            "through it, and each token wakes a thread (docs/how-to/monitoring.md)",
            name,
        )


def _describe(body: object) -> str:
    code: Any = getattr(body, "gi_code", None)
    if code is not None:
        return f"a generator of {code.co_qualname} ({code.co_filename}:{code.co_firstlineno})"
    return f"an object of {type(body).__module__}.{type(body).__qualname__}"


unknown_bodies = UnknownBodies()
