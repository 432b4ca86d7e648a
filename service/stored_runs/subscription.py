"""One reader's place at a stored run, which goes on when the reader leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from ..concurrency.event_loop_thread import LoopThread, LoopUnavailable
from ..errors import ServiceError
from ..runs.log import LogReader, RunLog
from ..runs.run import Run
from ..runs.subscription import Subscription


class Followed(Protocol):
    """A run whose readers are counted. For the loop's thread."""

    run_id: str
    owner: str
    log: RunLog
    readers: int

    def enter(self) -> None:
        """Count one reader more."""

    def leave(self) -> None:
        """Count one reader less."""


class StoredSubscription(Subscription):
    """A reader of a stored run. `close` and `disconnect` end only this reading."""

    def __init__(
        self, loop: LoopThread, followed: Followed, heartbeat: float, *, after: int = 0,
        run: Run | None = None, is_counted: bool = True,
    ) -> None:  # fmt: skip
        """Take a place.

        Args:
            loop: The loop thread of the log.
            followed: What is read.
            heartbeat: Seconds without an event after which the iteration yields an empty batch.
            after: The number of the event behind which to begin.
            run: The run itself, where this is the reader that has begun it.
            is_counted: Whether the place was counted by `Followed.enter`. If not, it is not one of a reader.
        """
        super().__init__(loop, followed.log, heartbeat, after)
        self.run_id = followed.run_id
        self._followed = followed
        self._run = run
        self._is_counted = is_counted
        self._follower: LogReader | None = None
        self._lock = threading.Lock()
        self._is_closed = False
        self._closes_run = False

    @property
    def is_first(self) -> bool:
        """Whether this reader has begun the run, which is then this process's."""
        return self._run is not None

    def wait_accepted(self, timeout: float) -> bool:
        """Wait until the model begins to answer, as `Run.wait_accepted`; not for a run that another has begun."""
        return self._run is None or self._run.wait_accepted(timeout)

    def stop(self, error: ServiceError) -> None:
        """Do nothing: the run goes on for other readers."""

    def disconnect(self) -> None:
        """End this reading. Does not wait; any thread may call it."""
        self._is_left = not self.has_delivered_end
        if self._reader is not None:
            self._reader.close()
        self._call_soon(self._release)

    def close(self) -> None:
        """Give up the place. Any thread may call it; closing twice is harmless."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        if self._reader is not None:
            self._reader.close()
        if self._is_counted:
            self._call_soon(self._followed.leave)
        if self._run is not None and self._closes_run:
            self._run.close()

    def take_over_run(self) -> bool:
        """Have `close` close the run, too: it is about to come on a thread, as for any reader that has the end.

        Returns:
            Whether it does so. If not, the reader has not got the end, has left, or has not begun the run.
        """
        with self._lock:
            self._closes_run = self._run is not None and self.has_delivered_end and not self._is_closed
        return self._closes_run

    def attach(self, reader: LogReader) -> None:
        """Have a reader follow the log. On the loop's thread."""
        if self._is_left:
            reader.end()
            return
        self._follower = reader
        super().attach(reader)

    def _release(self) -> None:
        """Release what follows the log on the loop's thread."""
        follower, self._follower = self._follower, None
        if follower is not None:
            self.log.detach(follower)
            follower.end()

    def _call_soon(self, function: Callable[[], object]) -> None:
        try:
            self.loop.call_soon(function)
        except LoopUnavailable:
            # The readers are gone with the loop.
            return
