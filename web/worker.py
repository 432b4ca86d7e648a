"""The gunicorn side of life: a threaded worker whose main thread never waits for a client.

The loop starts after the fork, SIGTERM drains, a dead or stuck loop has the worker replaced, a full worker leaves
new connections to the others, and lingering or silent clients hold no thread.

Loaded by gunicorn's master too, so it imports neither Flask nor the rest of the application. What is changed of
gunicorn's gthread worker (27.0) is said at each method.
"""

from __future__ import annotations

import gc
import logging
import selectors
import signal
import socket
import ssl
import sys
import time
from functools import partial
from http import HTTPStatus
from types import FrameType
from typing import TYPE_CHECKING, Any

from gunicorn.http.errors import ConfigurationProblem, ParseException
from gunicorn.sock import BaseSocket
from gunicorn.util import write_error
from gunicorn.workers.gthread import ThreadWorker

from . import start_signals
from .accept_errors import CLIENT_LOST, LISTENER_UNUSABLE, NOTHING_LEFT
from .affinity import Affinity
from .heap import share_one_heap
from .heartbeat_directory import NoDirectory, heartbeat_directory
from .lingering import LingeringConnections
from .occupancy import Load, Occupancy
from .refusals import Refusal
from .request_intake import RequestIntake
from .worker_connection import WorkerConnection
from .wsgi_input import with_wsgi_input

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from service import LoopState

    from .extension import Sluice

# While it leaves connections to others, how often a full worker looks whether they have become full as well. This
# bounds how long a client waits for its 503 when all are full.
LEAVING_POLL = 0.05
# For how long none is asked for after these, and after any other: asked at once, the kernel might say the same for
# ever. It keeps those who wait. Ended answers give descriptors back, and silent clients when their time is up.
ACCEPT_PAUSE = 1.0


class _ClientTooSlow(logging.Filter):
    """Says in one line what gunicorn would log as an error with a traceback: a client that kept us waiting."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record of a socket that ran into its time limit; let all others pass."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, TimeoutError | BlockingIOError):
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg, record.args = "a client was too slow, and its connection is closed", ()
            record.exc_info = record.exc_text = None
        return True


def _sluice_of(application: Any) -> Sluice:
    try:
        found: Sluice = application.extensions["sluice"]
    except (AttributeError, KeyError):
        raise TypeError("SluiceWorker serves the Flask application itself: put middleware on app.wsgi_app") from None
    return found


def _see_to_heartbeat_directory(cfg: Any, log: Any) -> None:
    """Choose another directory where the last one cannot be used any more: an error would end the master."""
    try:
        chosen, complaints = heartbeat_directory(cfg.worker_tmp_dir)
    except NoDirectory as error:
        log.error("no file can be made for the next worker's heartbeat: %s", error)
        return
    if chosen != cfg.worker_tmp_dir:
        log.warning("the next worker's heartbeat file is in %s: %s", chosen, "; ".join(complaints))
        cfg.set("worker_tmp_dir", chosen)


def _offering_outlets(application: WSGIApplication) -> WSGIApplication:
    """Offer the application's streams a way past the thread that serves them (`web/outlet.py`)."""
    # Here, because the master must not load what the application is made of.
    from .connection import client_socket
    from .outlet import Outlet
    from .stream import EventStream

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = application(environ, start_response)
        if isinstance(body, EventStream):
            client = client_socket(environ)
            # TLS is written by its library alone, which two threads must not use at once.
            if client is not None and not isinstance(client, ssl.SSLSocket):
                body.use(Outlet(start_response.__self__))  # type: ignore[attr-defined]  # gunicorn's Response
        return body

    return serve


class SluiceWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker, which also owns the life of the application's service."""

    #: Shared by all workers of a master; set by gunicorn.conf.py before each fork.
    occupancy: Occupancy
    #: Makes the board. Here, because the configuration file must not keep modules of ours.
    new_occupancy = Occupancy

    def __init__(
        self, age: int, ppid: int, sockets: list[BaseSocket], app: Any, timeout: float, cfg: Any, log: Any
    ) -> None:
        """Prepare a worker; runs in the master, with gunicorn's arguments."""
        _see_to_heartbeat_directory(cfg, log)
        super().__init__(age, ppid, sockets, app, timeout, cfg, log)
        self._affinity: Affinity | None = None
        self._accepts_from = 0.0  # on the monotonic clock
        self._is_loading = True
        # gunicorn would stop accepting at once and leave open streams without a word; `_retire` does it in time.
        self._retire_after: int = self.max_requests
        self.max_requests: int = sys.maxsize
        start_signals.expect_worker()

    # ------------------------------------------------------------------ life

    def init_process(self) -> None:
        """Load the application and serve; the first method that runs in the worker."""
        start_signals.leave_when_told()
        super().init_process()

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
        self.log.error_log.addFilter(_ClientTooSlow())
        application: Any = self.wsgi
        self._sluice = sluice = _sluice_of(application)
        self._settings = settings = sluice.service.settings
        self._prepare_serving(application)
        sluice.service.loop.on_failure = self._loop_failed
        # Both before the loop's thread and all others are started.
        share_one_heap()
        if settings.pin_cpu == "on":
            self._affinity = Affinity(self.age)
        try:
            # Now and not with the first chat, so that /readyz is true from the first moment it can be asked.
            sluice.service.start()
            self._places: int = sluice.service.admission.places
            # What exists by now stays: the collector need not look through it again and again.
            gc.collect()
            gc.freeze()
            # Told to leave meanwhile, it takes nobody.
            if self.alive:
                # Last, because others leave connections to a worker that is on the board, and only then does it
                # take them.
                self.occupancy.join(self.pid, self.age)
                super().run()
        finally:
            if not sluice.close():
                self.log.warning("not everything ended in time; the process exits all the same")

    def _prepare_serving(self, application: Any) -> None:
        # Here, because the master must not load what the application is made of.
        from .json_body_routes import JsonBodyRoutes
        from .limited_replies import with_limited_replies

        settings = self._settings
        self._body_routes = JsonBodyRoutes(application)
        self._lingering = LingeringConnections(self.poller, self._count_connections, self.log)
        self._intake = RequestIntake(
            self.poller,
            self,
            head_timeout=settings.head_timeout,
            body_timeout=settings.body_timeout,
            body_limit=settings.max_body_bytes,
        )
        limited = with_limited_replies(with_wsgi_input(application), settings.write_timeout)
        self.wsgi: WSGIApplication = _offering_outlets(limited)

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
        self.occupancy.leave()
        self._close_listeners()
        self._sluice.service.begin_drain()

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

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that gunicorn could not read or hand over.

        A path outside of the one that the variable SCRIPT_NAME names is not found; gunicorn would answer 500.
        A client that does not read the reply is cut off at the limit of a write.
        """
        client.settimeout(self._settings.write_timeout)
        if isinstance(exc, ConfigurationProblem):
            write_error(client, HTTPStatus.NOT_FOUND, HTTPStatus.NOT_FOUND.phrase, "")
        else:
            super().handle_error(req, client, addr, exc)

    # ------------------------------------------------------------------ new connections

    def accept(self, listener: BaseSocket) -> None:
        """Take a connection and wait for its request in the poller, where a silent client holds no thread.

        gunicorn gives it to a thread at once, which waits up to 5 s for the first byte.
        """
        # Closed where the same turn of the poller brought the order to leave, which took the connection along.
        if listener.sock is not None and not self._leaves_to_others():
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
                self.log.info("a client was lost before it was accepted: %s", error.strerror)
                return True
            if error.errno in NOTHING_LEFT:
                self.log.error("no descriptor is left for another client, who has to wait: %s", error.strerror)
            else:
                self.log.error("a client cannot be accepted, and has to wait: %s", error.strerror)
            self._accepts_from = time.monotonic() + ACCEPT_PAUSE
            return False
        self.nr_conns += 1
        self.occupancy.say(self._load())
        connection = WorkerConnection(
            self.cfg,
            client,
            address,
            listener.getsockname(),
            linger=self._lingering.linger,
            head_timeout=self._settings.head_timeout,
            body_timeout=self._settings.body_timeout,
        )
        if connection.is_gathered:
            self._intake.begin(connection)
        else:
            connection.timeout = time.monotonic() + self._settings.head_timeout
            self.pending_conns.append(connection)
            readable = partial(self.on_pending_socket_readable, connection)
            self.poller.register(connection.sock, selectors.EVENT_READ, readable)
        return True

    def _make_room(self) -> None:
        """Where no further client would be accepted, end connections of which no request is being served."""
        while self.nr_conns >= self.worker_connections:
            idle = self.keepalived_conns or self.pending_conns
            if idle:
                connection = idle.popleft()
                self.poller.unregister(connection.sock)
                self.connection_ended(connection)
            elif not self._intake.end_oldest():
                return

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections, or leave them in the shared listening socket: to others, or until they can be held."""
        held_back = self.alive and (self._leaves_to_others() or time.monotonic() < self._accepts_from)
        super().set_accept_enabled(enabled and not held_back)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events; called by gunicorn's main loop in each of its rounds, so the rounds' work is here too."""
        if self.alive:
            self.occupancy.say(self._load())
            self._make_room()
            self.set_accept_enabled(self.nr_conns < self.worker_connections)
            if not self._accepting:
                timeout = min(timeout, LEAVING_POLL)
        due = (self._lingering.time_left(), self._intake.time_left())
        super().wait_for_and_dispatch_events(min([timeout, *(left for left in due if left is not None)]))
        self._lingering.end_expired()
        self._intake.end_expired()
        self._sluice.service.metrics.write()
        if self._affinity is not None:
            self._affinity.look()
        self._retire()

    # ------------------------------------------------------------------ requests

    def reads_body(self, request: Any) -> bool:
        """Say whether a route will read the request's body (`IntakeOwner`)."""
        content_type = next((value for name, value in request.headers if name == "CONTENT-TYPE"), "")
        return self._body_routes.read(request.method, request.path, content_type)

    def request_ready(self, connection: WorkerConnection) -> None:
        """Give a request that has come to a thread (`IntakeOwner`)."""
        self.enqueue_req(connection)

    def request_refused(self, connection: WorkerConnection, refusal: Refusal) -> None:
        """Reply without a thread, and close (`IntakeOwner`)."""
        self.log.info("a request was refused with %d before it had come: %s", refusal.status, refusal.code)
        self._sluice.service.metrics.refused(refusal.code)
        try:
            # Without waiting: a socket that has no room for it belongs to a client that has read nothing for long.
            connection.sock.send(refusal.reply)
        except OSError as error:
            self.log.debug("a refusal could not be sent: %s", error)
        self.nr_conns -= 1
        connection.close(graceful=True)

    def connection_ended(self, connection: WorkerConnection) -> None:
        """Close a connection on which no request has come (`IntakeOwner`)."""
        self.nr_conns -= 1
        connection.close()

    def on_client_socket_readable(self, conn: WorkerConnection, client: socket.socket) -> None:
        """Gather the next request of a kept connection, which gunicorn gives to a thread with its first byte."""
        if conn.is_gathered:
            self.keepalived_conns.remove(conn)
            self._intake.resume(conn)
        else:
            super().on_client_socket_readable(conn, client)

    def finish_request(self, conn: WorkerConnection, fs: Future[Any]) -> None:
        """Gather the request that has come behind the last one; gunicorn gives its beginning to a thread."""
        if conn.is_gathered and not fs.cancelled() and fs.exception() is None and fs.result():
            received = conn.parser.unreader.take_buffered()
            if received:
                self._intake.begin(conn, received)
                return
        super().finish_request(conn, fs)

    def _keepalive_after(self, conn: WorkerConnection, keepalive: bool) -> bool:
        """Say whether a connection can be used again; on the request's thread, which waits for nothing.

        gunicorn waits up to 5 s for the rest of a body, and closes a connection that it promised to keep where the
        rest is larger than 64 KiB.
        """
        arrival = getattr(conn.parser.mesg, "arrival", None)
        if arrival is None:
            kept: bool = super()._keepalive_after(conn, keepalive)
            return kept
        if not keepalive or not arrival.is_complete:
            return False
        try:
            return bool(conn.parser.finish_body())
        except ParseException as error:
            # The reply has been given; to a body that nobody has read there is no second one.
            self.log.debug("a body that was not read is broken: %s", error)
            return False

    def _count_connections(self, change: int) -> None:
        self.nr_conns += change

    def _load(self) -> Load:
        return Load(self.nr_conns, self._sluice.service.admission.taken)

    def _leaves_to_others(self) -> bool:
        """Whether a new connection is better off with another worker."""
        mine = self._load()
        # Connections first: each one taken may be about to ask for a place.
        if mine.connections >= self._places and self._others_have_room():
            return True
        # Where all look full like that, some may hold connections that are no streams: silent or lingering clients.
        # One with more of them than threads would let a request wait.
        return mine.streams >= self._places and any(
            other.streams < self._places and other.connections < self.cfg.threads for other in self.occupancy.others()
        )

    def _others_have_room(self) -> bool:
        return any(other.connections < self._places for other in self.occupancy.others())
