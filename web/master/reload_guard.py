"""Guards HUP: gunicorn reloads only after a trial start, and several HUPs at one time cause one reload.

gunicorn's own reload ends the server where the new configuration, settings or code cannot start. It has no hook
before a reload, but it looks up the handler of a signal by its name at the master object, where this puts its own.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from .start_signals import ENDING
from .trial_start import Failure, TrialStart

# gunicorn's two names for the handler of SIGCHLD.
_CHILD_HANDLERS = ("handle_chld", "handle_cld")


class ReloadGuard:
    """Handles HUP before gunicorn does. In the master; gunicorn's main loop calls all methods."""

    def __init__(self, server: Any) -> None:
        """Replace gunicorn's handlers, or those of the guard of an earlier configuration."""
        self._server = server
        self._trial: TrialStart | None = None
        self._is_wanted_again = False
        server.handle_hup = self._handle_hup
        for name in _CHILD_HANDLERS:
            setattr(server, name, self._handle_child)
        server.reload_guard = self

    def _handle_hup(self) -> None:
        if self._trial is not None:
            # The running trial may have read files that are older than this HUP.
            self._is_wanted_again = True
            return
        self._server.log.info("HUP: testing whether a worker can start with the files on disk")
        try:
            self._trial = TrialStart(self._server)
        except OSError as error:
            self._refuse(Failure(f"it cannot be tried ({error.strerror})"))

    def _handle_child(self) -> None:
        trial = self._trial
        if trial is not None and trial.has_ended():
            self._trial = None
            failure = trial.conclude()
            if failure is None:
                self._reload()
            else:
                self._refuse(failure)
            if self._is_wanted_again:
                self._is_wanted_again = False
                # The reload may have installed another guard.
                self._server.handle_hup()
        type(self._server).handle_chld(self._server)

    def _refuse(self, failure: Failure) -> None:
        log = self._server.log
        for line in failure.sentence.splitlines() or [""]:
            log.error("HUP was not carried out, because a new worker could not start: %s", line)
        for line in failure.details.splitlines():
            log.error("    %s", line)
        log.error("the running workers keep their settings and their code; correct this, then send HUP again")

    def _reload(self) -> None:
        with self._pass_signals_on():
            type(self._server).handle_hup(self._server)

    @contextmanager
    def _pass_signals_on(self) -> Iterator[None]:
        """Pass signals that end the server to its workers at once; gunicorn waits for the old ones first."""
        handlers = {int(number): signal.getsignal(number) for number in ENDING}

        def pass_on(number: int, frame: FrameType | None) -> None:
            self._server.worker_replacement.end()
            for pid in list(self._server.WORKERS):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM if number == signal.SIGTERM else signal.SIGQUIT)
            handler = handlers[number]
            if callable(handler):
                handler(number, frame)

        for number in ENDING:
            signal.signal(number, pass_on)
        try:
            yield
        finally:
            for number in ENDING:
                signal.signal(number, handlers[int(number)])

    def close(self) -> None:
        """End a running trial, when the server ends."""
        trial, self._trial = self._trial, None
        if trial is not None:
            trial.cancel()
