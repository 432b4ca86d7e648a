"""The gunicorn side of life: a threaded worker whose main thread never waits for a client.

The loop starts after the fork, SIGTERM drains, a dead or stuck loop has the worker replaced, a full worker leaves
new connections to the others, and lingering or silent clients hold no thread.

Loaded by gunicorn's master too, so it imports neither Flask nor the rest of the application. What is changed of
gunicorn's gthread worker (27.0) is said at each method.
"""

from __future__ import annotations

import gc
import math
import selectors
import signal
import socket
import sys
import time
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from ...service.observability.resources import exhausted_by
from ..intake.gunicorn_internals import WORKER_BOOT_ERROR, AppImportError, BaseSocket
from ..intake.worker_connection import WorkerConnection
from ..sockets.accept_errors import CLIENT_LOST, LISTENER_UNUSABLE, NOTHING_LEFT
from . import start_signals
from .boot_record import BootRecord
from .cpu_affinity import Affinity
from .gathering_worker import ClientTooSlow, GatheringWorker
from .heartbeat_directory import NoDirectory, choose_heartbeat_directory
from .malloc_arenas import share_one_arena
from .replaced_threads import exit_if_threads_are_replaced
from .services import Services
from .worker_load import Load, WorkerLoads

if TYPE_CHECKING:
    from ...service import LoopState

# While it leaves connections to others, how often a full worker looks whether they have become full as well. This
# bounds how long a client waits for its 503 when all are full.
FULL_POLL_INTERVAL = 0.05
# For how long none is asked for after these, and after any other: asked at once, the kernel might say the same for
# ever. It keeps those who wait. Ended answers give descriptors back, and silent clients when their time is up.
ACCEPT_PAUSE = 1.0
# How often a worker that lacks something tries to start. Far below `timeout`, after which it would be killed.
START_PAUSE = 1.0


def _see_to_heartbeat_directory(cfg: Any, log: Any) -> None:
    """Choose another directory where the last one cannot be used any more: an error would end the master."""
    try:
        chosen, complaints = choose_heartbeat_directory(cfg.worker_tmp_dir)
    except NoDirectory as error:
        log.error("no file can be made for the next worker's heartbeat: %s", error)
        return
    if chosen != cfg.worker_tmp_dir:
        log.warning("the next worker's heartbeat file is in %s: %s", chosen, "; ".join(complaints))
        cfg.set("worker_tmp_dir", chosen)


