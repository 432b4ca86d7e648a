"""gunicorn's threaded worker, changed so that only complete requests use a thread.

Each method states how it differs from gunicorn's gthread worker (27.0).
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ...service.observability.logging import request_id
from ...service.observability.resources import exhausted_by
from ..intake.gunicorn_internals import ParseException, body_length, write
from ..intake.gunicorn_internals import errors as http_errors
from ..intake.parser_refusals import refuse_parser_error
from ..intake.refusals import FAILED, OVERLOADED, Refusal, make_invalid_refusal
from ..intake.request_intake import RequestIntake
from ..intake.request_parser import RequestTooSlow
from ..intake.request_threads import RequestThreads
from ..intake.worker_connection import WorkerConnection
from ..intake.wsgi_input import wrap_request_bodies
from ..security.trace_context import read_request_id
from ..sockets.lingering import LingeringConnections
from .detaching_worker import DetachingWorker, NoThreadLeft, serving
from .exchange import DETACHED

if TYPE_CHECKING:
    from concurrent.futures import Future
    from wsgiref.types import WSGIApplication

    from ..services import Services


#: The refusal where TLS could not be set up.
NO_TLS = make_invalid_refusal(400, "Bad Request", "The connection should use TLS (https).")
# What the log quotes of an invalid request.
CAUSE_CHARS = 200
# Seconds between two log lines about threads that cannot be started, because each request would log one.
LOG_INTERVAL = 1.0


def format_client(address: Any) -> str:
    """Return a client's address for the log: `192.0.2.7:40132`, or `a local client` of a unix socket."""
    if not isinstance(address, tuple):
        return "a local client"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class ClientTooSlow(logging.Filter):
    """Logs one line where gunicorn would log an error with a traceback: for a client that was too slow."""

    def __init__(self, head_timeout: float, write_timeout: float) -> None:
        """Take the limits of errors that do not name theirs.

        Args:
            head_timeout: Seconds for a head, also of the handshake of TLS.
            write_timeout: Seconds for each write of a reply.
        """
        super().__init__()
        self._head = f"its head was not received within {head_timeout:g} s"
        self._write = f"it did not read its reply within {write_timeout:g} s"

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the record of a socket that exceeded its time limit; accept all others."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, TimeoutError | BlockingIOError):
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg = "the client %s was too slow, and its connection is closed: %s"
            client = getattr(serving, "client", None)
            record.args = (format_client(client) if client else "of an unknown address", self._reason(error))
            record.exc_info = record.exc_text = None
        return True

    def _reason(self, error: OSError) -> str:
        if isinstance(error, RequestTooSlow):
            return str(error)
        return self._head if isinstance(error, BlockingIOError) or "handshake" in str(error) else self._write


