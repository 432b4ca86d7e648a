"""Stops the old workers of a reload only once the new ones serve.

gunicorn stops them as soon as it has forked the new ones, and no worker accepts connections until those have loaded
the application. gunicorn looks up the method that does it by its name at the master object, where this puts its own.
"""

from __future__ import annotations

import time
from typing import Any

from ..intake.gunicorn_internals import has_reported
from .trial_start import longest_start

# Seconds between two looks at the new workers, as in gunicorn's own loop of a reload.
_PAUSE = 0.1


class WorkerReplacement:
    """Decides when workers that are too many are stopped. In the master; gunicorn's main loop calls all methods.

    Made at the start of a server, and in each reload, before it forks the new workers.
    """

    def __init__(self, server: Any) -> None:
        """Replace gunicorn's method, or that of the last reload. The workers that run now are the old ones."""
        self._server = server
        self._newest_old: int = server.worker_age
        self._is_reloading = self._newest_old > 0
        self._is_ending = False
        server.manage_workers = self._manage_workers
        server.worker_replacement = self

    def end(self) -> None:
        """Wait no longer, because the server ends. May be called by a signal handler."""
        self._is_ending = True

    def _manage_workers(self) -> None:
        """Start workers that are missing, and stop those that are too many once all that stay serve."""
        if self._is_reloading:
            self._is_reloading = False
            self._wait_for_new_workers()
        if self._is_ending:
            return
        server = self._server
        self._start_missing()
        if len(server.WORKERS) <= server.num_workers or self._new_workers_serve():
            type(server).manage_workers(server)

    def _wait_for_new_workers(self) -> None:
        """Wait until the new workers serve, no old one is left, or the longest start is over.

        gunicorn's reload next waits until the old workers have exited, so they have to be stopped before.
        """
        server = self._server
        limit = longest_start(server.cfg)
        until = time.monotonic() + limit
        while self._has_old_workers() and not self._new_workers_serve() and not self._is_ending:
            if time.monotonic() >= until:
                server.log.error("the new workers do not serve after %d s; the old ones go on until they do", limit)
                return
            time.sleep(_PAUSE)
            server.reap_workers()
            self._start_missing()

    def _start_missing(self) -> None:
        """Start a new worker for each one that has died: gunicorn would count the old ones, and start none."""
        if self._has_old_workers() and not self._is_ending:
            for _ in range(self._server.num_workers - len(self._new_workers())):
                self._server.spawn_worker()

    def _new_workers(self) -> list[Any]:
        workers = self._server.WORKERS.values()
        return sorted((worker for worker in workers if worker.age > self._newest_old), key=lambda worker: worker.age)

    def _has_old_workers(self) -> bool:
        return any(worker.age <= self._newest_old for worker in self._server.WORKERS.values())

    def _new_workers_serve(self) -> bool:
        """Return whether all workers serve that stay when gunicorn has stopped the oldest of those too many."""
        wanted = self._server.num_workers
        youngest = self._new_workers()[-wanted:] if wanted else []
        return len(youngest) == wanted and all(map(has_reported, youngest))
