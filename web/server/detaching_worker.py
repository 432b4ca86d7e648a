"""gunicorn's threaded worker, changed so that an open answer holds no thread: the loop writes it.

The thread that has called the application writes the head, and goes back to the pool. The connection stays counted.
When the answer has ended, another thread closes the body, as gunicorn does: so Flask and the middlewares see the end.
Each method states how it differs from gunicorn's gthread worker (27.0).
"""

from __future__ import annotations

import errno
import ssl
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from ..intake.gunicorn_internals import PublicThreadWorker, close_graceful, is_event_stream
from .exchange import DETACHED, Exchange
from .unknown_bodies import report_unknown_body

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from ..intake.request_threads import RequestThreads
    from ..intake.worker_connection import WorkerConnection
    from ..replies.stream_body import StreamBody

_DISCONNECTED = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN)
#: The client whose request a thread serves, for log records that do not name it.
serving = threading.local()


class NoThreadLeft(Exception):
    """A reply would hold a thread until its end, and as many are held as may be."""


class DetachingWorker(PublicThreadWorker):
    """A threaded worker whose streams are written by the loop."""

    tpool: RequestThreads
    #: Seconds that a client has for each write.
    write_timeout: float

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Prepare a worker, with gunicorn's arguments."""
        super().__init__(*arguments, **named)
        #: Open answers that hold no thread. Who removes one closes it.
        self._detached: set[Exchange] = set()

    def handle_request(self, req: Any, conn: WorkerConnection) -> object:
        """Serve a request on its thread; return whether to keep the connection, or `DETACHED`.

        gunicorn's iterates each body to its end.
        """
        exchange = Exchange(req, conn)
        try:
            self.cfg.pre_request(self, req)
            exchange.context.run(self._begin, exchange)
        except BaseException:
            self._post_request(exchange)
            raise
        if exchange.reader is not None:
            self._detached.add(exchange)
            try:
                # Only now: at the end, another thread enters the context.
                exchange.reader.follow()
            except RuntimeError:  # the loop is gone
                exchange.reader.abort()
                self._detached.discard(exchange)
            else:
                return DETACHED
        return self._finish(exchange)

    def _begin(self, exchange: Exchange) -> None:
        """Call the application; write the beginning of a stream that the loop will write."""
        exchange.begin()
        response = exchange.response
        self.nr += 1
        if not self.alive or not self.cfg.keepalive or len(self.keepalived_conns) >= self.max_keepalived:
            response.force_close()
        # gunicorn sets it back to blocking before the next request.
        exchange.connection.sock.settimeout(self.write_timeout)
        body = exchange.call(self.wsgi)
        try:
            stream = self._find_stream(exchange, body)
            if stream is not None:
                exchange.write_first()
                exchange.reader = stream.detach(
                    exchange.connection.sock,
                    is_chunked=response.chunked,
                    write_timeout=self.write_timeout,
                    on_done=partial(self._close_on_thread, exchange),
                )
        except BaseException:
            exchange.close(self.log)
            raise

    def _find_stream(self, exchange: Exchange, body: Iterable[bytes]) -> StreamBody | None:
        """Return the stream in a body that the loop can write; None for any other body.

        Raises:
            NoThreadLeft: A stream that only a thread can write, and none may be held.
        """
        # Imported here, because the master must not load Flask.
        from ..replies.run_guard import has_stream
        from ..replies.stream_body import StreamBody
        from ..replies.transparent_bodies import bodies

        if not has_stream(exchange.environ) or exchange.request.method == "HEAD":
            return None
        innermost = bodies.innermost(body)
        if not isinstance(innermost, StreamBody):
            if not is_event_stream(exchange.response):
                return None
            report_unknown_body(innermost)
        elif innermost.join_if_short():
            return None
        # Two threads must not use the TLS library for one connection at one time.
        elif exchange.response.response_length is None and not isinstance(exchange.connection.sock, ssl.SSLSocket):
            return innermost
        if not self.tpool.hold():
            raise NoThreadLeft("no thread is left for a stream that holds one")
        exchange.holds_thread = True
        return None

    def _finish(self, exchange: Exchange) -> bool:
        """Write what is left of a reply, and close it; return whether to keep the connection."""
        try:
            exchange.context.run(self._write_rest, exchange)
            return not exchange.response.should_close()
        finally:
            if exchange.holds_thread:
                self.tpool.release()
            self._post_request(exchange)

    def _write_rest(self, exchange: Exchange) -> None:
        try:
            try:
                exchange.write_rest()
            finally:
                exchange.close(self.log)
        except OSError:
            raise
        except (Exception, SystemExit):
            if exchange.response.headers_sent:
                # Another reply on this socket would be taken for a part of this one.
                self.log.exception("Error handling request")
                close_graceful(exchange.connection.sock)
                raise StopIteration from None
            raise

    def _post_request(self, exchange: Exchange) -> None:
        try:
            self.cfg.post_request(self, exchange.request, exchange.environ, exchange.response)
        except Exception:
            self.log.exception("Exception in post_request hook")

    # ------------------------------------------------------------------ the end of a detached answer

    def _close_on_thread(self, exchange: Exchange) -> None:
        """Close an answer on a thread of the pool. On the loop's thread: the main thread need not wake for it."""
        try:
            future = self.tpool.submit(self._close_detached, exchange)
        except RuntimeError:
            self.log.debug("the pool of threads has ended, and `close_detached` closes the answer")
        else:
            self.finish_later(exchange.connection, future)

    def finish_later(self, connection: WorkerConnection, future: Future[Any]) -> None:
        """Have the main thread keep or close a connection when a thread has served it, unless it is `DETACHED`."""

        def finish(ended: Future[Any]) -> None:
            if ended.cancelled() or ended.exception() is not None or ended.result() is not DETACHED:
                self.method_queue.defer(self.finish_request, connection, ended)

        future.add_done_callback(finish)

    def _close_detached(self, exchange: Exchange) -> object:
        """Close an answer; return whether to keep its connection. `DETACHED`: another thread has closed it."""
        try:
            self._detached.remove(exchange)
        except KeyError:
            return DETACHED
        connection = exchange.connection
        serving.client = connection.client
        try:
            return self.may_keep(connection, self._finish(exchange))
        except StopIteration:
            self.log.debug("a connection is closed, because its reply was cut short")
        except OSError as error:
            # As gunicorn's `handle`.
            if error.errno in _DISCONNECTED:
                self.log.debug("the client has disconnected: %s", error)
            else:
                self.log.exception("Socket error processing request.")
        except Exception:
            self.log.exception("the end of a stream failed")
        return False

    def close_lost(self) -> None:
        """Have threads end the answers whose loop is dead or stuck, by a terminal frame. On the main thread."""
        for exchange in list(self._detached):
            reader = exchange.reader
            if reader is not None and reader.has_lost_loop and reader.abort():
                self._close_on_thread(exchange)

    def close_detached(self) -> None:
        """Close all answers that are left, without waiting for a client. Behind the end of the services."""
        for exchange in list(self._detached):
            if exchange.reader is not None:
                exchange.reader.abort()
            exchange.connection.sock.setblocking(False)
            self._close_detached(exchange)
