"""HUP, made safe: gunicorn reloads only what has been tried, and many HUPs at one time are one.

gunicorn's own reload ends the master, and with it all service, where the new configuration, settings or code cannot
start. It has no hook before; but it looks up the handler of a signal by its name on the master's object.
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

# As gunicorn's main loop names the signal that a child has ended, which has two names.
_CHILD_HANDLERS = ("handle_chld", "handle_cld")


class ReloadGuard:
    """Stands before gunicorn's handling of HUP. In the master; all methods run in gunicorn's main loop."""

    def __init__(self, server: Any) -> None:
        """Take the place of the handlers, also of those of a guard that an earlier configuration has installed."""
        self._server = server
        self._trial: TrialStart | None = None
        self._is_wanted_again = False
        server.handle_hup = self._handle_hup
        for name in _CHILD_HANDLERS:
            setattr(server, name, self._handle_child)
        server.reload_guard = self

    def _handle_hup(self) -> None:
        if self._trial is not None:
            # What it has read may be older than this HUP.
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
                # By now that may be another guard's.
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
        with self._passing_on():
            type(self._server).handle_hup(self._server)

    @contextmanager
    def _passing_on(self) -> Iterator[None]:
        """Pass what ends the server on to its workers: gunicorn itself first waits until the old ones have gone."""
        gunicorns = {int(number): signal.getsignal(number) for number in ENDING}

        def pass_on(number: int, frame: FrameType | None) -> None:
            for pid in list(self._server.WORKERS):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM if number == signal.SIGTERM else signal.SIGQUIT)
            handler = gunicorns[number]
            if callable(handler):
                handler(number, frame)

        for number in ENDING:
            signal.signal(number, pass_on)
        try:
            yield
        finally:
            for number in ENDING:
                signal.signal(number, gunicorns[int(number)])

    def close(self) -> None:
        """End what is being tried, at the server's end."""
        trial, self._trial = self._trial, None
        if trial is not None:
            trial.cancel()
