"""What a store does with runs, as SQL in a transaction that the caller has begun. For a connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from .base import (
    Answer,
    Append,
    Batch,
    Created,
    Lease,
    NewRun,
    Page,
    Refusal,
    RunRecord,
    RunState,
    StoreFull,
    StoreLimits,
)
from .rules import LISTED, MAX_EXPIRED, MAX_RUNS, check_append, check_lease

# What one call of `reap` takes away at most, so that appends wait only briefly: bytes of events, and records.
PURGED_BYTES = 8 * 2**20
FORGOTTEN = 1000
# Runs that one statement looks up.
LOOKED_UP = 64
# Free pages that are kept for the next runs, and how many more go back to the file system in one call of `reap`.
FREE_PAGES = 1024
VACUUMED_PAGES = 2048

#: What tells a watcher that a run has changed.
Version = tuple[int, str, str]
_GONE: Version = (-1, "", "")
#: A connection, and a number that changes when another connection has written.
DataVersion = tuple[int, int]


@dataclass(slots=True)
class _Run:
    """A row of `runs`; the fields are columns, in this order. Those of a producer's answers are the first ones."""

    row: int
    id: str
    state: RunState
    epoch: int
    last_number: int
    size: int
    stop: str
    attended_until: float
    expires: float
    owner: str = ""
    body_digest: str = ""
    producer: str = ""
    reason: str = ""
    created: float = 0.0
    ended: float = 0.0
    is_purged: int = 0

    def answer(self, refusal: Refusal | None) -> Answer:
        return Answer(refusal, self.last_number + 1, self.stop, self.attended_until)

    def is_expired(self, now: float) -> bool:
        return bool(self.expires) and now >= self.expires

    def record(self, now: float) -> RunRecord:
        return RunRecord(
            run_id=self.id,
            owner=self.owner,
            state=self.state,
            reason=self.reason,
            last_number=self.last_number,
            size=self.size,
            epoch=self.epoch,
            producer=self.producer,
            created=self.created,
            ended=self.ended,
            expires=self.expires,
            attended_until=self.attended_until,
            stop=self.stop,
            is_expired=self.is_expired(now),
        )


# A call of `RunState` takes longer than to read the row.
_STATES: dict[str, RunState] = {state.value: state for state in RunState}


def _run(columns: Sequence[Any]) -> _Run:
    run = _Run(*columns)
    run.state = _STATES[run.state]
    return run


_COLUMNS = [field.name for field in fields(_Run)]
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM runs"  # noqa: S608  # names of columns
_SELECT_PRODUCED = f"SELECT {', '.join(_COLUMNS[: _COLUMNS.index('owner')])} FROM runs"  # noqa: S608


