"""What really happened in a simulation, and the invariants that are checked while it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sluice.service.events.events import Event, Failed, Finished, Text
from sluice.service.runs.stores.base import RunState
from sluice.service.runs.stores.memory import MemoryStore
from sluice.service.stored_runs.event_codec import decode_events


class Violation(AssertionError):
    """An invariant does not hold."""


def text_of(run_id: str, number: int) -> str:
    """Return the text that a run's event with this number has."""
    return f"{run_id[-4:]}:{number} "


def check_text(run_id: str, number: int, event: Event, who: str) -> None:
    if not isinstance(event, Text) or event.text != text_of(run_id, number):
        raise Violation(f"{who}: event {number} of run {run_id[-4:]} is {event!r}")


def is_end(event: Event) -> bool:
    return isinstance(event, Finished | Failed)


@dataclass(slots=True, eq=False)
class ProviderCall:
    """A provider's answer that is paid for. Times are virtual seconds."""

    run_id: str
    worker: str
    opened: float
    closed: float | None = None
    #: Whether it was closed because its process was killed.
    is_killed: bool = False


@dataclass(slots=True, eq=False)
class History:
    """What was seen of a run in the store."""

    last: int = 0
    batches: int = 0
    end: tuple[RunState, str, int] | None = None
    ended_at: float = 0.0
    #: When its lease was lost, a stop was asked for, and it was deleted.
    lost_at: float | None = None
    stop_at: float | None = None
    stop: str = ""
    gone_at: float | None = None


@dataclass(slots=True)
class Ledger:
    """Follows a store of the simulation, to which it is shown after each operation."""

    store: MemoryStore
    histories: dict[str, History] = field(default_factory=dict)
    calls: dict[str, list[ProviderCall]] = field(default_factory=dict)
    #: When a reader was last attached in a process that runs, by run.
    attended: dict[str, float] = field(default_factory=dict)
    #: The same, where that process had reached the store for some time.
    attended_well: dict[str, float] = field(default_factory=dict)
    #: Runs that a client or an operator wanted to be deleted.
    deleted: set[str] = field(default_factory=set)

    def look(self, now: float, clock: float) -> None:
        """Compare the store with what it was."""
        stored, limits = self.store._contents.runs, self.store._contents.limits
        for run_id in stored:
            if run_id not in self.histories:
                self.histories[run_id] = History()
        for run_id, history in self.histories.items():
            run = stored.get(run_id)
            if history.gone_at is not None:
                if run is not None:
                    raise Violation(f"run {run_id[-4:]} has come back")
                continue
            if run is None:
                if run_id not in self.deleted and (
                    history.end is None or now < history.ended_at + limits.kept + limits.known - 0.1
                ):
                    raise Violation(f"the store has lost run {run_id[-4:]}")
                history.gone_at = now
                continue
            if history.end is not None:
                if (run.state, run.reason, run.last_number) != history.end:
                    raise Violation(f"the end of run {run_id[-4:]} has changed from {history.end}")
                if run.batches or not run.is_expired(clock):
                    self._look_at_batches(run_id, history, run.batches)
                continue
            self._look_at_batches(run_id, history, run.batches)
            if history.last != run.last_number:
                raise Violation(f"run {run_id[-4:]} has {history.last} events, and says {run.last_number}")
            if run.stop and history.stop_at is None:
                history.stop_at, history.stop = now, run.stop
            if run.state is not RunState.RUNNING:
                history.end = (run.state, run.reason, run.last_number)
                history.ended_at = now
                if run.epoch != 1:
                    history.lost_at = now
                [*_, last] = decode_events(run.batches[-1].payload)
                if not is_end(last):
                    raise Violation(f"run {run_id[-4:]} is {run.state}, and its last event is {last!r}")

    def _look_at_batches(self, run_id: str, history: History, batches: Sequence[object]) -> None:
        if len(batches) < history.batches:
            raise Violation(f"the store has lost events of run {run_id[-4:]}")
        for batch in batches[history.batches :]:
            if batch.first != history.last + 1:  # type: ignore[attr-defined]
                raise Violation(f"the store has event {batch.first} of {run_id[-4:]} behind {history.last}")  # type: ignore[attr-defined]
            events = decode_events(batch.payload)  # type: ignore[attr-defined]
            if len(events) != batch.count:  # type: ignore[attr-defined]
                raise Violation(f"a batch of run {run_id[-4:]} has {len(events)} events, and says {batch.count}")  # type: ignore[attr-defined]
            for number, event in enumerate(events, history.last + 1):
                if is_end(event):
                    if number != batch.last:  # type: ignore[attr-defined]
                        raise Violation(f"the end of run {run_id[-4:]} is followed by events")
                else:
                    check_text(run_id, number, event, "the store")
            history.last = batch.last  # type: ignore[attr-defined]
            history.batches += 1

    def events(self, run_id: str) -> list[Event]:
        """Return a run's events in the store."""
        run = self.store._contents.runs.get(run_id)
        return [] if run is None else [event for batch in run.batches for event in decode_events(batch.payload)]

    def open_call(self, call: ProviderCall) -> None:
        self.calls.setdefault(call.run_id, []).append(call)
