"""The body of one streamed reply."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from ...service import Run
from ...service.errors import InternalError
from ...service.runs.events import Event, Failed
from ..encoders.sluice_sse import HEARTBEAT, OPENING, encode_events
from .socket_writer import SocketWriter

logger = logging.getLogger("sluice.web")


class StreamBody:
    """An iterator of frames, for any WSGI server; with an `SocketWriter`, most of them go past the iteration.

    It raises nothing of the run's: what goes wrong after the headers is a frame. The outlet's failed writes are
    raised, as the server's own are.
    """

    def __init__(self, run: Run, request_id: str) -> None:
        """Take a run; nothing is read of it before the iteration.

        Args:
            run: The run whose events are sent.
            request_id: The id of the request, for an error's frame.
        """
        self._run = run
        self._request_id = request_id
        self._writer: SocketWriter | None = None
        self._opened = False
        self._broken = False
        self._on_close: Callable[[], None] | None = None

    def use(self, writer: SocketWriter) -> None:
        """Take the server's outlet. Before the iteration; the server iterates this object itself, not a wrapping."""
        self._writer = writer
        # It is not used before the second step: until then nobody waits for the run.
        self._run.divert(self._write)

    def on_close(self, callback: Callable[[], None]) -> None:
        """Have this called by `close`, once."""
        self._on_close = callback

    def close(self) -> None:
        """End the run. WSGI servers call this in every case; calling it twice is harmless."""
        callback, self._on_close = self._on_close, None
        if callback is not None:
            callback()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._opened:
            self._opened = True
            return OPENING
        while True:
            frames = self._frames()
            flushed = self._writer is not None and self._writer.flush()
            if frames is None:
                raise StopIteration
            if frames is not HEARTBEAT or not flushed:
                return frames

    def _frames(self) -> bytes | None:
        """Wait for what is to be written next; ``None`` at the end."""
        if self._broken:
            return None
        try:
            batch = next(self._run, None)
            if batch is None:
                return None
            first_number, events = batch
            return encode_events(events, first_number, self._request_id) if events else HEARTBEAT
        except Exception:
            logger.exception("unhandled exception in a stream")
            self._broken = True
            return encode_events([Failed(InternalError())], self._run.next_number, self._request_id)

    def _write(self, first_number: int, events: Sequence[Event]) -> bool:
        """Write events through the outlet. On the loop's thread, while the server's waits in `next`."""
        assert self._writer is not None
        return self._writer.send(encode_events(events, first_number, self._request_id))
