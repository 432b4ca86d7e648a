"""The interface of a store of runs, and its records. A store knows batches of bytes, and no events.

All methods are for the loop's thread. None of them is awaited on a token's way: a writer follows a run's log.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

# Seconds. A producer renews its lease by each append, and else every 0.7 s. Whoever
# waits for a producer that was killed has the end within 10 seconds: this, and the time between two looks for it.
LEASE = 8.0
# Seconds for which a run can be read after its end, and for which its id is known afterwards.
KEPT = 600.0
KNOWN = 86400.0
# Bytes of all events in a store. Beyond, a store takes no further runs.
MAX_BYTES = 256 * 2**20


# Characters of an id in logs and lists. The first six are the same for all runs of one host.
CUT_CHARS = 14


def cut_id(run_id: str) -> str:
    """Return the beginning of a run's id, for logs and lists: whoever has all of it may read the run."""
    return run_id[:CUT_CHARS]


class StoreUnavailable(Exception):
    """The store cannot be reached in time, is locked, has no space left, or is corrupt. The text says which."""


class StoreFull(Exception):
    """The store holds as many bytes as it may, and takes no further run."""


class RunState(enum.StrEnum):
    """Where a run is. All but `RUNNING` are ends, of which exactly one is written."""

    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Refusal(enum.StrEnum):
    """Why a store did not take a batch."""

    #: The batch begins before the next number: it, or a part of it, was appended before.
    DUPLICATE = "duplicate"
    #: The batch begins behind the next number.
    GAP = "gap"
    #: The lease was lost, and a reaper has ended the run; or another end was written before.
    ENDED = "ended"
    #: The run was deleted, or the store has lost it.
    UNKNOWN = "unknown"


class StoreLimits(msgspec.Struct, frozen=True):
    """The limits of a store: seconds and bytes."""

    lease: float = LEASE
    kept: float = KEPT
    known: float = KNOWN
    max_bytes: int = MAX_BYTES


class NewRun(msgspec.Struct, frozen=True):
    """A run that begins."""

    #: 32 hexadecimal digits from 128 random bits.
    run_id: str
    #: Who may read it: a digest.
    owner: str
    #: The instance that produces it, for an operator: host, process and the like.
    producer: str = ""
    #: The client's `Idempotency-Key`, and a digest of what was asked with it; empty for none.
    key: str = ""
    body_digest: str = ""


class Created(msgspec.Struct, frozen=True):
    """What `create` found or made."""

    run_id: str
    #: Whether it is new. If not, another run has the owner's key.
    is_new: bool
    #: The digest of what the key was first used with.
    body_digest: str


class Batch(msgspec.Struct, frozen=True):
    """Neighbouring events of a run, encoded."""

    #: The number of the first event.
    first: int
    #: How many events these are, at least one.
    count: int
    payload: bytes

    @property
    def last(self) -> int:
        """The number of the last event."""
        return self.first + self.count - 1


class Append(msgspec.Struct, frozen=True):
    """A batch for a run, from its producer."""

    run_id: str
    #: The epoch in which the producer holds the lease.
    epoch: int
    batch: Batch
    #: The state that the batch's last event ends the run with; None where the run goes on.
    end: RunState | None = None
    #: Why it has ended: a finish reason, or an error's code.
    reason: str = ""


class Lease(msgspec.Struct, frozen=True):
    """A producer's sign of life for a run."""

    run_id: str
    epoch: int
    #: Seconds from now for which readers of the producer's process stand for the run; 0 for none.
    attended: float = 0.0


class Answer(msgspec.Struct, frozen=True):
    """What a store says to a producer, of an append or a renewed lease."""

    #: Why the batch or the lease was refused; None where it was taken.
    refusal: Refusal | None
    #: The number that the next batch should begin with.
    next_number: int
    #: Why the run should stop: `stopped` by a client, `abandoned`; empty where it should not.
    stop: str = ""
    #: When the last reader's lease ends or ended, in seconds since 1970; 0 where there was none.
    attended_until: float = 0.0


class RunRecord(msgspec.Struct, frozen=True):
    """What a store knows of a run, without its events."""

    run_id: str
    owner: str
    state: RunState
    reason: str
    #: The number of the last event; 0 where there is none.
    last_number: int
    #: Bytes of its batches.
    size: int
    epoch: int
    producer: str
    #: Seconds since 1970 on the store's clock; `ended` and `expires` are 0 while it runs.
    created: float
    ended: float
    expires: float
    #: When the last reader's lease ends or ended; 0 where there was none.
    attended_until: float
    #: Why it should stop; empty where it should not.
    stop: str
    #: Whether its events are gone, and only this record is left.
    is_expired: bool = False


