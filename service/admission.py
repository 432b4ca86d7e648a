"""How many streams may run. Pure decisions: no I/O, no waiting, no clock."""

from __future__ import annotations

import threading

from .errors import Overloaded

# A place becomes free whenever any of the open answers ends; with dozens open that is a matter of seconds.
RETRY_AFTER = 2.0


class Admission:
    """Counts the places for streams. All methods may be called from any thread."""

    def __init__(self, places: int) -> None:
        """Set the number of streams that may run at once."""
        self.places = places
        self._taken = 0
        self._lock = threading.Lock()

    def enter(self) -> Place:
        """Take a place.

        Returns:
            The place, to be given back with `leave`.

        Raises:
            Overloaded: None is free. Said at once: a request that waits for a place holds a thread.
        """
        with self._lock:
            if self._taken >= self.places:
                raise Overloaded(f"all {self.places} places are taken", retry_after=RETRY_AFTER)
            self._taken += 1
        return Place(self)

    @property
    def taken(self) -> int:
        """How many streams run."""
        return self._taken

    def _give_back(self) -> None:
        with self._lock:
            self._taken -= 1

    def __repr__(self) -> str:
        return f"<Admission {self._taken} of {self.places} places taken>"


class Place:
    """One place, taken. Giving it back twice is harmless."""

    def __init__(self, admission: Admission) -> None:
        self._admission: Admission | None = admission
        self._lock = threading.Lock()

    def leave(self) -> None:
        """Give the place back."""
        with self._lock:
            admission, self._admission = self._admission, None
        if admission is not None:
            admission._give_back()
