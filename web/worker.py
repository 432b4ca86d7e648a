"""The gunicorn side of life: the loop starts after the fork, SIGTERM drains, the end is clean."""

from __future__ import annotations

from types import FrameType

from flask import Flask
from gunicorn.workers.gthread import ThreadWorker

from .extension import Sluice


class SluiceWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's threaded worker, which also owns the life of the application's service."""

    def run(self) -> None:
        """Serve until told to stop. Runs in the worker's main thread, after the fork and after the app is loaded."""
        sluice = self._sluice()
        # Now and not with the first chat, so that /readyz is true from the first moment it can be asked.
        sluice.service.start()
        try:
            super().run()
        finally:
            if not sluice.close():
                self.log.warning("not everything ended in time; the process exits all the same")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the drain on SIGTERM, for which gunicorn has no hook."""
        super().handle_exit(sig, frame)
        # Not in the signal handler itself: it may have interrupted a holder of the locks that draining takes.
        self.method_queue.defer(self._sluice().service.begin_drain)

    def _sluice(self) -> Sluice:
        if not isinstance(self.wsgi, Flask):
            raise TypeError("SluiceWorker serves the Flask application itself: put middleware on app.wsgi_app")
        return Sluice.of(self.wsgi)
