"""How many streams may run at once, in all and for one client."""

from __future__ import annotations

import threading
from collections import Counter

from ..errors import Overloaded

# A slot becomes free whenever any of the open answers ends; with dozens open that is a matter of seconds.
RETRY_AFTER = 2.0
# The next of one client's few answers ends later than the next of all answers.
RETRY_AFTER_OWN = 5.0


class ConcurrencyLimiter:
    """Counts the open streams. All methods may be called from any thread, and none of them waits."""

    def __init__(self, limit: int, per_client: int = 0) -> None:
        """Set the limits.

        Args:
            limit: Streams that may run at once.
            per_client: How many of them may be one client's; 0 sets no such limit.
        """
        self.limit = limit
        self.per_client = per_client
        self._in_use = 0
        self._by_client: Counter[str] = Counter()
        self._lock = threading.Lock()

    def acquire(self, client: str) -> Slot:
        """Take a slot, or fail at once: a request that waits for one holds a thread.

        Args:
            client: The client's identity, such as its address. Only compared, never parsed.

        Returns:
            The slot; `Slot.release` gives it back.

        Raises:
            Overloaded: No slot is free, or this client has as many as it may.
        """
        with self._lock:
            if self._in_use >= self.limit:
                raise Overloaded(f"all {self.limit} slots are in use", retry_after=RETRY_AFTER)
            if self.per_client and self._by_client[client] >= self.per_client:
                raise Overloaded(
                    f"{client} has {self.per_client} streams open",
                    public_message=f"You have {self.per_client} answers open already. Please wait for one to end.",
                    retry_after=RETRY_AFTER_OWN,
                )
            self._in_use += 1
            self._by_client[client] += 1
        return Slot(self, client)

    @property
    def in_use(self) -> int:
        """How many streams run."""
        return self._in_use

    def _release(self, client: str) -> None:
        with self._lock:
            self._in_use -= 1
            self._by_client[client] -= 1
            if not self._by_client[client]:
                # Every address that was ever seen would otherwise stay in memory.
                del self._by_client[client]

    def __repr__(self) -> str:
        return f"<ConcurrencyLimiter {self._in_use} of {self.limit} slots in use, by {len(self._by_client)} clients>"


class Slot:
    """One of a limiter's slots, in use until it is released."""

    def __init__(self, limiter: ConcurrencyLimiter, client: str) -> None:
        """For `ConcurrencyLimiter.acquire` alone."""
        self._limiter: ConcurrencyLimiter | None = limiter
        self._client = client
        self._lock = threading.Lock()

    def release(self) -> None:
        """Give the slot back. Any thread may call it; releasing twice is harmless."""
        with self._lock:
            limiter, self._limiter = self._limiter, None
        if limiter is not None:
            limiter._release(self._client)
