"""A trial of a reload: a child of the master does all that a new worker would do, but for serving."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import traceback
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from ...service.settings import kept_dotenv
from . import start_signals
from .listen_address import AddressUnavailable, refuse_unavailable

# More would be cut off: what a pipe holds, so that the child never waits for its reader.
_MOST_SAID = 32_000
# Where gunicorn has no limit of its own for a worker that does not start.
_LONGEST = 60


@dataclass(frozen=True)
class Failure:
    """Why a reload cannot succeed."""

    #: For the operator.
    sentence: str
    #: The traceback; empty where the sentence says all.
    details: str = ""


class TrialStart:
    """A child that tries to start a worker with the configuration, settings and code that are on disk."""

    def __init__(self, server: Any) -> None:
        """Fork the child, from gunicorn's main loop.

        Raises:
            OSError: No process or descriptor is left, or no temporary directory can be made.
        """
        self._read, write = os.pipe()
        self._metrics = ""
        try:
            # The metrics of the child are nobody's. Removed here, because it may be killed.
            self._metrics = tempfile.mkdtemp(prefix="sluice-trial-")
            self._pid = os.fork()
        except OSError:
            os.close(write)
            self._clean_up()
            raise
        if self._pid == 0:
            _try_and_exit(server, write, self._metrics)
        os.close(write)

    def has_ended(self) -> bool:
        """Say whether the child has ended; does not wait. Once it has, `conclude` is due."""
        try:
            return os.waitpid(self._pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True  # gunicorn, which waits for all children, was faster

    def conclude(self) -> Failure | None:
        """Return why the trial failed, if it did. The child must have ended; to be called once."""
        os.set_blocking(self._read, False)
        try:
            said = os.read(self._read, 2 * _MOST_SAID).decode(errors="replace")
        except BlockingIOError:
            said = ""  # it has ended, but a process that it started has not
        finally:
            self._clean_up()
        if not said:
            return Failure("the trial of a worker was killed, or took too long")
        sentence, _, details = said.partition("\0")
        return Failure(sentence, details) if sentence else None

    def cancel(self) -> None:
        """End the child, if it has not ended."""
        if not self.has_ended():
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        self._clean_up()

    def _clean_up(self) -> None:
        os.close(self._read)
        if self._metrics:
            shutil.rmtree(self._metrics, ignore_errors=True)


def _try_and_exit(server: Any, write: int, metrics: str) -> NoReturn:
    try:
        for number in (*start_signals.HELD, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # A start that never ends is ended by gunicorn after this time; so is the trial.
        signal.alarm(int(server.cfg.timeout) or _LONGEST)
        os.environ.update(PROMETHEUS_MULTIPROC_DIR=metrics, SLUICE_METRICS_OWNER="")
        kept_dotenv.keep(None)
        _start(server)
        said = "\0"
    except BaseException as error:
        failure = _explain(error)
        said = f"{failure.sentence or type(error).__name__}\0{failure.details}"
    try:
        # Not the end of the traceback: that is the sentence.
        os.write(write, said.encode("utf-8", "backslashreplace")[:_MOST_SAID])
    finally:
        # The master's own exit handlers are not for its child.
        os._exit(0)


def _start(server: Any) -> None:
    old_addresses = server.cfg.address
    for listener in server.LISTENERS:
        listener.close()
    server.LISTENERS = []
    server.app.reload()
    cfg = server.app.cfg
    for address in cfg.address:
        if address not in old_addresses:
            try:
                refuse_unavailable(address)
            except AddressUnavailable as error:
                raise SystemExit(f"{error} (This server itself goes on at {old_addresses}.)") from None
    server.setup(server.app)
    worker = server.worker_class(server.worker_age + 1, os.getpid(), [], server.app, cfg.timeout / 2, cfg, server.log)
    worker.is_trial = True
    worker.pid = os.getpid()
    cfg.pre_fork(server, worker)
    # This process is the worker; there is no fork to hold signals over.
    start_signals.expect_nothing()
    cfg.post_fork(server, worker)
    # It holds what the others wait for: on a board of its own, it stands in nobody's way.
    worker.run = partial(_start_services, worker)
    worker.init_process()


def _start_services(worker: Any) -> None:
    # Here, so that it is what is on disk.
    from .services import Services

    services = Services.of(worker.wsgi)
    services.start()
    services.close()


def _explain(error: BaseException) -> Failure:
    # gunicorn ends with an exit code where it cannot read a configuration: the reason is what it was handling.
    reason = error
    while isinstance(reason, SystemExit) and not isinstance(reason.code, str) and reason.__context__ is not None:
        reason = reason.__context__
    if isinstance(reason, SystemExit):
        if isinstance(reason.code, str):
            return Failure(reason.code.removeprefix("Sluice cannot start:\n"))
        return Failure(f"the process ended with exit code {reason.code or 0}")
    if getattr(reason, "explains_itself", False):
        return Failure(str(reason))
    return Failure(f"{type(reason).__name__}: {reason}", "".join(traceback.format_exception(reason)))
