"""What signals do in a worker that does not drain by itself: gunicorn's gthread and sync workers."""

from __future__ import annotations

import queue
import signal
import threading
from types import FrameType

from .services import Services
from .start_signals import LEAVE


class DrainSignals:
    """Handlers before gunicorn's own: SIGTERM drains, and what ends a worker at once does so once.

    gunicorn has no hook for SIGTERM, and its hook for the others comes too late. Ctrl-C sends SIGINT to all
    processes, upon which the master sends its workers SIGQUIT; the second then waits for a lock that the first holds.
    """

    def __init__(self, services: Services, graceful_timeout: float) -> None:
        """Set the handlers, on the worker's main thread, after gunicorn has set its own.

        Args:
            services: What is drained; started already.
            graceful_timeout: Seconds after which gunicorn's master kills the worker.
        """
        self._services = services
        self._graceful_timeout = graceful_timeout
        # Its `put` is the one way to wake a thread that is safe in a signal handler: the signal may have interrupted
        # a holder of the locks that draining takes, or that starting a thread takes.
        self._told: queue.SimpleQueue[bool] = queue.SimpleQueue()
        threading.Thread(target=self._wait, name="sluice-drain", daemon=True).start()
        self._gunicorns = {int(number): signal.getsignal(number) for number in LEAVE}
        signal.signal(signal.SIGTERM, self._drain)
        # As gunicorn has it: requests that wait for the system are not interrupted.
        signal.siginterrupt(signal.SIGTERM, False)
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._end)

    def _drain(self, number: int, frame: FrameType | None) -> None:
        self._told.put(True)
        self._pass_on(number, frame)

    def _end(self, number: int, frame: FrameType | None) -> None:
        for other in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(other, signal.SIG_IGN)
        self._pass_on(number, frame)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        gunicorns = self._gunicorns[number]
        if callable(gunicorns):
            gunicorns(number, frame)

    def _wait(self) -> None:
        while self._told.get():
            self._services.begin_drain(self._graceful_timeout)

    def close(self) -> bool:
        """End open answers with a terminal frame, and close the services. Returns whether it ended in time."""
        self._told.put(False)
        return self._services.close()
