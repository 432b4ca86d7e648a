"""Counting that raises nothing: failures of metrics are counted, and logged once a minute."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

logger = logging.getLogger("sluice.metrics")

# Seconds between two log lines about failures.
LOG_INTERVAL = 60.0


class MetricGuard:
    """Suppresses exceptions of a block; counts them, and logs them once a minute at most. Any thread may use it."""

    def __init__(self) -> None:
        """Begin with no failure."""
        #: How many there were.
        self.failures = 0
        self._lock = threading.Lock()
        self._log_at = 0.0

    def __enter__(self) -> None:
        """Begin a block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """End a block; suppress an `Exception`."""
        if not isinstance(error, Exception):
            return False
        self.failed(error)
        return True

    def failed(self, error: Exception) -> None:
        """Count a failure, and log it."""
        with self._lock:
            self.failures += 1
        # An OSError needs no traceback: its reason is not in our code.
        self.note(
            "metrics could not be written or read; counting goes on in memory, and the files are tried again "
            f"({type(error).__name__}: {error})",
            None if isinstance(error, OSError) else error,
        )

    def note(self, what: str, error: Exception | None = None) -> None:
        """Log a warning, unless there was one within the last minute."""
        with self._lock:
            now = time.monotonic()
            if self._log_at and now < self._log_at:
                return
            self._log_at = now + LOG_INTERVAL
        logger.warning("%s; %d failures so far", what, self.failures, exc_info=error)
