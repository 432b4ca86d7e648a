"""How fast a connection to a provider is read: large reads in slices, and fast senders at most once in a while."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from time import monotonic

from ..concurrency.turn_queue import TurnQueue
from .aiohttp_internals import ResponseProtocol

# A model that is faster than a display costs a read, a write and a frame for each token, and nobody sees more than
# one in each 16 ms. After this many reads in a row that had bytes within RAPID seconds, the connection is not read
# for REST seconds, and what comes meanwhile is one read. A model below 125 tokens a second never waits for that, nor
# do first tokens and short answers (docs/decisions/0033-read-fast-models-once-per-frame.md).
RAPID = 0.008
RAPID_READS = 8
REST = 0.016
# Bytes that are parsed and decoded at once, where they come: ten tokens, and 0.4 ms of the costliest bytes there are.
# More wait in the turn queue, behind all other work that waits.
SMALL_READ = 2048
# How many bytes of a large read are parsed and decoded in one go: 80 tokens, which take 0.1 ms. The costliest bytes
# that were found, events of one letter, take 12 ms. With half as many, a flood of tokens costs a sixth more; with
# four times as many, it costs the same.
SLICE_BYTES = 16 * 1024


class ProviderConnection(ResponseProtocol):
    """A connection that tells when bytes came, and when it ended. On the loop's thread only.

    A large read is parsed and decoded in slices, each in its turn of the queue. One read of uvloop's has up to
    256 KiB, and it reads 32 times in a row from a sender that is fast enough. Until the last slice the socket is not
    read.
    """

    __slots__ = (
        "_at",
        "_had_much",
        "_in_queue",
        "_is_resting",
        "_listens_since",
        "_lost",
        "_rapid_reads",
        "_rest",
        "_turns",
        "on_change",
        "unparsed",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, turns: TurnQueue) -> None:
        """Prepare the protocol of one connection.

        Args:
            loop: The loop that it is made on.
            turns: Where large reads wait for their turn; one queue for all connections.
        """
        super().__init__(loop)
        #: Called when bytes have come, and when the connection has ended. Returns whether bytes were taken and more
        #: of them are awaited.
        self.on_change: Callable[[], bool] | None = None
        self._turns = turns
        #: What has come at once, and is parsed up to `_at`; empty where all of it is.
        self.unparsed = b""
        self._at = 0
        self._in_queue = False
        #: The connection's end, with its error; told behind the bytes that came before it.
        self._lost: tuple[BaseException | None] | None = None
        self._is_resting = False
        self._rest: asyncio.TimerHandle | None = None
        #: Whether more than `SMALL_READ` bytes came at once since reads were last counted.
        self._had_much = False
        self._listens_since = -math.inf
        self._rapid_reads = 0

    @property
    def should_close(self) -> bool:
        """Whether the connection cannot be used again. Bytes that belong to no request make it so."""
        return bool(self.unparsed) or super().should_close

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket, or none: then aiohttp goes on with what it had put off."""
        if not data:
            # aiohttp may call it from within its reader, which is not to be read then.
            super().data_received(data)
            return
        if self.unparsed or len(data) > SMALL_READ:
            self._hold(data)
            return
        super().data_received(data)
        # As `_notify`, whose call would be one more for each token.
        if self.on_change is not None:
            came = monotonic()
            if self.on_change():
                if self._had_much or came - self._listens_since < RAPID:
                    self._count_rapid_read()
                else:
                    self._rapid_reads = 0
                # Not the moment in which it came: what we did since then is not the sender's silence.
                self._listens_since = monotonic()

    def _notify(self) -> None:
        """Tell that something changed, and count the read."""
        came = monotonic()
        if self.on_change is not None and self.on_change() and not self.unparsed:
            if self._had_much or came - self._listens_since < RAPID:
                self._count_rapid_read()
            else:
                self._rapid_reads = 0
            self._listens_since = monotonic()

    # ------------------------------------------------------------------ slices

    def _hold(self, data: bytes) -> None:
        self.pause_transport()
        self._had_much = True
        # Seldom more than one read: the socket is not read from the first on.
        self.unparsed = self.unparsed[self._at :] + data
        self._at = 0
        self._queue_slice()

    def _queue_slice(self) -> None:
        if not self._in_queue:
            self._in_queue = True
            self._turns.add(self._take_slice)

    def _take_slice(self) -> None:
        """Parse and decode the next slice, and put the one behind it at the end of the queue."""
        self._in_queue = False
        if not self.unparsed or self.is_parser_paused:
            return  # closed, or the body's reader is full: `may_resume_transport` queues the slice again
        data = self.unparsed[self._at : self._at + SLICE_BYTES]
        self._at += len(data)
        if self._at >= len(self.unparsed):
            self.unparsed, self._at = b"", 0
        super().data_received(data)
        self._notify()
        if self._lost is not None and not self.unparsed:
            self._tell_lost()
        elif not self.is_paused:
            self.resume_transport()

    def may_resume_transport(self) -> bool:
        """Say whether the socket may be read: not before the last slice, and not during a rest."""
        if self.unparsed:
            self._queue_slice()
            return False
        return not self._is_resting

    def reading_resumed(self) -> None:
        """Tell later that bytes may have come: aiohttp parses what it had put off while its reader is emptied."""
        self._turns.add(self._notify)

    # ------------------------------------------------------------------ rests

    def begin_body(self) -> None:
        """Count reads from here on as reads of another body."""
        self._listens_since = -math.inf
        self._rapid_reads = 0

    def notify_soon(self) -> None:
        """Tell what has come already when the work that waits in the turn queue is done."""
        self._turns.add(self._notify)

    def notify(self) -> None:
        """Tell at once what has come already."""
        self._notify()

    def _count_rapid_read(self) -> None:
        self._had_much = False
        if self._rapid_reads < RAPID_READS:
            self._rapid_reads += 1
            return
        self._is_resting = True
        self.pause_transport()
        self._rest = asyncio.get_running_loop().call_later(REST, self.end_rest)

    def end_rest(self) -> None:
        """Read the socket again, if this is a rest."""
        if self._rest is None:
            return
        self._rest.cancel()
        self._rest = None
        self._listens_since = monotonic()
        self._is_resting = False
        if not self.is_paused:
            self.resume_transport()

    # ------------------------------------------------------------------ end

    def connection_lost(self, exc: BaseException | None) -> None:
        """Take the end of the connection, and tell it behind the bytes that came before it."""
        self._lost = (exc,)
        # Where we have closed it ourselves, nobody waits for what is left.
        if not self.unparsed or self.transport is None:
            self._tell_lost()

    def _tell_lost(self) -> None:
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
        self._tell_lost()

    def abort(self) -> None:
        """Close the connection at once; what has come over it and was not parsed is lost."""
        super().abort()
        self.unparsed, self._at = b"", 0
        self._tell_lost()
