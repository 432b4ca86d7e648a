"""gunicorn's worker class for Sluice: starts the application's services after the fork, and drains them at its end.

SIGTERM drains. A worker with a dead or stuck loop is replaced.

Loaded by gunicorn's master too, so it imports neither Flask nor the rest of the application. Each method states how
it differs from gunicorn's gthread worker (27.0).
"""

from __future__ import annotations

import gc
import math
import signal
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from ...service.observability.resources import exhausted_by
from ..intake.gunicorn_internals import WORKER_BOOT_ERROR, AppImportError, BaseSocket
from ..master import start_signals
from ..master.boot_record import BootRecord
from ..master.heartbeat_directory import NoDirectory, choose_heartbeat_directory
from ..master.malloc_arenas import share_one_arena
from ..master.replaced_threads import exit_if_threads_are_replaced
from ..services import Services
from .accepting_worker import AcceptingWorker
from .cpu_affinity import Affinity
from .gathering_worker import ClientTooSlow
from .plain_worker_signals import MEANT_FOR_MASTER
from .worker_load import WorkerLoads

if TYPE_CHECKING:
    from ...service import LoopState

# Seconds between attempts to start where a resource is missing. Far below gunicorn's `timeout`, which kills a worker.
START_PAUSE = 1.0
# Seconds between two reports to the master, which kills a worker after `timeout` seconds without one. With each
# report, another thread takes the interpreter's lock.
NOTIFY_INTERVAL = 0.25


def _update_heartbeat_directory(cfg: Any, log: Any) -> None:
    """Choose another directory if the last one is no longer usable: an error would end the master."""
    try:
        chosen, complaints = choose_heartbeat_directory(cfg.worker_tmp_dir)
    except NoDirectory as error:
        log.error("no file can be made for the next worker's heartbeat: %s", error)
        return
    if chosen != cfg.worker_tmp_dir:
        # None where a configuration names no directory, and the best one is usable.
        if complaints:
            log.warning("the next worker's heartbeat file is in %s: %s", chosen, "; ".join(complaints))
        cfg.set("worker_tmp_dir", chosen)