class GatheringWorker(DetachingWorker):
    """A threaded worker whose main thread receives requests, and lets connections linger."""

    def prepare_serving(self, application: Any, services: Services) -> None:
        """Prepare to serve. On the worker's main thread.

        Args:
            application: The WSGI application.
            services: The services that it uses.
        """
        # Imported here, because the master must not load Flask.
        from ..intake.json_body_routes import JsonBodyRoutes

        self._services = services
        self._next_log_at = 0.0
        self._settings = settings = services.settings
        self.tpool.keep_reserve(settings.limits.reserve_threads)
        services.use_threads(self.tpool)
        self.write_timeout = settings.limits.write_timeout
        self._body_routes = JsonBodyRoutes(application)
        self._lingering = LingeringConnections(self.poller, self._count_connections, self.log)
        self._intake = RequestIntake(
            self.poller,
            self,
            head_timeout=settings.limits.head_timeout,
            body_timeout=settings.limits.body_timeout,
            body_limit=max(settings.limits.max_body_bytes, settings.max_chat_body_bytes),
        )
        self.wsgi: WSGIApplication = wrap_request_bodies(application)
        services.set_write_limit(settings.limits.write_timeout)

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
        """Serve a received request on a thread; refuse a chat that would get no slot without one (`IntakeOwner`)."""
        if self._services.are_full and self._is_chat(connection.parser.prepared):
            # Without a line in the log: there may be thousands a second, and they are counted.
            self.request_refused(connection, OVERLOADED, level=logging.DEBUG)
            return
        try:
            self.enqueue_req(connection)
        except MemoryError:
            self.connection_ended(connection)
            raise

    def _is_chat(self, request: Any) -> bool:
        # One with a query is the doctor's, which takes no slot.
        return request is not None and not request.query and self._body_routes.is_chat(request.method, request.path)

    def enqueue_req(self, conn: WorkerConnection) -> None:
        """Serve a request on a thread; refuse it soon where there is none."""
        future, error = self.tpool.submit_request(self.handle, conn)
        self.finish_later(conn, future)
        if error is not None and time.monotonic() >= self._next_log_at:
            self._next_log_at = time.monotonic() + LOG_INTERVAL
            self.log.error("no further thread can be started, so requests wait or are refused: %s", error)

    def handle(self, conn: WorkerConnection) -> Any:
        """Serve a request on its thread, whose log records can name the client. gunicorn's do not."""
        serving.client = conn.client
        return super().handle(conn)

    def request_refused(
        self, connection: WorkerConnection, refusal: Refusal, cause: str = "", level: int = logging.INFO
    ) -> None:
        """Send a refusal without a thread, and close the connection (`IntakeOwner`)."""
        try:
            name = self._note_refusal(refusal, connection.client, connection.parser.prepared, cause, level)
            request = connection.parser.prepared
            is_openai = request is not None and self._body_routes.is_openai(request.method, request.path)
            # Without waiting: where the socket is full, the client has not read its last replies.
            connection.sock.send(refusal.encode(name, has_body=not connection.is_head, is_openai=is_openai))
        except OSError as error:
            self.log.debug("a refusal for %s could not be sent: %s", format_client(connection.client), error)
        finally:
            # The worker continues after a MemoryError.
            self.nr_conns -= 1
            connection.close(graceful=True)

    def _note_refusal(
        self, refusal: Refusal, client: Any, request: Any, cause: str, level: int = logging.INFO
    ) -> str:
        """Log and count a refusal, and return the request's id.

        Args:
            refusal: The reply.
            client: The client's address.
            request: The request as far as it is known; None where its head is not.
            cause: What the log should say besides the reply's message.
            level: The level of the line.
        """
        headers = dict(request.headers) if request is not None else {}
        name = read_request_id(headers.get("X-REQUEST-ID")) or uuid4().hex
        logged = request_id.set(name)
        try:
            reason = f"{refusal.public_message} ({cause[:CAUSE_CHARS]})" if cause else refusal.public_message
            self.log.log(
                level, "a request of %s was refused with %d: %s", format_client(client), refusal.status, reason
            )
        finally:
            request_id.reset(logged)
        self._services.count_refused(refusal.code)
        return name

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
                self.log.info("a request of %s was not read: no thread was left", format_client(conn.client))
            return
        if conn.is_gathered and fs.exception() is None and fs.result():
            received = conn.parser.unreader.take_buffered()
            if received:
                self._intake.begin(conn, received)
                return
        super().finish_request(conn, fs)

    def may_keep(self, conn: WorkerConnection, keepalive: object) -> object:
        """Return whether a connection can be used again. On the request's thread, without waiting.

        gunicorn waits up to 5 s for the rest of a body. Where more than 64 KiB are left, it closes the connection,
        although it has announced to keep it.
        """
        if keepalive is DETACHED:
            return keepalive
        arrival = getattr(conn.parser.mesg, "arrival", None)
        if arrival is None:
            return super().may_keep(conn, keepalive)
        if not keepalive or not arrival.is_complete:
            return False
        if body_length(conn.parser.mesg) == 0:
            return True
        try:
            return bool(conn.parser.finish_body())
        except ParseException as error:
            # The reply was sent, so the invalid body gets no reply of its own.
            self.log.debug("a body of %s that was not read is broken: %s", format_client(conn.client), error)
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

        In the form of other errors; gunicorn sends HTML, and 500 for a path outside of SCRIPT_NAME. The write has a
        time limit.
        """
        client.settimeout(self._settings.limits.write_timeout)
        # The application's own headers are not the client's fault.
        is_own = isinstance(exc, http_errors.InvalidResponseHeader | http_errors.InvalidResponseHeaderName)
        cause = ""
        if isinstance(exc, NoThreadLeft):
            refusal, cause = OVERLOADED, str(exc)
        elif (lacking := exhausted_by(exc)) is not None:
            self.log.error("a request of %s could not be served: %s", format_client(addr), lacking)
            refusal = OVERLOADED
        elif isinstance(exc, ParseException) and not is_own:
            refusal, cause = refuse_parser_error(exc, self.cfg), str(exc)
        elif isinstance(exc, ssl.SSLError):
            refusal, cause = NO_TLS, str(exc)
        else:
            target = f"{req.method} {req.uri}" if hasattr(req, "uri") else "a request that was not read"
            self.log.error("%s of %s failed in the server", target[:CAUSE_CHARS], format_client(addr), exc_info=exc)
            refusal = FAILED
        name = self._note_refusal(refusal, addr, req if hasattr(req, "headers") else None, cause)
        reply = refusal.encode(name, has_body=getattr(req, "method", None) != "HEAD")
        try:
            write(client, reply)
        except OSError as error:
            self.log.debug("a refusal for %s could not be sent: %s", format_client(addr), error)
