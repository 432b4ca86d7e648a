"""What happens in one simulation, generated from a seed."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from random import Random

from .network import Rings

# Seconds in which runs begin and faults happen.
BUSY = 30.0
FOREVER = 1e9
# Seconds for which a model hangs: more than any run may be without a reader.
SILENCE = 180.0


class FaultKind(enum.StrEnum):
    """What a process meets."""

    #: The process is ended as by `kill -9`; another one takes its place.
    KILL = "kill"
    #: The process ends its runs, writes their ends, and is replaced, as in a deploy.
    RESTART = "restart"
    #: It stands still, and then goes on as if nothing were.
    PAUSE = "pause"
    #: Its requests and answers are lost; or its connections are refused.
    CUT = "cut"
    REFUSE = "refuse"
    #: The store answers slowly.
    SLOW = "slow"
    #: Some requests or answers are lost, arrive late, or arrive twice.
    FLAKY = "flaky"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one worker."""

    kind: FaultKind
    worker: int
    at: float
    duration: float
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class ReaderPlan:
    """A client that reads a run, leaves and comes back."""

    #: Seconds after the run has begun.
    at: float
    #: Seconds of reading and of being away, in turn; then it stays to the end, or never comes back.
    visits: tuple[tuple[float, float], ...]
    gives_up: bool
    #: Seconds without an event after which it tries another worker.
    silence: float
    #: Seconds until a worker sees that the client has left.
    goodbye: float


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run, and its readers. The first one begins it."""

    at: float
    owner: str
    has_key: bool
    is_attended: bool
    #: Seconds of waiting, and how many events then come.
    steps: tuple[tuple[float, int], ...]
    fails: bool
    readers: tuple[ReaderPlan, ...]
    #: Seconds after the run has begun at which a client stops or deletes it.
    stop_at: float | None
    delete_at: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole simulation."""

    workers: int
    #: Seconds by which the workers' clocks are ahead of the store's.
    skews: tuple[float, ...]
    runs: tuple[RunPlan, ...]
    faults: tuple[Fault, ...]
    rings: Rings
    abandoned_after: float
    max_unattended: int
    kept: float
    max_readers: int
    max_run_bytes: int

    @property
    def largest_skew(self) -> float:
        return max(abs(skew) for skew in self.skews)


def make_plan(seed: int) -> Plan:
    """Return the plan of a seed."""
    rng = Random(f"plan {seed}")
    workers = rng.choice([1, 2, 2, 3, 3, 4])
    largest = rng.choice([0.0, 0.0, 1.0, 3.0])
    ring_share = rng.choice([0.0, 0.0, 0.2, 1.0])
    kinds = rng.sample([*FaultKind], rng.randint(0, 4))
    return Plan(
        workers=workers,
        skews=tuple(rng.uniform(-largest, largest) for _ in range(workers)),
        runs=tuple(_make_run(rng) for _ in range(rng.randint(1, 4))),
        faults=_make_faults(rng, workers, kinds),
        rings=Rings(lost=ring_share, late=rng.choice([0.0, 0.3]), twice=rng.choice([0.0, 0.3])),
        abandoned_after=rng.choice([30.0, 30.0, 60.0, 120.0]),
        max_unattended=rng.choice([100, 100, 100, 1]),
        kept=rng.choice([600.0, 600.0, 20.0]),
        max_readers=rng.choice([8, 8, 8, 1]),
        max_run_bytes=rng.choice([2**21, 2**21, 2**21, 700]),
    )


def _make_run(rng: Random) -> RunPlan:
    pace = rng.choice([0.01, 0.05, 0.2, 1.0])
    events = rng.randint(0, 80)
    steps = [(rng.choice([0.0, rng.expovariate(1 / pace), pace]), rng.choice([1, 1, 1, 3])) for _ in range(events)]
    if rng.random() < 0.2:
        # The model falls silent for a while, or is slow to begin.
        steps.insert(rng.randint(0, len(steps)), (rng.uniform(2.0, 25.0), 1))
    if rng.random() < 0.15:
        steps.append((SILENCE, 1))
    is_left = rng.random() < 0.1
    if is_left:
        # The model hangs, and everybody leaves.
        steps.append((SILENCE * 2, 1))
    stop_at = rng.uniform(0.0, 15.0) if rng.random() < 0.2 or (steps and steps[-1][0] == SILENCE) else None
    return RunPlan(
        at=rng.uniform(0.0, BUSY / 2),
        owner=rng.choice(["ann", "ann", "bob"]),
        has_key=rng.random() < 0.5,
        is_attended=rng.random() < 0.85,
        steps=tuple(steps),
        fails=rng.random() < 0.1,
        readers=tuple(_make_reader(rng, first=not number, is_left=is_left) for number in range(rng.randint(1, 4))),
        stop_at=stop_at if rng.random() < 0.85 and not is_left else None,
        delete_at=rng.uniform(0.0, 20.0) if rng.random() < 0.07 else None,
    )


def _make_reader(rng: Random, *, first: bool, is_left: bool) -> ReaderPlan:
    visits = rng.choice([0, 0, 1, 2, 4])
    return ReaderPlan(
        at=0.0 if first else rng.choice([0.0, rng.uniform(0.0, 10.0), rng.uniform(0.0, 60.0)]),
        visits=tuple((rng.uniform(0.0, 3.0), rng.choice([0.0, 0.5, 4.0, 12.0])) for _ in range(visits)),
        gives_up=is_left or rng.random() < 0.2,
        silence=rng.uniform(3.0, 20.0),
        goodbye=rng.choice([0.02, 0.02, 0.5, 10.0]),
    )


def _make_faults(rng: Random, workers: int, kinds: list[FaultKind]) -> tuple[Fault, ...]:
    if not kinds:
        return ()
    faults = []
    for _ in range(rng.randint(1, 7)):
        kind = rng.choice(kinds)
        longest = rng.choice([0.5, 3.0, 18.0])
        if kind in (FaultKind.KILL, FaultKind.RESTART):
            longest = 3.0
        elif kind is FaultKind.PAUSE:
            # A process that stands still for longer than its leases is a zombie afterwards.
            longest = rng.choice([0.5, 20.0, 20.0])
        faults.append(
            Fault(
                kind,
                rng.randrange(workers),
                rng.uniform(0.0, BUSY),
                rng.uniform(0.05, longest),
                rng.uniform(0.05, 0.6),
            )
        )
    return tuple(sorted(faults, key=lambda fault: fault.at))
