"""gunicorn's threaded worker, changed so that only complete requests use a thread.

Each method states how it differs from gunicorn's gthread worker (27.0).
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


# Seconds between two log lines about threads that cannot be started, because each request would log one.
LOG_INTERVAL = 1.0


class ClientTooSlow(logging.Filter):
    """Logs one line where gunicorn would log an error with a traceback: for a client that was too slow."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the record of a socket that exceeded its time limit; accept all others."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, TimeoutError | BlockingIOError):
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg, record.args = "a client was too slow, and its connection is closed", ()
            record.exc_info = record.exc_text = None
        return True


class GatheringWorker(PublicThreadWorker):
    """A threaded worker whose main thread receives requests, and lets connections linger."""

    def prepare_serving(self, application: Any, services: Services) -> None:
        """Prepare to serve. On the worker's main thread.

        Args:
            application: The WSGI application.
            services: The services that it uses.
        """
        # Imported here, because the master must not load Flask.
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
        """Return the pool of threads. With gunicorn's, the worker ends where no further thread can be started."""
        return RequestThreads(self.cfg.threads)

    def reads_body(self, request: Any) -> bool:
        """Return whether a route will read the request's body (`IntakeOwner`)."""
        headers = dict(request.headers)
        # A compressed body is refused unread.
        coding = headers.get("CONTENT-ENCODING", "").lower()
        content_type = headers.get("CONTENT-TYPE", "")
        return coding in ("", "identity") and self._body_routes.expects_json(
            request.method, request.path, content_type
        )

    def request_ready(self, connection: WorkerConnection) -> None:
        """Serve a received request on a thread (`IntakeOwner`)."""
        try:
            self.enqueue_req(connection)
        except MemoryError:
            self.connection_ended(connection)
            raise

    def enqueue_req(self, conn: WorkerConnection) -> None:
        """Serve a request on a thread; refuse it soon where there is none."""
        future, error = self.tpool.submit_request(self.handle, conn)
        future.add_done_callback(lambda ended: self.method_queue.defer(self.finish_request, conn, ended))
        if error is not None and time.monotonic() >= self._next_log_at:
            self._next_log_at = time.monotonic() + LOG_INTERVAL
            self.log.error("no further thread can be started, so requests wait or are refused: %s", error)

    def request_refused(self, connection: WorkerConnection, refusal: Refusal) -> None:
        """Send a refusal without a thread, and close the connection (`IntakeOwner`)."""
        self.log.info("a request was refused with %d before all of it was received: %s", refusal.status, refusal.code)
        self._services.count_refused(refusal.code)
        try:
            # Without waiting: where the socket is full, the client has not read its last replies.
            connection.sock.send(refusal.reply)
        except OSError as error:
            self.log.debug("a refusal could not be sent: %s", error)
        self.nr_conns -= 1
        connection.close(graceful=True)

    def connection_ended(self, connection: WorkerConnection) -> None:
        """Close a connection without a request (`IntakeOwner`)."""
        self.nr_conns -= 1
        connection.close()

    def on_client_socket_readable(self, conn: WorkerConnection, client: socket.socket) -> None:
        """Receive the next request of an idle connection. gunicorn uses a thread from the first byte on."""
        if conn.is_gathered:
            self.keepalived_conns.remove(conn)
            self._intake.resume(conn)
        else:
            super().on_client_socket_readable(conn, client)

    def finish_request(self, conn: WorkerConnection, fs: Future[Any]) -> None:
        """Receive a pipelined request. gunicorn uses a thread as soon as it has begun."""
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
        """Return whether a connection can be used again. On the request's thread, without waiting.

        gunicorn waits up to 5 s for the rest of a body. Where more than 64 KiB are left, it closes the connection,
        although it has announced to keep it.
        """
        arrival = getattr(conn.parser.mesg, "arrival", None)
        if arrival is None:
            return super().may_keep(conn, keepalive)
        if not keepalive or not arrival.is_complete:
            return False
        try:
            return bool(conn.parser.finish_body())
        except ParseException as error:
            # The reply was sent, so the invalid body gets no reply of its own.
            self.log.debug("a body that was not read is broken: %s", error)
            return False

    def _count_connections(self, change: int) -> None:
        self.nr_conns += change

    def close_idle_connection(self) -> bool:
        """Close an idle or incomplete connection to free its descriptor; return whether there was one."""
        idle = self.keepalived_conns or self.pending_conns
        if not idle:
            return self._intake.end_oldest()
        connection = idle.popleft()
        self.poller.unregister(connection.sock)
        self.connection_ended(connection)
        return True

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that gunicorn could not read or pass to the application.

        A path outside of SCRIPT_NAME is answered 404; gunicorn answers 500. The write has a time limit.
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