class SluiceWorker(AcceptingWorker):
    """gunicorn's threaded worker, which also starts, drains and closes the application's services."""

    #: Shared by all workers of a master, as `worker_loads`.
    boot_record: BootRecord
    #: Whether this worker only tests a start (`trial_start.py`), and raises the error of a failed one.
    is_trial = False
    #: Whether the worker starts and drains the services itself, and `gunicorn_hooks` does not.
    drains_itself = True
    #: Whether `gunicorn_hooks` has stopped the garbage collector until the application is loaded.
    collects_later = False

    def __init__(
        self, age: int, ppid: int, sockets: list[BaseSocket], app: Any, timeout: float, cfg: Any, log: Any
    ) -> None:
        """Prepare a worker; runs in the master, with gunicorn's arguments."""
        _update_heartbeat_directory(cfg, log)
        super().__init__(age, ppid, sockets, app, timeout, cfg, log)
        if not hasattr(self, "worker_loads"):  # a configuration without the hook
            type(self).worker_loads = WorkerLoads()
            type(self).boot_record = BootRecord()
        self._affinity: Affinity | None = None
        self._is_loading = True
        self._is_serving = False
        self._notify_at = 0.0
        # Whether it has begun to accept connections, and not yet to drain.
        self._may_drain = False
        # At this number, gunicorn would stop accepting at once, and end open streams without a frame. See `_retire`.
        self._retire_after: int = self.max_requests
        self.max_requests: int = sys.maxsize
        start_signals.expect_worker()

    def init_process(self) -> None:
        """Load the application and serve. The first method that runs in the worker process."""
        start_signals.exit_on_signal()
        try:
            super().init_process()
        except AppImportError as error:
            # gunicorn logs it.
            if not self.boot_record.has_booted:
                raise
            self._fail_to_boot(error)
        except (Exception, SystemExit) as error:
            if self._is_serving or (isinstance(error, SystemExit) and not error.code):
                raise
            self._fail_to_boot(error)

    def _fail_to_boot(self, error: BaseException) -> NoReturn:
        """Exit, so that gunicorn ends the server if no worker has ever started, or starts another after a pause."""
        if self.is_trial:
            raise error
        self._is_loading = True  # still, or again: SIGTERM ends the pause
        # In a process that gevent has patched too late, any error may be the first.
        exit_if_threads_are_replaced(WORKER_BOOT_ERROR)
        if isinstance(error, SystemExit) or getattr(error, "explains_itself", False):
            self.log.error("this worker cannot start: %s", error)
        else:
            self.log.error("this worker cannot start: %s: %s", type(error).__name__, error, exc_info=error)
        if not self.boot_record.has_booted:
            sys.exit(WORKER_BOOT_ERROR)
        # gunicorn would kill a worker that pauses for longer.
        pause = min(self.boot_record.note_failure(), self.cfg.timeout / 2 or math.inf)
        self.log.error("the server continues with the workers that run; another one is started in %.1f s", pause)
        time.sleep(pause)
        sys.exit(1)

    def init_signals(self) -> None:
        """Set the worker's handlers while signals are blocked: gunicorn sets the default handlers first.

        Signals for the master may be sent to all processes, as by `pkill -HUP gunicorn`. They must not end a worker.
        """
        start_signals.hold()
        super().init_signals()
        for number in MEANT_FOR_MASTER:
            signal.signal(number, signal.SIG_IGN)
        start_signals.release()

    def notify(self) -> None:
        """Report to the master, a few times a second; gunicorn's main loop does with each event that it handles."""
        now = time.monotonic()
        if now >= self._notify_at:
            self._notify_at = now + NOTIFY_INTERVAL
            super().notify()

    def run(self) -> None:
        """Serve until the worker is stopped. On the main thread, after the fork and after loading the application."""
        self._is_loading = False
        application: Any = self.wsgi
        services = Services.of(application)
        limits = services.settings.limits
        self.log.error_log.addFilter(ClientTooSlow(limits.head_timeout, limits.write_timeout))
        self.prepare_serving(application, services)
        # Both before any thread is started.
        share_one_arena()
        if services.settings.server.pin_cpu == "on":
            self._affinity = Affinity(self.age)
        if not services:
            self.log.warning(
                "%s does not use Sluice and is served as by gunicorn's gthread worker; to serve it without Sluice's "
                "configuration, start gunicorn in another folder, or with another configuration (-c)",
                self.cfg.settings["default_proc_name"].get(),
            )
        try:
            # Not with the first chat, so that /readyz is true from the first request on.
            self._start_services(services)
            # The collector need not examine objects that stay for ever.
            gc.collect()
            gc.freeze()
            if self.collects_later:
                gc.enable()
            # Stopped meanwhile, it accepts nothing.
            if self.alive:
                # Last: other workers leave connections to a worker that has joined.
                self.worker_loads.join(self.pid, self.age)
                self.boot_record.note_boot()
                self._is_serving = True
                super().run()
                self._services.wait_for_runs(self.notify)
        finally:
            if self._is_serving:
                # The main loop, to which the handlers pass these, has ended.
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1):
                    signal.signal(number, signal.SIG_IGN)
            if not services.close():
                self.log.warning("open streams or the event loop did not end in time; the process exits")
            self.close_detached()

    def _start_services(self, services: Services) -> None:
        """Start the services; try again where a resource is missing, because another worker would miss it as well."""
        while True:
            try:
                services.start(self._loop_failed)
                return
            except (OSError, RuntimeError, MemoryError) as error:
                lacking = exhausted_by(error)
                if lacking is None or not self.alive:
                    raise
                self.log.error("this worker cannot serve yet (%s); it tries again in %g s", lacking, START_PAUSE)
            self.notify()
            time.sleep(START_PAUSE)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Have the main loop end on SIGTERM, and so drain. While the application is loading, exit at once."""
        super().handle_exit(sig, frame)
        if self._is_loading:
            start_signals.exit_at_once()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Exit at once on SIGINT or SIGQUIT. Ignore further ones, which would interrupt the exit.

        Ctrl-C sends SIGINT to all processes of a terminal, and the master then sends SIGQUIT to its workers. gunicorn
        shuts the pool of threads down in the signal handler, which may have interrupted the holder of the pool's
        lock; here the main loop does it.
        """
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        if self._is_loading:
            super().handle_quit(sig, frame)  # there is no main loop yet, and no thread in the pool
        if not self._is_serving:
            self.alive = False  # the main loop does not begin
        self.method_queue.defer(super().handle_quit, sig, None)

    def handle_usr1(self, sig: int, frame: FrameType | None) -> None:
        """Open the log files again, in the main loop: a second signal would wait for a lock of the first."""
        if self._is_loading:
            super().handle_usr1(sig, frame)
        else:
            self.method_queue.defer(super().handle_usr1, sig, None)

    def _drain(self) -> None:
        """Accept no further connections, answer the open ones, and exit before gunicorn's `graceful_timeout`.

        At SIGTERM, the connections that wait in the listening sockets are accepted first: without another worker, the
        kernel would reset them. A worker that is replaced leaves them to the next one, which can answer them.
        gunicorn closes the sockets only when the worker exits. Until then, connections would wait in vain.
        """
        self._may_drain = False
        self.worker_loads.leave()
        if not self.is_replaced:
            for listener in self.sockets:
                while self.accept_connection(listener):
                    pass
        super().set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        self._services.begin_drain(self.cfg.graceful_timeout)

    def _loop_failed(self, state: LoopState) -> None:
        """Exit, so that the master starts another worker. On the watchdog's or the loop's thread."""
        self.is_replaced = True
        self.alive = False
        self.log.error("the event loop is %s: this worker is replaced", state.value)
        self.method_queue.defer(self.close_lost)

    def _retire(self) -> None:
        """Exit after `max_requests` once others have room or no connection is open; after twice that in any case."""
        if self.alive and self.nr >= self._retire_after:
            is_unneeded = self.nr_conns == 0 or self.others_have_room()
            if is_unneeded or self.nr >= 2 * self._retire_after:
                self.log.info("%d requests served: this worker is replaced", self.nr)
                self.is_replaced = True
                self.alive = False

    def set_accept_enabled(self, enabled: bool) -> None:
        """Begin the drain where the worker has been stopped. One that is stopped before it accepts has none.

        gunicorn's main loop calls this at its end. It has no hook for that, and none for SIGTERM, so the drain begins
        here: always, and not in a signal handler, which may have interrupted the holder of a lock.
        """
        if self.alive:
            self._may_drain = True
            super().set_accept_enabled(enabled)
        elif self._may_drain:
            self._drain()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events and handle them, and do what is due. gunicorn's main loop calls it again and again."""
        for left in (self._lingering.time_left(), self._intake.time_left(), self.tpool.time_left()):
            if left is not None and left < timeout:
                timeout = left
        try:
            super().wait_for_and_dispatch_events(timeout)
        except MemoryError:
            # The poller reports unhandled events again.
            self.log.error("no memory was left for handling events; the worker continues")
        self._lingering.end_expired()
        self._intake.end_expired()
        self.tpool.end_expired()
        self._services.write_metrics()
        if self._affinity is not None:
            self._affinity.update()
        self._retire()
