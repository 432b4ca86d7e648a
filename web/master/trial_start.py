"""A trial start before a reload: a child of the master does all that a new worker does, except serving."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import signal
import tempfile
import traceback
from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from ...service.settings.sources import kept_files
from . import start_signals
from .listen_address import AddressUnavailable, refuse_unavailable

# Bytes of a report. Fewer than a pipe holds, so that the child does not wait for its reader.
_REPORT_LIMIT = 32_000
# Bytes of what the files of settings hold. Each of them is smaller than a mebibyte, and few settings name one.
_FILES_LIMIT = 2**23
# Seconds, where gunicorn's `timeout` is off.
_LONGEST = 60


def longest_start(cfg: Any) -> int:
    """Return how many seconds a worker may take to start: as many as gunicorn gives one that does not report."""
    return int(cfg.timeout) or _LONGEST


@dataclass(frozen=True)
class Failure:
    """Why a reload cannot succeed."""

    #: The reason, for the operator.
    sentence: str
    #: The traceback; empty where the sentence is enough.
    details: str = ""


class TrialStart:
    """A child that starts a worker with the configuration, settings and code that are on disk, and then exits."""

    def __init__(self, server: Any) -> None:
        """Fork the child. Called in gunicorn's main loop.

        Raises:
            OSError: No process or descriptor is left, or no temporary directory can be made.
        """
        # Shared with the child; a page takes memory once it is written.
        self._files = mmap.mmap(-1, _FILES_LIMIT)
        self._read, write = os.pipe()
        self._metrics = ""
        try:
            # For the child's metrics. Removed by this process, because the child may be killed.
            self._metrics = tempfile.mkdtemp(prefix="sluice-trial-")
            self._pid = os.fork()
        except OSError:
            os.close(write)
            self._clean_up()
            raise
        if self._pid == 0:
            _try_and_exit(server, write, self._files, self._metrics)
        os.close(write)

    def has_ended(self) -> bool:
        """Return whether the child has ended, without waiting. If so, `conclude` must be called."""
        try:
            return os.waitpid(self._pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True  # gunicorn has waited for it

    def conclude(self) -> Failure | None:
        """Return why the start failed; None where it did not. Called once, after the child has ended.

        After a success, the reload uses what the child has read of `.env` and the like, and does not read it again.
        """
        os.set_blocking(self._read, False)
        try:
            report = os.read(self._read, 2 * _REPORT_LIMIT).decode(errors="replace")
            files = self._files.readline().strip()
        except BlockingIOError:
            report = ""  # it has ended, but a process that it started has not
        finally:
            self._clean_up()
        if not report:
            return Failure("the trial of a worker was killed, or took too long")
        sentence, _, details = report.partition("\0")
        if sentence:
            return Failure(sentence, details)
        contents: dict[str, str | None] | None = json.loads(files)
        if contents is not None:
            kept_files.keep({path: None if text is None else b64decode(text) for path, text in contents.items()})
        return None

    def cancel(self) -> None:
        """Kill the child if it runs."""
        if not self.has_ended():
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        self._clean_up()

    def _clean_up(self) -> None:
        os.close(self._read)
        self._files.close()
        if self._metrics:
            shutil.rmtree(self._metrics, ignore_errors=True)


def _try_and_exit(server: Any, write: int, files: mmap.mmap, metrics: str) -> NoReturn:
    try:
        for number in (*start_signals.HELD, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(longest_start(server.cfg))
        os.environ.update(PROMETHEUS_MULTIPROC_DIR=metrics, SLUICE_METRICS_OWNER="")
        kept_files.forget()
        _start(server)
        files.write(_encode_files())
        report = "\0"
    except BaseException as error:
        failure = _explain(error)
        report = f"{failure.sentence or type(error).__name__}\0{failure.details}"
    try:
        # Cut at the end of the report: the sentence comes first.
        os.write(write, report.encode("utf-8", "backslashreplace")[:_REPORT_LIMIT])
    finally:
        # Without the exit handlers of the master.
        os._exit(0)


def _encode_files() -> bytes:
    kept = kept_files.kept()
    # A configuration of the operator's own may keep none.
    contents = None
    if kept is not None:
        contents = {path: None if raw is None else b64encode(raw).decode() for path, raw in kept.items()}
    return json.dumps(contents).encode() + b"\n"


def _start(server: Any) -> None:
    old_addresses = server.cfg.address
    for listener in server.LISTENERS:
        listener.close()
    server.LISTENERS = []
    server.app.reload()
    cfg = server.app.cfg
    if cfg.address != old_addresses:
        _refuse_unfit(cfg.address, old_addresses)
    server.setup(server.app)
    worker = server.worker_class(server.worker_age + 1, os.getpid(), [], server.app, cfg.timeout / 2, cfg, server.log)
    worker.is_trial = True
    worker.pid = os.getpid()
    cfg.pre_fork(server, worker)
    # This process is the worker; no fork follows.
    start_signals.expect_nothing()
    cfg.post_fork(server, worker)
    # Without joining the loads of the workers.
    worker.run = partial(_start_services, worker)
    worker.init_process()


def _refuse_unfit(addresses: list[object], old_addresses: list[object]) -> None:
    """Refuse addresses of which the server cannot get each. If one is new, gunicorn binds all again.

    Raises:
        SystemExit: One is not available. The text says why.
    """
    for address in addresses:
        is_path = isinstance(address, str) and not address.startswith("\0")
        # gunicorn replaces the file of a unix socket.
        if address in old_addresses and not is_path:
            raise SystemExit(
                f"the addresses are now {addresses}, but the running workers still listen at {address}; adding or "
                "removing an address needs a restart."
            )
        try:
            refuse_unavailable(address)
        except AddressUnavailable as error:
            raise SystemExit(f"{error} (The running server still listens at {old_addresses}.)") from None


def _start_services(worker: Any) -> None:
    # Imported here, so that it is the code on disk.
    from ..services import Services

    services = Services.of(worker.wsgi)
    services.start()
    services.close()


def _explain(error: BaseException) -> Failure:
    # Where gunicorn cannot read a configuration, it exits while it handles the exception that is the reason.
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
