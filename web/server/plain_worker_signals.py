"""The signals of gunicorn's own gthread and sync workers: SIGTERM drains, SIGINT and SIGQUIT end at once."""

from __future__ import annotations

import queue
import signal
import threading
from types import FrameType
from typing import Any, Final

from ..intake.gunicorn_internals import main_loop_of
from ..master.start_signals import ENDING
from ..services import Services

#: By these the master replaces its workers. By default they end a process.
MEANT_FOR_MASTER: Final = (signal.SIGHUP, signal.SIGUSR2)


class PlainWorkerSignals:
    """Signal handlers that call gunicorn's own: SIGTERM also drains; a second SIGINT or SIGQUIT is ignored.

    gunicorn has no hook for SIGTERM, and calls its hook for the others too late. Ctrl-C sends SIGINT to all
    processes, and the master then sends SIGQUIT to its workers, which would interrupt the exit. Signals for the
    master that are sent to all processes, as by `pkill -HUP gunicorn`, are ignored.
    """

    def __init__(self, worker: Any, services: Services) -> None:
        """Set the handlers, on the worker's main thread, after gunicorn has set its own.

        Args:
            worker: The gthread or sync worker.
            services: The services to drain, started.
        """
        self._services = services
        self._graceful_timeout: float = worker.cfg.graceful_timeout
        self._defer = main_loop_of(worker)
        # A signal may interrupt a thread that holds a lock which a drain, or starting a thread, needs. `put` of this
        # queue is safe in a signal handler.
        self._orders: queue.SimpleQueue[bool] = queue.SimpleQueue()
        threading.Thread(target=self._wait, name="sluice-drain", daemon=True).start()
        self._gunicorn_handlers = {int(number): signal.getsignal(number) for number in ENDING}
        signal.signal(signal.SIGTERM, self._drain)
        # As in gunicorn: system calls of requests are not interrupted.
        signal.siginterrupt(signal.SIGTERM, False)
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._end)
        for number in MEANT_FOR_MASTER:
            signal.signal(number, signal.SIG_IGN)

    def _drain(self, number: int, frame: FrameType | None) -> None:
        self._orders.put(True)
        self._pass_on(number, frame)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ignore_further()
        if self._defer is None:
            # A sync worker runs requests on its main thread, where only an exception ends one. Its handler takes no
            # lock: it raises SystemExit.
            self._pass_on(number, frame)
        else:
            # A gthread worker shuts its pool of threads down. The signal may have interrupted its main thread while
            # that holds the pool's lock.
            self._defer(self._pass_on, number, None)

    @staticmethod
    def _ignore_further() -> None:
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        handler = self._gunicorn_handlers[number]
        if callable(handler):
            handler(number, frame)

    def _wait(self) -> None:
        while self._orders.get():
            self._services.begin_drain(self._graceful_timeout)

    def close(self) -> bool:
        """End open streams with a terminal frame, and close the services; return whether all ended in time."""
        # The worker's main loop has ended and handles no signal any more.
        self._ignore_further()
        self._orders.put(False)
        return self._services.close()