class StoredRuns:
    """The runs of a database, at one moment."""

    def __init__(self, connection: sqlite3.Connection, limits: StoreLimits, now: float) -> None:
        """Begin.

        Args:
            connection: A connection in a transaction.
            limits: The store's limits.
            now: The time in seconds since 1970.
        """
        self._connection = connection
        self._limits = limits
        self._now = now
        #: The runs that were changed, for their watchers.
        self.changed: dict[str, None] = {}

    # ------------------------------------------------------------------ changes

    def create(self, run: NewRun) -> Created:
        """See `RunStore.create`."""
        known = self._load("id = ?", run.run_id)
        if known is None and run.key:
            known = self._load("owner = ? AND key = ? AND key <> ''", run.owner, run.key)
        if known is not None and self._is_known(known):
            return Created(known.id, is_new=False, body_digest=known.body_digest)
        size, count = self._connection.execute("SELECT bytes, runs FROM totals").fetchone()
        if size >= self._limits.max_bytes or count >= MAX_RUNS:
            raise StoreFull(f"the store holds {size} bytes of {count} runs, which is as much as it may")
        if known is not None:
            self._forget(known)
        self._connection.execute(
            "INSERT INTO runs (id, owner, key, body_digest, producer, created, lease) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (run.run_id, run.owner, run.key, run.body_digest, run.producer, self._now, self._lease()),
        )
        self._count(0, 1)
        return Created(run.run_id, is_new=True, body_digest=run.body_digest)

    def find_key(self, owner: str, key: str) -> str | None:
        """See `RunStore.find_key`."""
        known = self._load("owner = ? AND key = ? AND key <> ''", owner, key)
        return known.id if known is not None and self._is_known(known) else None

    def append(self, appends: Sequence[Append]) -> list[Answer]:
        """See `RunStore.append`."""
        # A run may come several times: what this call has decided is not in the tables yet.
        runs = self._find_produced([append.run_id for append in appends])
        taken: dict[str, _Run] = {}
        ended: dict[str, _Run] = {}
        batches: list[tuple[int, int, int, bytes]] = []
        answers: list[Answer] = []
        for append in appends:
            run_id, batch = append.run_id, append.batch
            run = runs.get(run_id)
            if run is None:
                answers.append(Answer(Refusal.UNKNOWN, 0))
                continue
            refusal = check_append(append, state=run.state, run_epoch=run.epoch, last_number=run.last_number)
            if refusal is None:
                run.last_number = batch.last
                batches.append((run.row, run.last_number, batch.count, batch.payload))
                run.size += len(batch.payload)
                taken[run_id] = run
                if append.end is not None:
                    self._end(run, append.end, append.reason)
                    ended[run_id] = run
            answers.append(run.answer(refusal))
        self._write(batches, taken.values(), ended.values())
        return answers

    def renew(self, leases: Sequence[Lease]) -> list[Answer]:
        """See `RunStore.renew`."""
        answers: list[Answer] = []
        runs = self._find_produced([lease.run_id for lease in leases])
        for lease in leases:
            run = runs.get(lease.run_id)
            if run is None:
                answers.append(Answer(Refusal.UNKNOWN, 0))
                continue
            refusal = check_lease(lease.epoch, state=run.state, run_epoch=run.epoch)
            if refusal is None:
                if lease.attended:
                    run.attended_until = max(run.attended_until, self._now + lease.attended)
                self._connection.execute(
                    "UPDATE runs SET lease = ?, attended_until = ? WHERE row = ?",
                    (self._lease(), run.attended_until, run.row),
                )
            answers.append(run.answer(refusal))
        return answers

    def attend(self, run_ids: Sequence[str], seconds: float) -> None:
        """See `RunStore.attend`."""
        self._connection.executemany(
            "UPDATE runs SET attended_until = max(attended_until, ?) WHERE id = ?",
            [(self._now + seconds, run_id) for run_id in run_ids],
        )

    def request_stop(self, run_id: str, reason: str) -> RunRecord | None:
        """See `RunStore.request_stop`."""
        run = self._find(run_id)
        if run is None:
            return None
        if run.state is RunState.RUNNING:
            run.stop = run.stop or reason
            self._connection.execute("UPDATE runs SET stop = ? WHERE row = ?", (run.stop, run.row))
            self.changed[run_id] = None
        return run.record(self._now)

    def mark(self, run_id: str, name: str, expected: str, value: str) -> str | None:
        """See `RunStore.mark`."""
        run = self._find(run_id)
        if run is None or run.state is not RunState.RUNNING:
            return None
        before = self._mark_of(run, name)
        if before == expected:
            self._connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", (run.row, name, value))
        return before

    def find_mark(self, run_id: str, name: str) -> str:
        """See `RunStore.find_mark`."""
        run = self._find(run_id)
        return "" if run is None else self._mark_of(run, name)

    def reap(self, end: bytes) -> list[str]:
        """See `RunStore.reap`. What expires at once in great numbers is forgotten by several calls."""
        lost = self._load_all("INDEXED BY runs_running WHERE state = 'running' AND lease <= ?", self._now)
        batches: list[tuple[int, int, int, bytes]] = []
        for run in lost:
            run.last_number += 1
            run.size += len(end)
            run.epoch += 1
            self._end(run, RunState.INTERRUPTED, RunState.INTERRUPTED)
            batches.append((run.row, run.last_number, 1, end))
        self._write(batches, lost, lost)
        self._purge()
        return [run.id for run in lost]

    def delete(self, run_id: str) -> bool:
        """See `RunStore.delete`."""
        run = self._find(run_id)
        if run is None:
            return False
        self._forget(run)
        self.changed[run_id] = None
        return True

    # ------------------------------------------------------------------ reading

    def find(self, run_id: str) -> RunRecord | None:
        """See `RunStore.find`."""
        run = self._find(run_id)
        return None if run is None else run.record(self._now)

    def read(self, run_id: str, after: int, max_bytes: int) -> Page | None:
        """See `RunStore.read`."""
        run = self._find(run_id)
        if run is None:
            return None
        record = run.record(self._now)
        page: list[Batch] = []
        if not record.is_expired:
            size = 0
            for last, count, payload in self._connection.execute(
                "SELECT last, count, payload FROM batches WHERE run = ? AND last > ? ORDER BY last", (run.row, after)
            ):
                page.append(Batch(last - count + 1, count, payload))
                size += len(payload)
                if size >= max_bytes:
                    break
        return Page(page, record)

    def list_runs(self, owner: str | None, state: RunState | None) -> list[RunRecord]:
        """See `RunStore.list_runs`."""
        conditions = ["(expires = 0 OR expires > ?)"]
        given: list[str | float] = [self._now]
        if owner is not None:
            conditions.append("owner = ?")
            given.append(owner)
        if state is not None:
            conditions.append("state = ?")
            given.append(state)
        runs = self._load_all(f"WHERE {' AND '.join(conditions)} ORDER BY row DESC LIMIT {LISTED}", *given)
        return [run.record(self._now) for run in runs]

    def versions(self, run_ids: Iterable[str]) -> dict[str, Version]:
        """Return for each run what tells whether it has changed. An unknown one has a version, too."""
        found: dict[str, Version] = {}
        for run_id in run_ids:
            rows = self._connection.execute("SELECT last_number, state, stop FROM runs WHERE id = ?", (run_id,))
            found[run_id] = rows.fetchone() or _GONE
        return found

    def data_version(self) -> DataVersion:
        """Return what changes when another connection has written, or this one is another one."""
        return id(self._connection), int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def size(self) -> int:
        """See `RunStore.size`."""
        return int(self._connection.execute("SELECT bytes FROM totals").fetchone()[0])

    # ------------------------------------------------------------------ inside

    def _load(self, condition: str, *values: str) -> _Run | None:
        return next(iter(self._load_all(f"WHERE {condition}", *values)), None)

    def _load_all(self, condition: str, *values: str | float) -> list[_Run]:
        return [_run(row) for row in self._connection.execute(f"{_SELECT} {condition}", values)]

    def _find(self, run_id: str) -> _Run | None:
        run = self._load("id = ?", run_id)
        return run if run is not None and self._is_known(run) else None

    def _find_produced(self, run_ids: list[str]) -> dict[str, _Run]:
        """Return the runs that are known, as far as their producers ask for them."""
        found: dict[str, _Run] = {}
        for first in range(0, len(run_ids), LOOKED_UP):
            some = run_ids[first : first + LOOKED_UP]
            # A few lengths, so that SQLite keeps the prepared statements. A repeated id is found once.
            count = 1 << (len(some) - 1).bit_length()
            given = [*some, *some[:1] * (count - len(some))]
            rows = self._connection.execute(f"{_SELECT_PRODUCED} WHERE id IN ({', '.join('?' * count)})", given)
            found.update((run.id, run) for run in map(_run, rows) if self._is_known(run))
        return found

    def _is_known(self, run: _Run) -> bool:
        return not run.expires or self._now < run.expires + self._limits.known

    def _lease(self) -> float:
        return self._now + self._limits.lease

    def _end(self, run: _Run, state: RunState, reason: str) -> None:
        run.state, run.reason, run.ended, run.expires = state, reason, self._now, self._now + self._limits.kept

    def _write(
        self, batches: Sequence[tuple[int, int, int, bytes]], taken: Iterable[_Run], ended: Iterable[_Run]
    ) -> None:
        if not batches:
            return
        lease = self._lease()
        self._connection.executemany("INSERT INTO batches (run, last, count, payload) VALUES (?, ?, ?, ?)", batches)
        self._connection.executemany(
            "UPDATE runs SET last_number = ?, size = ?, lease = ? WHERE row = ?",
            [(run.last_number, run.size, lease, run.row) for run in taken],
        )
        self._connection.executemany(
            "UPDATE runs SET state = ?, reason = ?, ended = ?, expires = ?, epoch = ? WHERE row = ?",
            [(run.state, run.reason, run.ended, run.expires, run.epoch, run.row) for run in ended],
        )
        self._count(sum(len(batch[3]) for batch in batches), 0)
        self.changed.update(dict.fromkeys(run.id for run in taken))

    def _count(self, size: int, runs: int) -> None:
        self._connection.execute("UPDATE totals SET bytes = bytes + ?, runs = runs + ?", (size, runs))

    def _purge(self) -> None:
        """Drop the events of expired runs, and records that are no longer known; give back free pages."""
        size = 0
        for run in self._load_all("INDEXED BY runs_ended WHERE expires > 0 AND is_purged = 0 AND expires <= ? "
                                  "ORDER BY expires LIMIT 1000", self._now):  # fmt: skip
            self._drop_batches(run)
            self._connection.execute("UPDATE runs SET is_purged = 1 WHERE row = ?", (run.row,))
            size += run.size
            if size >= PURGED_BYTES:
                break
        [known] = self._connection.execute("SELECT count(*) FROM runs WHERE is_purged = 1").fetchone()
        self._connection.execute(
            "DELETE FROM runs WHERE row IN "
            "(SELECT row FROM runs WHERE is_purged = 1 AND expires <= ? ORDER BY expires LIMIT ?)",
            (self._now - self._limits.known, FORGOTTEN),
        )
        if known > MAX_EXPIRED:
            self._connection.execute(
                "DELETE FROM runs WHERE row IN (SELECT row FROM runs WHERE is_purged = 1 ORDER BY expires LIMIT ?)",
                (known - MAX_EXPIRED,),
            )
        [free] = self._connection.execute("PRAGMA freelist_count").fetchone()
        if free > FREE_PAGES:
            # It frees a page a step, and `execute` does one step of a statement without columns.
            for _ in range(min(free - FREE_PAGES, VACUUMED_PAGES)):
                self._connection.execute("PRAGMA incremental_vacuum(1)")

    def _mark_of(self, run: _Run, name: str) -> str:
        rows = self._connection.execute("SELECT value FROM marks WHERE run = ? AND name = ?", (run.row, name))
        found = rows.fetchone()
        return "" if found is None else str(found[0])

    def _drop_batches(self, run: _Run) -> None:
        self._connection.execute("DELETE FROM marks WHERE run = ?", (run.row,))
        self._connection.execute("DELETE FROM batches WHERE run = ?", (run.row,))
        self._count(-run.size, -1)

    def _forget(self, run: _Run) -> None:
        if not run.is_purged:
            self._drop_batches(run)
        self._connection.execute("DELETE FROM runs WHERE row = ?", (run.row,))
