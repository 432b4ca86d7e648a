"""The WSGI body of one streamed reply."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from ...service import Run
from ...service.errors import InternalError
from ...service.events.events import Event, Failed
from ..encoders.sluice_sse import HEARTBEAT, OPENING, encode_events
from .socket_writer import SocketWriter

Encoder = Callable[[Sequence[Event], int, str], bytes]

logger = logging.getLogger("sluice.web")


class StreamBody:
    """An iterator of frames, for any WSGI server. With a `SocketWriter`, the loop writes most frames itself.

    A failure of the run is a frame and is never raised. The writer's failed writes are raised, as the server's are.
    """

    def __init__(self, run: Run, request_id: str, encode: Encoder = encode_events) -> None:
        """Take a run, of which nothing is read before the iteration.

        Args:
            run: The run whose events are sent.
            request_id: The id of the request, for an error's frame.
            encode: Makes bytes of the run's events, of the number of the first one, and of the id.
        """
        self._encode = encode
        self._run = run
        self._request_id = request_id
        self._writer: SocketWriter | None = None
        self._is_opened = False
        self._has_failed = False
        self._on_close: Callable[[], None] | None = None
        self._keeps_write_errors = False
        #: The writer's failed write, where `keep_write_errors` was called.
        self.write_error: OSError | None = None

    def use(self, writer: SocketWriter) -> None:
        """Let the loop write frames through this writer. Called before the iteration.

        Only where the server gets each frame that this object yields as it is: another middleware expects all frames.
        """
        self._writer = writer
        # The run uses it only while a thread waits for the run's next events: after the opening was sent.
        self._run.divert(self._write)

    def keep_write_errors(self) -> None:
        """End the iteration at the writer's failed write, and keep its error. Called before the iteration."""
        self._keeps_write_errors = True

    def on_close(self, callback: Callable[[], None]) -> None:
        """Set the function that the first `close` calls."""
        self._on_close = callback

    def close(self) -> None:
        """End the run. WSGI servers call this in every case. Calling it twice is harmless."""
        callback, self._on_close = self._on_close, None
        if callback is not None:
            callback()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._is_opened:
            self._is_opened = True
            return OPENING
        while True:
            frames = self._next_frames()
            has_flushed = self._writer is not None and self._flush(self._writer)
            if frames is None or self.write_error is not None:
                # Not only when the server closes it: the client may ask again as soon as it has the end of the body.
                self.close()
                raise StopIteration
            if frames is not HEARTBEAT or not has_flushed:
                return frames

    def _flush(self, writer: SocketWriter) -> bool:
        try:
            return writer.flush()
        except OSError as error:
            if not self._keeps_write_errors:
                raise
            # Its traceback holds this object.
            self.write_error = error.with_traceback(None)
            return True

    def _next_frames(self) -> bytes | None:
        """Wait for the next events, and return their frames; None at the end."""
        if self._has_failed:
            return None
        try:
            batch = next(self._run, None)
            if batch is None:
                return None
            first_number, events = batch
            return self._encode(events, first_number, self._request_id) if events else HEARTBEAT
        except Exception:
            logger.exception("unhandled exception in a stream")
            self._has_failed = True
            return self._encode([Failed(InternalError())], self._run.next_number, self._request_id)

    def _write(self, first_number: int, events: Sequence[Event]) -> bool:
        """Write events through the writer. On the loop's thread, while the request's thread waits in `next`."""
        assert self._writer is not None
        return self._writer.send(self._encode(events, first_number, self._request_id))
