"""Follows a run's log on the loop's thread, and writes its frames to the client's socket without blocking.

No thread waits: the server's worker has sent the head of the reply on a thread, and closes the body on another one
when this is done (`web/server/detaching_worker.py`, docs/decisions/0079-an-open-answer-holds-no-thread.md).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextvars import Context
from time import monotonic

from ...service import LoopState
from ...service.errors import InternalError
from ...service.events.events import Event, Failed
from ...service.runs.subscription import Subscription
from ..encoders.sluice_sse import HEARTBEAT

logger = logging.getLogger("sluice.web")

#: Makes bytes of a run's events, of the number of the first one, and of the request's id.
Encoder = Callable[[Sequence[Event], int, str], bytes]


class SocketReader:
    """Writes one run to one client's socket. `follow` and `abort` are for any thread, all else is for the loop's.

    Where the socket is full, the rest of a write is kept, and the reader is behind: a full log holds the provider
    back. A write that the client does not accept in time, or that fails, ends the run as a disconnect.
    """

    def __init__(
        self,
        run: Subscription,
        encode: Encoder,
        request_id: str,
        client: socket.socket,
        *,
        is_chunked: bool,
        write_timeout: float,
        on_done: Callable[[], None],
    ) -> None:
        """Take a run, of which nothing was read.

        Args:
            run: The run whose events are written.
            encode: Makes the frames.
            request_id: The id of the request, for an error's frame.
            client: The client's socket, without TLS. The head of the reply was sent.
            is_chunked: Whether each write is a chunk of the body (RFC 9112, section 7.1).
            write_timeout: Seconds that the client has for each write.
            on_done: Called once on the loop's thread, when nothing more will be written: behind the terminal event,
                after a failed write, or where the client has disconnected. It must not block.
        """
        self._run = run
        self._log = run.log
        self._encode = encode
        self._request_id = request_id
        # Not the socket object: with a time limit, Python's `send` waits until the socket is writable.
        self._number = client.fileno()
        self._is_chunked = is_chunked
        self._write_timeout = write_timeout
        self._on_done: Callable[[], None] | None = on_done
        #: Held while something is written, because `abort` may come from another thread.
        self._lock = threading.RLock()
        self._is_done = False
        self._written_at = 0.0
        self._heartbeat: asyncio.TimerHandle | None = None
        self._limit: asyncio.TimerHandle | None = None
        #: Of the log's side (`LogReader`).
        self.cursor = run.after
        self.is_waiting = False
        #: Bytes that the socket did not accept.
        self.unsent = b""
        #: Bytes of the body that were written, without the framing.
        self.sent = 0
        #: Why the last write failed; None where none has.
        self.error: OSError | None = None
        #: Whether another thread has to write the end, because the loop is gone.
        self.is_aborted = False

    def follow(self) -> None:
        """Begin to write. Does not wait.

        Raises:
            LoopUnavailable: The loop does not run.
        """
        # Not in a copy of the caller's context, which would keep its web request.
        Context().run(self._run.loop.call_soon, self._attach)

    def abort(self) -> bool:
        """Write nothing more, because the loop is dead or stuck.

        Returns:
            Whether the caller has to write the end: `unsent`, and a terminal event. If not, `on_done` was called.
        """
        with self._lock:
            if not self._is_done:
                self._is_done = self.is_aborted = True
                self._on_done = None
        return self.is_aborted

    @property
    def has_lost_loop(self) -> bool:
        """Whether the loop that writes is dead or stuck."""
        return self._run.loop.health().state is not LoopState.RUNNING

    def take(self, first_number: int, events: Sequence[Event]) -> None:
        """Write events (`LogReader`)."""
        with self._lock:
            if self._is_done:
                return
            # What it is given is all that there is, from `append` as from `pull`.
            self.cursor = self._log.last_number
            try:
                self._write(self._encode(events, first_number, self._request_id))
            except Exception as error:
                self._fail_to_encode(first_number, error)
            if self._log.has_ended:
                self._finish_if_written()

    def end(self) -> None:
        """Stop where it is: the client has disconnected (`LogReader`)."""
        with self._lock:
            if self.unsent and self.error is None:
                # Nothing else may be written behind a part of a frame.
                self.error = BrokenPipeError("the client has disconnected")
            self._finish()

    # ------------------------------------------------------------------ inside; the lock is held

    def _write(self, frames: bytes) -> None:
        """Write frames; keep what the socket does not accept."""
        size = len(frames)
        if not size:
            # Events that an encoding has no frame for. An empty chunk would be the end of the body.
            return
        self.sent += size
        data = b"%x\r\n%b\r\n" % (size, frames) if self._is_chunked else frames
        self._written_at = monotonic()
        try:
            written = os.write(self._number, data)
        except BlockingIOError:
            written = 0
        except OSError as error:
            self._fail(error)
            return
        self.unsent = data[written:]
        if self.unsent:
            self.is_waiting = False
            loop = asyncio.get_running_loop()
            loop.add_writer(self._number, self._on_writable)
            self._limit = loop.call_later(self._write_timeout, self._on_limit)

    def _catch_up(self) -> None:
        """Write what the log has kept, and want the next events."""
        first = self.cursor + 1
        if events := self._log.pull(self):
            try:
                self._write(self._encode(events, first, self._request_id))
            except Exception as error:
                self._fail_to_encode(first, error)
        if self.unsent or self._is_done:
            return
        if self.cursor < self._log.last_number:
            # A log that keeps all gives a part at a time.
            asyncio.get_running_loop().call_soon(self._on_next_part)
            return
        self.is_waiting = True
        if self._log.has_ended:
            self._finish_if_written()

    def _finish_if_written(self) -> None:
        """Be done, where the log has ended and all of it is written."""
        if not self._is_done and not self.unsent and self.cursor == self._log.last_number:
            self._run.has_delivered_end = True
            self._finish()

    def _fail_to_encode(self, first_number: int, error: Exception) -> None:
        logger.error("unhandled exception in a stream", exc_info=error)
        self._run.stop(InternalError("a frame could not be encoded"))
        self._run.has_delivered_end = True
        self._write(self._encode([Failed(InternalError())], first_number, self._request_id))
        self._finish()

    def _fail(self, error: OSError) -> None:
        # Its traceback holds this frame.
        self.error = error.with_traceback(None)
        self._run.disconnect()
        self._finish()

    def _finish(self) -> None:
        if self._is_done:
            return
        self._is_done = True
        self.is_waiting = False
        self._log.detach(self)
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        self._stop_waiting()
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            on_done()

    def _stop_waiting(self) -> None:
        """Wait no more for the socket."""
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
            asyncio.get_running_loop().remove_writer(self._number)

    # ------------------------------------------------------------------ what the loop calls

    def _attach(self) -> None:
        with self._lock:
            if self._is_done:
                return
            self._run.attach(self)
            if self._is_done:
                return
            self._written_at = monotonic()
            self._heartbeat = asyncio.get_running_loop().call_later(self._run.heartbeat, self._on_heartbeat)
            self._catch_up()

    def _on_writable(self) -> None:
        with self._lock:
            if self._is_done:
                asyncio.get_running_loop().remove_writer(self._number)
                return
            try:
                written = os.write(self._number, self.unsent)
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(error)
                return
            self.unsent = self.unsent[written:]
            if not self.unsent:
                self._written_at = monotonic()
                self._stop_waiting()
                self._catch_up()

    def _on_next_part(self) -> None:
        with self._lock:
            if not self._is_done:
                self._catch_up()

    def _on_limit(self) -> None:
        with self._lock:
            if not self._is_done:
                self._fail(TimeoutError("timed out"))

    def _on_heartbeat(self) -> None:
        """Write a sign of life, where nothing was written since one was due; set the one timer again."""
        with self._lock:
            if self._is_done:
                return
            left = self._written_at + self._run.heartbeat - monotonic()
            # Where bytes wait, the client has a sign of life as soon as it reads.
            if left <= 0.0 and not self.unsent:
                self._write(HEARTBEAT)
            left = left if left > 0.0 else self._run.heartbeat
            if not self._is_done:
                self._heartbeat = asyncio.get_running_loop().call_later(left, self._on_heartbeat)
