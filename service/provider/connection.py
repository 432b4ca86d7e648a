"""Decide when a connection to a provider is read: large reads in slices, fast senders once in a display's frame.

Fast are those that send much at once; where the process is busy, all that send more often than a display shows.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from time import monotonic

from ..concurrency.processor_use import ProcessorUse
from ..concurrency.turn_queue import TurnQueue
from .aiohttp_internals import ResponseProtocol

# A display shows one frame in 16 ms. Each token of a faster model costs a read, a write and an event. So where the
# process is busy, or much came at once, after FAST_READS reads in a row that each came within FAST_READ_SECONDS the
# socket is not read for FRAME_SECONDS, and what comes meanwhile is one read. Models below 125 tokens a second, first
# tokens and short answers are not delayed (docs/decisions/0085-frames-only-in-a-busy-process.md).
FAST_READ_SECONDS = 0.008
FAST_READS = 8
FRAME_SECONDS = 0.016
# Bytes that are parsed and decoded at once, where they come: ten tokens, and 0.4 ms of the costliest bytes there are.
# More wait in the turn queue, after all other work that waits.
SMALL_READ = 2048
# How many bytes of a large read are parsed and decoded in one go: 80 tokens, which take 0.1 ms. The costliest bytes
# that were found, events of one letter, take 12 ms. With half as many, a flood of tokens costs a sixth more; with
# four times as many, it costs the same.
SLICE_BYTES = 16 * 1024


class ProviderConnection(ResponseProtocol):
    """A connection that calls `on_change` when bytes came, and when it ended. On the loop's thread only.

    A large read is parsed and decoded in slices, each in its turn of the queue. Until the last slice the socket is
    not read. One read of uvloop's has up to 256 KiB, and it reads 32 times in a row from a fast sender.
    """

    __slots__ = (
        "_at",
        "_fast_reads",
        "_frame_timer",
        "_had_much",
        "_in_queue",
        "_lost",
        "_reading_since",
        "_turns",
        "_use",
        "_waits_for_frame",
        "on_change",
        "unparsed",
        "was_used",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, turns: TurnQueue, use: ProcessorUse) -> None:
        """Prepare the protocol of one connection.

        Args:
            loop: The loop that it is made on.
            turns: Calls the slices of large reads in turn; one queue for all connections.
            use: Says whether this process is busy; one for all connections.
        """
        super().__init__(loop)
        #: Called when bytes have come, and when the connection has ended. Returns whether bytes were taken and more
        #: of them are awaited.
        self.on_change: Callable[[], bool] | None = None
        #: Whether a request was sent over it.
        self.was_used = False
        self._turns = turns
        self._use = use
        #: The large read that is parsed up to `_at`; empty where all is parsed.
        self.unparsed = b""
        self._at = 0
        self._in_queue = False
        #: The connection's end, with its error, as long as bytes before it are not parsed.
        self._lost: tuple[BaseException | None] | None = None
        self._waits_for_frame = False
        self._frame_timer: asyncio.TimerHandle | None = None
        #: Whether more than `SMALL_READ` bytes came at once since reads were last counted.
        self._had_much = False
        self._reading_since = -math.inf
        self._fast_reads = 0

    @property
    def should_close(self) -> bool:
        """Whether the connection cannot be used again. Bytes that belong to no request make it so."""
        return bool(self.unparsed) or super().should_close

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket, or none: then aiohttp goes on with what it had put off."""
        if not data:
            # aiohttp may call it from within its reader, which must not be emptied then.
            self.parse(data)
            return
        if self.unparsed or len(data) > SMALL_READ:
            self._hold(data)
            return
        self.parse(data)
        # As `notify`, whose call would be one more for each token.
        if self.on_change is not None:
            came = monotonic()
            if self.on_change():
                if self._had_much or came - self._reading_since < FAST_READ_SECONDS:
                    self._count_fast_read()
                else:
                    self._fast_reads = 0
                # Not when the bytes came: the time since then was ours, and not the sender's.
                self._reading_since = monotonic()

    def notify(self) -> None:
        """Call `on_change` for bytes that have come already, and count the read."""
        came = monotonic()
        if self.on_change is not None and self.on_change() and not self.unparsed:
            if self._had_much or came - self._reading_since < FAST_READ_SECONDS:
                self._count_fast_read()
            else:
                self._fast_reads = 0
            self._reading_since = monotonic()

    # ------------------------------------------------------------------ slices

    def _hold(self, data: bytes) -> None:
        self.pause_transport()
        self._had_much = True
        # Seldom more than one read, as the socket is not read from here on.
        self.unparsed = self.unparsed[self._at :] + data
        self._at = 0
        self._queue_slice()

    def _queue_slice(self) -> None:
        if not self._in_queue:
            self._in_queue = True
            self._turns.add(self._take_slice)

    def _take_slice(self) -> None:
        """Parse and decode the next slice, and put the one after it at the end of the queue."""
        self._in_queue = False
        if not self.unparsed or self.is_parser_paused:
            return  # closed, or the body's reader is full: `may_resume_transport` queues the slice again
        data = self.unparsed[self._at : self._at + SLICE_BYTES]
        self._at += len(data)
        if self._at >= len(self.unparsed):
            self.unparsed, self._at = b"", 0
        self.parse(data)
        self.notify()
        if self._lost is not None and not self.unparsed:
            self._end_connection()
        elif not self.is_paused:
            self.resume_transport()

    def may_resume_transport(self) -> bool:
        """Return whether the socket may be read: not before the last slice, and not before the frame ends."""
        if self.unparsed:
            self._queue_slice()
            return False
        return not self._waits_for_frame

    def reading_resumed(self) -> None:
        """Call `on_change` later: aiohttp parses what it had put off while its reader is being emptied."""
        self._turns.add(self.notify)

    # ------------------------------------------------------------------ frames

    def begin_body(self) -> None:
        """Count fast reads from the beginning, for another body."""
        self._reading_since = -math.inf
        self._fast_reads = 0

    def notify_soon(self) -> None:
        """As `notify`, after the work that waits in the turn queue."""
        self._turns.add(self.notify)

    def _count_fast_read(self) -> None:
        had_much, self._had_much = self._had_much, False
        if self._fast_reads < FAST_READS:
            self._fast_reads += 1
            return
        if not (had_much or self._use.is_busy()):
            return
        self._waits_for_frame = True
        self.pause_transport()
        self._frame_timer = asyncio.get_running_loop().call_later(FRAME_SECONDS, self.end_frame)

    def end_frame(self) -> None:
        """Read the socket again, if it waits for the end of a frame."""
        if self._frame_timer is None:
            return
        self._frame_timer.cancel()
        self._frame_timer = None
        self._reading_since = monotonic()
        self._waits_for_frame = False
        if not self.is_paused:
            self.resume_transport()

    # ------------------------------------------------------------------ end

    def connection_lost(self, exc: BaseException | None) -> None:
        """Take the end of the connection; it takes effect after the bytes that came before it."""
        self._lost = (exc,)
        # Where we have closed it ourselves, the rest is not needed.
        if not self.unparsed or self.transport is None:
            self._end_connection()

    def _end_connection(self) -> None:
        if self._lost is None:
            return
        (error,), self._lost = self._lost, None
        self.unparsed, self._at = b"", 0
        super().connection_lost(error)
        if self.on_change is not None:
            self.on_change()

    def close(self) -> None:
        """Close the connection; what has come over it and was not parsed is lost."""
        super().close()
        self.unparsed, self._at = b"", 0
        self._end_connection()

    def abort(self) -> None:
        """Close the connection at once; what has come over it and was not parsed is lost."""
        super().abort()
        self.unparsed, self._at = b"", 0
        self._end_connection()