class SluiceWorker(GatheringWorker):
    """gunicorn's threaded worker, which also owns the life of the application's service."""

    #: Shared by all workers of a master, also by those whose class HUP has loaded again; `gunicorn_hooks.pre_fork`
    #: sets them before each fork.
    worker_loads: WorkerLoads
    boot_record: BootRecord
    #: Whether this only tries whether a worker can start (`trial_start.py`), which wants to know why not.
    is_trial = False
    #: `gunicorn_hooks` leaves the life of the application to it.
    drains_itself = True

    def __init__(
        self, age: int, ppid: int, sockets: list[BaseSocket], app: Any, timeout: float, cfg: Any, log: Any
    ) -> None:
        """Prepare a worker; runs in the master, with gunicorn's arguments."""
        _see_to_heartbeat_directory(cfg, log)
        super().__init__(age, ppid, sockets, app, timeout, cfg, log)
        if not hasattr(self, "worker_loads"):  # a configuration without the hook
            type(self).worker_loads = WorkerLoads()
            type(self).boot_record = BootRecord()
        self._affinity: Affinity | None = None
        self._accepts_from = 0.0  # on the monotonic clock
        self._is_loading = True
        self._is_serving = False
        # gunicorn would stop accepting at once and leave open streams without a word; `_retire` does it in time.
        self._retire_after: int = self.max_requests
        self.max_requests: int = sys.maxsize
        start_signals.expect_worker()

    # ------------------------------------------------------------------ life

    def init_process(self) -> None:
        """Load the application and serve; the first method that runs in the worker."""
        start_signals.leave_when_told()
        try:
            super().init_process()
        except AppImportError as error:
            # gunicorn has a sentence for it.
            if not self.boot_record.has_booted:
                raise
            self._fail_to_boot(error)
        except (Exception, SystemExit) as error:
            if self._is_serving or (isinstance(error, SystemExit) and not error.code):
                raise
            self._fail_to_boot(error)

    def _fail_to_boot(self, error: BaseException) -> NoReturn:
        """Exit so that gunicorn ends the server if no worker has ever started, and else tries again, not too soon."""
        if self.is_trial:
            raise error
        self._is_loading = True  # still, or again: SIGTERM ends the pause
        # Of a process that gevent has patched too late, any error may come first.
        exit_if_threads_are_replaced(WORKER_BOOT_ERROR)
        if isinstance(error, SystemExit) or getattr(error, "explains_itself", False):
            self.log.error("this worker cannot start: %s", error)
        else:
            self.log.error("this worker cannot start: %s: %s", type(error).__name__, error, exc_info=error)
        if not self.boot_record.has_booted:
            sys.exit(WORKER_BOOT_ERROR)
        # gunicorn would end a worker that is silent for longer.
        pause = min(self.boot_record.note_failure(), self.cfg.timeout / 2 or math.inf)
        self.log.error("the server continues with the workers that run; another one is started in %.1f s", pause)
        time.sleep(pause)
        sys.exit(1)

    def init_signals(self) -> None:
        """Set the worker's handlers, while no signal can come: gunicorn sets all of them to the default first.

        What is meant for the master must not kill a worker with its streams where it is sent to all processes, as by
        `pkill -HUP gunicorn`: HUP drains, as the master has its old workers do, and USR2 is ignored.
        """
        start_signals.hold()
        super().init_signals()
        signal.signal(signal.SIGHUP, self.handle_exit)
        signal.siginterrupt(signal.SIGHUP, False)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        start_signals.release()

    def run(self) -> None:
        """Serve until told to stop. Runs in the worker's main thread, after the fork and the loading of the app."""
        self._is_loading = False
        self.log.error_log.addFilter(ClientTooSlow())
        application: Any = self.wsgi
        services = Services.of(application)
        self.prepare_serving(application, services)
        self._places: int = services.places or self.cfg.threads
        # Both before the loop's thread and all others are started.
        share_one_arena()
        if services.settings.server.pin_cpu == "on":
            self._affinity = Affinity(self.age)
        if not services:
            self.log.warning(
                "%s does not use Sluice, and is served as by gunicorn's gthread worker; to serve it without Sluice's "
                "configuration, start gunicorn in another folder, or with another configuration (-c)",
                self.cfg.settings["default_proc_name"].get(),
            )
        try:
            # Now and not with the first chat, so that /readyz is true from the first moment it can be asked.
            self._start_services(services)
            # What exists by now stays: the collector need not look through it again and again.
            gc.collect()
            gc.freeze()
            # Told to leave meanwhile, it takes nobody.
            if self.alive:
                # Last, because others leave connections to a worker that is on the board, and only then does it
                # take them.
                self.worker_loads.join(self.pid, self.age)
                self.boot_record.note_boot()
                self._is_serving = True
                super().run()
        finally:
            if not services.close():
                self.log.warning("open streams or the event loop did not end in time; the process exits")

    def _start_services(self, services: Services) -> None:
        """Start the services, as soon as there is what they need: a worker that fails is replaced by another."""
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
        """Begin the drain on SIGTERM, for which gunicorn has no hook; before anybody is connected, exit at once."""
        super().handle_exit(sig, frame)
        if self._is_loading:
            start_signals.leave()
        # Not in the signal handler itself: it may have interrupted a holder of the locks that draining takes.
        self.method_queue.defer(self._drain)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """End at once on SIGINT or SIGQUIT, once: the second would break off what the first has begun.

        Ctrl-C sends SIGINT to all processes of a terminal, and the master then sends its workers SIGQUIT besides.
        """
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        super().handle_quit(sig, frame)

    def _drain(self) -> None:
        """Take nobody new, answer whoever is connected, and be gone before gunicorn's patience ends."""
        self.worker_loads.leave()
        self._close_listeners()
        self._services.begin_drain(self.cfg.graceful_timeout)

    def _close_listeners(self) -> None:
        """Take those who wait in the listening sockets, and give up this worker's share in them.

        gunicorn keeps them open until the worker ends. Where no other worker follows, clients would be connected by
        the kernel all that time, served by nobody, and reset in the end; now they are refused at once.
        """
        for listener in self.sockets:
            while listener.sock is not None and self._take(listener):
                pass
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()

    def _loop_failed(self, state: LoopState) -> None:
        """Leave, so that the master starts a worker with a sound loop. On the watchdog's or the loop's thread."""
        self.log.error("the event loop is %s: this worker is replaced", state.value)
        self.alive = False
        self.method_queue.defer(self._drain)

    def _retire(self) -> None:
        """Leave after `max_requests`, when others have room or nobody is here; at double the number in any case."""
        if self.alive and self.nr >= self._retire_after:
            unneeded = self.nr_conns == 0 or self._others_have_room()
            if unneeded or self.nr >= 2 * self._retire_after:
                self.log.info("%d requests served: this worker is replaced", self.nr)
                self.alive = False
                self._drain()

    # ------------------------------------------------------------------ new connections

    def accept(self, listener: BaseSocket) -> None:
        """Take a connection and wait for its request in the poller, where a silent client holds no thread.

        gunicorn gives it to a thread at once, which waits up to 5 s for the first byte.
        """
        # Closed where the same turn of the poller brought the order to leave, which took the connection along.
        if listener.sock is not None and not self._should_leave_to_others():
            self._take(listener)

    def _take(self, listener: BaseSocket) -> bool:
        try:
            client, address = listener.accept()
        except BlockingIOError:
            return False  # another worker was faster
        except OSError as error:
            # gunicorn raises nearly all of them, and all clients of the worker lose their answers.
            if error.errno in LISTENER_UNUSABLE:
                raise
            if error.errno in CLIENT_LOST:
                self.log.info("a connection was aborted before it was accepted: %s", error.strerror)
                return True
            if error.errno in NOTHING_LEFT and self.make_room():
                return True  # the client is still there, and the next turn has what it needs
            if error.errno in NOTHING_LEFT:
                self.log.error("no file descriptor is left for another connection: %s; it waits", error.strerror)
            else:
                self.log.error("a connection cannot be accepted: %s; it waits", error.strerror)
            self._accepts_from = time.monotonic() + ACCEPT_PAUSE
            return False
        self.nr_conns += 1
        self.worker_loads.report(self._load())
        try:
            self._hold(client, address, listener)
        except (OSError, MemoryError) as error:
            self.log.error("an accepted connection was closed, because it cannot be watched: %s", error)
            client.close()
            self.nr_conns -= 1
            return False
        return True

    def _hold(self, client: socket.socket, address: Any, listener: BaseSocket) -> None:
        connection = WorkerConnection(
            self.cfg,
            client,
            address,
            listener.getsockname(),
            linger=self._lingering.linger,
            head_timeout=self._settings.limits.head_timeout,
            body_timeout=self._settings.limits.body_timeout,
        )
        if connection.is_gathered:
            self._intake.begin(connection)
        else:
            connection.timeout = time.monotonic() + self._settings.limits.head_timeout
            self.pending_conns.append(connection)
            readable = partial(self.on_pending_socket_readable, connection)
            self.poller.register(connection.sock, selectors.EVENT_READ, readable)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections, or leave them in the shared listening socket: to others, or until they can be held."""
        held_back = self.alive and (self._should_leave_to_others() or time.monotonic() < self._accepts_from)
        super().set_accept_enabled(enabled and not held_back)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events; called by gunicorn's main loop in each of its rounds, so the rounds' work is here too."""
        if self.alive:
            self.worker_loads.report(self._load())
            while self.nr_conns >= self.worker_connections and self.make_room():
                pass
            self.set_accept_enabled(self.nr_conns < self.worker_connections)
            if not self.is_accepting:
                timeout = min(timeout, FULL_POLL_INTERVAL)
        due = (self._lingering.time_left(), self._intake.time_left(), self.tpool.time_left())
        try:
            super().wait_for_and_dispatch_events(min([timeout, *(left for left in due if left is not None)]))
        except MemoryError:
            # The poller says again what it could not hand on.
            self.log.error("no memory was left for handling events; the worker continues")
        self._lingering.end_expired()
        self._intake.end_expired()
        self.tpool.end_expired()
        self._services.write_metrics()
        if self._affinity is not None:
            self._affinity.look()
        self._retire()

    def _load(self) -> Load:
        return Load(self.nr_conns, self._services.taken)

    def _should_leave_to_others(self) -> bool:
        """Whether a new connection is better off with another worker."""
        mine = self._load()
        # Connections first: each one taken may be about to ask for a place.
        if mine.connections >= self._places and self._others_have_room():
            return True
        # Where all look full like that, some may hold connections that are no streams: silent or lingering clients.
        # One with more of them than threads would let a request wait.
        others = self.worker_loads.others()
        return mine.streams >= self._places and any(
            other.streams < self._places and other.connections < self.cfg.threads for other in others
        )

    def _others_have_room(self) -> bool:
        return any(other.connections < self._places for other in self.worker_loads.others())
