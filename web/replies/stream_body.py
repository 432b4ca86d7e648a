"""The WSGI body of one streamed reply."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator

from ...service.errors import InternalError
from ...service.events.events import Failed
from ...service.runs.subscription import Subscription
from ..encoders.sluice_sse import HEARTBEAT, OPENING, encode_events
from .socket_reader import Encoder, SocketReader

logger = logging.getLogger("sluice.web")


class StreamBody:
    """An iterator of frames, for any WSGI server. A failure of the run is a frame and is never raised."""

    def __init__(self, run: Subscription, request_id: str, encode: Encoder = encode_events) -> None:
        """Take a run, of which nothing is read before the iteration.

        Args:
            run: The run whose events are sent.
            request_id: The id of the request, for an error's frame.
            encode: Makes bytes of the run's events, of the number of the first one, and of the id.
        """
        self._encode = encode
        self._run = run
        self._request_id = request_id
        self._is_opened = False
        self._is_joined = False
        self._has_failed = False
        self._on_close: Callable[[], None] | None = None
        #: What writes the frames in place of the iteration; None where nothing does.
        self.socket_reader: SocketReader | None = None

    def detach(
        self, client: socket.socket, *, is_chunked: bool, write_timeout: float, on_done: Callable[[], None]
    ) -> SocketReader:
        """Have the loop write all further frames; the iteration then yields only the end of a lost loop.

        For the thread that has taken the first item of the iteration and sent it. It has to call `follow` of what is
        returned, whose arguments these are.
        """
        self.socket_reader = SocketReader(
            self._run,
            self._encode,
            self._request_id,
            client,
            is_chunked=is_chunked,
            write_timeout=write_timeout,
            on_done=on_done,
        )
        return self.socket_reader

    def join_if_short(self) -> bool:
        """Have the first item hold the whole answer, where that has ended and is short; return whether it does."""
        self._is_joined = self._run.is_short
        return self._is_joined

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
            return OPENING + (self._next_frames() or b"") if self._is_joined else OPENING
        frames = self._next_frames()
        if frames is None:
            # Not only when the server closes it: the client may ask again as soon as it has the end of the body.
            self.close()
            raise StopIteration
        return frames

    def _next_frames(self) -> bytes | None:
        """Wait for the next events, and return their frames; None at the end."""
        if self._has_failed:
            return None
        reader = self.socket_reader
        if reader is not None:
            self._has_failed = True
            if not reader.is_aborted:
                return None
            return self._encode([self._run.end_without_loop()], reader.cursor + 1, self._request_id)
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
