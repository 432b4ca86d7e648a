"""A run of this process that a store keeps: what was written of it, who reads it, and since when nobody does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..errors import Interrupted, ShuttingDown, Stopped
from ..events.events import Event, Failed, Finished
from ..runs.log import RunLog
from ..runs.run import Run
from ..runs.stores.base import Answer, Append, Batch, Refusal, RunRecord, RunState, cut_id
from ..settings.records.storage import StorageSettings
from .event_codec import decode_events, encode_events

logger = logging.getLogger("sluice.store")

# Events of one append: a store that was away gets a long answer in several.
EVENTS_PER_APPEND = 2000
# Bytes of an event in a store, besides its text.
EVENT_BYTES = 6
# Events between two looks at the size of a log, at most: one for each `CHECKED_BYTES` that are left of it.
CHECKED_EVERY = 16
CHECKED_BYTES = 64 * 1024


class StoredRun:
    """What the store should have of one run, how far it is written, and who reads it. For the loop's thread.

    It looks at the run's log for the writer now and then, not at each token.
    """

    def __init__(
        self,
        run_id: str,
        owner: str,
        run: Run,
        settings: StorageSettings,
        on_change: Callable[[StoredRun], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Follow a run, whose log keeps all.

        Args:
            run_id: Its id in the store.
            owner: Whose it is.
            run: The run.
            settings: The largest size of its events, with which it is stopped, and for how long it is kept.
            on_change: Called where the log has something that was not written, and at its end. May come again.
            clock: Returns the time in seconds since 1970.
        """
        self.run_id = run_id
        self.owner = owner
        self.run = run
        self.log: RunLog = run.log
        self.epoch = 1
        #: The number of the last event that the store has.
        self.written = 0
        #: Whether the store does not know the run any more, so that nothing is written.
        self.is_lost = False
        #: Whether a thread ends the run, or has ended it.
        self.is_closing = False
        #: Readers in this process.
        self.readers = 0
        #: When the readers of all processes leave or left, as the store has last said, in seconds since 1970.
        self.attended_until = 0.0
        #: Whether the limit of the owner's runs without a reader was checked since this one has none.
        self.limit_checked = False
        self._clock = clock
        self.created = self._left_at = clock()
        #: When the run has ended, in seconds since 1970; 0 before.
        self.ended_at = 0.0
        #: When the store has last taken events, and last been told of readers, on the loop's clock.
        self.appended_at = float("-inf")
        self.told_readers_at = float("-inf")
        self._settings = settings
        self._on_change = on_change
        if self.log.last_number or self.log.has_ended:
            self._look()
        else:
            self.expect_event()

    # ------------------------------------------------------------------ the log's side

    def expect_event(self) -> None:
        """Tell the writer of the next event. For the writer, which then has all before it."""
        if not self.log.has_ended:
            self.log.call_at(self.log.last_number + 1, self._look)

    def _look(self) -> None:
        log = self.log
        if not log.has_ended:
            left = self._settings.max_run_bytes - self.size
            if left < 0:
                self.run.stop(Stopped("log_full"))
            # The writer knows of what comes meanwhile, but not of its size.
            log.call_at(log.last_number + 1 + min(CHECKED_EVERY - 1, max(0, left) // CHECKED_BYTES), self._look)
        elif log.end is not None:
            self.ended_at = self._clock()
        self._on_change(self)

    # ------------------------------------------------------------------ the writer's side

    @property
    def is_written(self) -> bool:
        """Whether nothing is left to be written."""
        return self.is_lost or self.written == self.log.last_number

    @property
    def has_ended(self) -> bool:
        """Whether no further event can come."""
        return self.log.has_ended

    @property
    def is_urgent(self) -> bool:
        """Whether to write what is left at once: an end, or events where only readers of others may wait.

        The store's answer tells of readers up to five seconds after they have left.
        """
        return self.log.has_ended or (not self.readers and self.attended_until > self._clock())

    def next_append(self) -> Append:
        """Return what should be written next. Where something is left."""
        events = self.log.read(self.written, EVENTS_PER_APPEND)
        batch = Batch(self.written + 1, len(events), encode_events(events))
        state, reason = describe_end(events[-1]) if self.log.has_ended else (None, "")
        return Append(self.run_id, self.epoch, batch, state, reason)

    def note_written(self, batch: Batch, now: float) -> None:
        """Take note that the store has taken a batch, at a time of the loop's clock."""
        self.written = batch.last
        self.appended_at = now
        self.log.pack(batch.first, batch.last, batch.payload, decode_events)

    def obey(self, answer: Answer) -> None:
        """Do what the store says of the run: stop it, or give it up."""
        self.attended_until = max(self.attended_until, answer.attended_until)
        if answer.refusal is Refusal.UNKNOWN and not self.is_lost:
            self.is_lost = True
            logger.warning("the store has lost run %s, which now ends with its readers", cut_id(self.run_id))
            if not self.readers:
                self.run.stop(Stopped("abandoned"))
        elif answer.refusal is Refusal.ENDED and not self.is_lost:
            self.is_lost = True
            if not self.has_ended:
                logger.warning("run %s was ended by another process, because its lease was lost", cut_id(self.run_id))
                self.run.stop(Interrupted("its lease was lost"))
        elif answer.stop and not self.has_ended:
            self.run.stop(Stopped(answer.stop))

    def needs_renewal(self, now: float, *, appended_within: float, attended_within: float) -> bool:
        """Return whether the lease should be renewed. An append does so, but does not tell of readers.

        Args:
            now: The time on the loop's clock.
            appended_within: Seconds for which an append is enough.
            attended_within: Seconds for which what was told of readers is enough.
        """
        if now - self.appended_at >= appended_within:
            return True
        return self.readers > 0 and now - self.told_readers_at >= attended_within

    # ------------------------------------------------------------------ its readers

    def enter(self) -> None:
        """Count one reader more."""
        self.readers += 1
        self.limit_checked = False

    def leave(self) -> None:
        """Count one reader less."""
        self.readers -= 1
        if not self.readers:
            self._left_at = self._clock()

    @property
    def unattended_since(self) -> float:
        """Since when nobody reads it, in seconds since 1970; later than now where somebody does."""
        return float("inf") if self.readers else max(self._left_at, self.attended_until)

    # ------------------------------------------------------------------ what is known of it

    @property
    def size(self) -> int:
        """Bytes of its events, about."""
        return self.run.byte_count + EVENT_BYTES * self.log.last_number

    def record(self) -> RunRecord:
        """Return what a store would say of it."""
        end = self.log.end
        state, reason = (None, "") if end is None else describe_end(end)
        return RunRecord(
            run_id=self.run_id,
            owner=self.owner,
            state=state or RunState.RUNNING,
            reason=reason,
            last_number=self.log.last_number,
            size=self.size,
            epoch=self.epoch,
            producer="",
            created=self.created,
            ended=self.ended_at,
            expires=self.ended_at and self.ended_at + self._settings.kept,
            attended_until=self.unattended_since,
            stop="",
        )

    def __repr__(self) -> str:
        return f"<StoredRun {cut_id(self.run_id)} {self.written} of {self.log!r} written, {self.readers} readers>"


def describe_end(event: Event) -> tuple[RunState | None, str]:
    """Return the state that a run's last event ends it with, and why; None where it goes on."""
    if isinstance(event, Finished):
        # A provider's text: a store takes no halves of surrogate pairs.
        return RunState.COMPLETED, event.reason.encode(errors="replace").decode()
    if not isinstance(event, Failed):
        return None, ""
    error = event.error
    if isinstance(error, Stopped):
        return RunState.STOPPED, error.reason
    if isinstance(error, Interrupted | ShuttingDown):
        return RunState.INTERRUPTED, error.code
    return RunState.FAILED, error.code
