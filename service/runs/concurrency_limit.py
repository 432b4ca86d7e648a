"""How many streams may run, and for whom. Pure decisions: no I/O, no waiting, no clock."""

from __future__ import annotations

import threading
from collections import Counter

from ..errors import Overloaded

# A place becomes free whenever any of the open answers ends; with dozens open that is a matter of seconds.
RETRY_AFTER = 2.0
# A client's own answers take longer to end than anybody's.
RETRY_AFTER_OWN = 5.0


class Admission:
    """Counts the places for streams. All methods may be called from any thread."""

    def __init__(self, places: int, per_client: int = 0) -> None:
        """Set the limits.

        Args:
            places: Streams that may run at once.
            per_client: How many of them may be one client's; 0 sets no such limit.
        """
        self.places = places
        self.per_client = per_client
        self._taken = 0
        self._by_client: Counter[str] = Counter()
        self._lock = threading.Lock()

    def enter(self, client: str) -> Place:
        """Take a place.

        Args:
            client: Who asks: an address now, a key's owner later. Only compared, never parsed.

        Returns:
            The place, to be given back with `leave`.

        Raises:
            Overloaded: None is free, or this client has as many as it may. Said at once: a request that waits
                for a place holds a thread.
        """
        with self._lock:
            if self._taken >= self.places:
                raise Overloaded(f"all {self.places} places are taken", retry_after=RETRY_AFTER)
            if self.per_client and self._by_client[client] >= self.per_client:
                raise Overloaded(
                    f"{client} has {self.per_client} streams open",
                    sentence=f"You have {self.per_client} answers open already. Please wait for one to end.",
                    retry_after=RETRY_AFTER_OWN,
                )
            self._taken += 1
            self._by_client[client] += 1
        return Place(self, client)

    @property
    def taken(self) -> int:
        """How many streams run."""
        return self._taken

    def _give_back(self, client: str) -> None:
        with self._lock:
            self._taken -= 1
            self._by_client[client] -= 1
            if not self._by_client[client]:
                # Every address that was ever seen would otherwise stay in memory.
                del self._by_client[client]

    def __repr__(self) -> str:
        return f"<Admission {self._taken} of {self.places} places taken, by {len(self._by_client)} clients>"


class Place:
    """One place, taken. Giving it back twice is harmless."""

    def __init__(self, admission: Admission, client: str) -> None:
        """Made by `Admission.enter`."""
        self._admission: Admission | None = admission
        self._client = client
        self._lock = threading.Lock()

    def leave(self) -> None:
        """Give the place back."""
        with self._lock:
            admission, self._admission = self._admission, None
        if admission is not None:
            admission._give_back(self._client)
