"""gunicorn's threaded worker, changed so that a thread is taken by whole requests only, and by no silent client.

What is changed of gunicorn's gthread worker (27.0) is said at each method.
"""

from __future__ import annotations

import logging
import socket
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ...service.observability.resources import exhausted_by
from ..intake.gunicorn_internals import ConfigurationProblem, ParseException, PublicThreadWorker, write, write_error
from ..intake.refusals import OVERLOADED, Refusal
from ..intake.request_intake import RequestIntake
from ..intake.request_threads import RequestThreads
from ..intake.worker_connection import WorkerConnection
from ..intake.wsgi_input import wrap_request_bodies
from ..sockets.lingering import LingeringConnections

if TYPE_CHECKING:
    from concurrent.futures import Future
    from wsgiref.types import WSGIApplication

    from .services import Services


# How often the log says that no further thread can be started: each request would say it again.
LOG_INTERVAL = 1.0


class ClientTooSlow(logging.Filter):
    """Says in one line what gunicorn would log as an error with a traceback: a client that kept us waiting."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record of a socket that ran into its time limit; let all others pass."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, TimeoutError | BlockingIOError):
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg, record.args = "a client was too slow, and its connection is closed", ()
            record.exc_info = record.exc_text = None
        return True


class GatheringWorker(PublicThreadWorker):
    """A threaded worker whose main thread gathers requests, and lets connections linger."""

    def prepare_serving(self, application: Any, services: Services) -> None:
        """Prepare to serve, in the worker's main thread.

        Args:
            application: The WSGI application.
            services: What it uses.
        """
        # Here, because the master must not load what the application is made of.
        from ..intake.json_body_routes import JsonBodyRoutes
        from ..replies.limited_replies import limit_reply_writes
        from .socket_writer_offer import offer_socket_writers

        self._services = services
        self._next_log_at = 0.0
        services.set_spare_thread_check(self.tpool.has_spare)
        self._settings = settings = services.settings
        self._body_routes = JsonBodyRoutes(application)
        self._lingering = LingeringConnections(self.poller, self._count_connections, self.log)
        self._intake = RequestIntake(
            self.poller,
            self,
            head_timeout=settings.limits.head_timeout,
            body_timeout=settings.limits.body_timeout,
            body_limit=settings.limits.max_body_bytes,
        )
        limited = limit_reply_writes(wrap_request_bodies(application), settings.limits.write_timeout)
        self.wsgi: WSGIApplication = offer_socket_writers(limited)

    def get_thread_pool(self) -> RequestThreads:
        """Make the threads; gunicorn's pool would have the worker end where no further one can be started."""
        return RequestThreads(self.cfg.threads)

    def reads_body(self, request: Any) -> bool:
        """Say whether a route will read the request's body (`IntakeOwner`)."""
        content_type = next((value for name, value in request.headers if name == "CONTENT-TYPE"), "")
        return self._body_routes.expects_json(request.method, request.path, content_type)

    def request_ready(self, connection: WorkerConnection) -> None:
        """Give a request that has come to a thread (`IntakeOwner`)."""
        try:
            self.enqueue_req(connection)
        except MemoryError:
            self.connection_ended(connection)
            raise

    def enqueue_req(self, conn: WorkerConnection) -> None:
        """Have a request served by a thread, or refused soon where there is none."""
        future, error = self.tpool.submit_request(self.handle, conn)
        future.add_done_callback(lambda ended: self.method_queue.defer(self.finish_request, conn, ended))
        if error is not None and time.monotonic() >= self._next_log_at:
            self._next_log_at = time.monotonic() + LOG_INTERVAL
            self.log.error("no further thread can be started, so requests wait or are refused: %s", error)

    def request_refused(self, connection: WorkerConnection, refusal: Refusal) -> None:
        """Reply without a thread, and close (`IntakeOwner`)."""
        self.log.info("a request was refused with %d before all of it was received: %s", refusal.status, refusal.code)
        self._services.count_refused(refusal.code)
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
        if fs.cancelled():
            if conn.is_gathered:
                self.request_refused(conn, OVERLOADED)
            else:
                self.connection_ended(conn)
            return
        if conn.is_gathered and fs.exception() is None and fs.result():
            received = conn.parser.unreader.take_buffered()
            if received:
                self._intake.begin(conn, received)
                return
        super().finish_request(conn, fs)

    def may_keep(self, conn: WorkerConnection, keepalive: bool) -> bool:
        """Say whether a connection can be used again; on the request's thread, which waits for nothing.

        gunicorn waits up to 5 s for the rest of a body, and closes a connection that it promised to keep where the
        rest is larger than 64 KiB.
        """
        arrival = getattr(conn.parser.mesg, "arrival", None)
        if arrival is None:
            return super().may_keep(conn, keepalive)
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

    def make_room(self) -> bool:
        """End a connection of which no request is being served, for another; say whether there was one."""
        idle = self.keepalived_conns or self.pending_conns
        if not idle:
            return self._intake.end_oldest()
        connection = idle.popleft()
        self.poller.unregister(connection.sock)
        self.connection_ended(connection)
        return True

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that gunicorn could not read or hand over.

        A path outside of the one that the variable SCRIPT_NAME names is not found; gunicorn would answer 500.
        A client that does not read the reply is cut off at the limit of a write.
        """
        client.settimeout(self._settings.limits.write_timeout)
        if (lacking := exhausted_by(exc)) is not None:
            self.log.error("a request could not be served: %s", lacking)
            write(client, OVERLOADED.reply)
            return
        if isinstance(exc, ConfigurationProblem):
            write_error(client, HTTPStatus.NOT_FOUND, HTTPStatus.NOT_FOUND.phrase, "")
        else:
            super().handle_error(req, client, addr, exc)