class Page(msgspec.Struct, frozen=True):
    """A part of a run's events, and the state at the time of reading."""

    #: In order, without a gap. The first may begin before the number that was asked for.
    batches: Sequence[Batch]
    record: RunRecord

    @property
    def is_last(self) -> bool:
        """Whether these are all events of a run that has ended."""
        last = self.batches[-1].last if self.batches else self.record.last_number
        return self.record.state is not RunState.RUNNING and last >= self.record.last_number


class RunStore(Protocol):
    """What keeps runs. Each method raises `StoreUnavailable` where the store does not answer in time.

    A run that has ended keeps its state and its events. Times are those of the store's clock.
    """

    async def open(self, ring: Callable[[str], None]) -> None:
        """Connect, and make what is needed. May be called again after a failure.

        Args:
            ring: Called on the loop's thread with the id of a run that is watched and that something else has
                changed: an append, a stop, an end. Rings may be lost, and come more than once.
        """

    async def close(self) -> None:
        """Close what `open` has opened. Closing twice is harmless."""

    async def create(self, run: NewRun) -> Created:
        """Keep a new run in the state `running`, with epoch 1 and a lease; or find the owner's run with its key.

        A run whose id is known is found, too. A key is free again once its run is unknown.

        Raises:
            StoreFull: The store holds as much as it may.
        """

    async def find_key(self, owner: str, key: str) -> str | None:
        """Return the id of the known run that an owner has begun with a key; None where there is none."""

    async def append(self, appends: Sequence[Append]) -> list[Answer]:
        """Append batches of several runs at once, each where its number is the next and its epoch the run's.

        Also renews the lease. An end is written together with its batch, and sets when the run expires.

        Returns:
            An answer for each, in the same order.
        """

    async def renew(self, leases: Sequence[Lease]) -> list[Answer]:
        """Renew leases; return an answer for each."""

    async def attend(self, run_ids: Sequence[str], seconds: float) -> None:
        """Take note that readers of this process follow runs, for so many seconds from now."""

    async def find(self, run_id: str) -> RunRecord | None:
        """Return what is known of a run; None where it is unknown, or no longer known."""

    async def read(self, run_id: str, after: int, max_bytes: int) -> Page | None:
        """Return events behind a number, up to about so many bytes, at least one batch where there is one.

        Returns:
            None where the run is unknown. Of an expired run a page without batches.
        """

    async def list_runs(self, owner: str | None, state: RunState | None = None) -> list[RunRecord]:
        """Return the runs of an owner, or of all, the newest first, without expired ones; at most 1,000."""

    async def request_stop(self, run_id: str, reason: str) -> RunRecord | None:
        """Ask a run's producer to stop it; the first reason stays. Rings. Ignored where the run has ended.

        Returns:
            The run as it is now; None where it is unknown.
        """

    async def mark(self, run_id: str, name: str, expected: str, value: str) -> str | None:
        """Give a run a mark, where the mark of this name has the expected value. Rings for nobody.

        Args:
            run_id: The run.
            name: At most 64 letters, digits and `_.:-`.
            expected: The value that it should have; empty where there should be none.
            value: The new value.

        Returns:
            The value before; empty where there was none. None, with nothing changed, where the run is unknown or
            has ended.
        """

    async def find_mark(self, run_id: str, name: str) -> str:
        """Return the value of a run's mark; empty where there is none, or no such run."""

    async def reap(self, end: bytes) -> list[str]:
        """End runs whose lease is lost as `interrupted`, and forget what has expired. Safe to call from everywhere.

        Args:
            end: The payload of their last event, which gets the next number. Their epoch grows by one.

        Returns:
            The ids of the runs that this call has ended.
        """

    async def delete(self, run_id: str) -> bool:
        """Forget a run at once, its key too; return whether it was known. Rings. Its producer gets `UNKNOWN`."""

    async def watch(self, run_id: str, is_producer: bool = False) -> None:
        """Ring for a run from now on; another call takes the place of the one before.

        Args:
            run_id: The run.
            is_producer: Whether the caller appends to the run. Then it rings for stops, ends and deletions; it may
                leave out appends, which are the caller's own.
        """

    async def unwatch(self, run_id: str) -> None:
        """Ring no more for a run."""

    async def size(self) -> int:
        """Return the bytes of all events."""
