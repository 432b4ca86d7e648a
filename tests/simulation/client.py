"""Simulated clients: they begin runs, read them, leave, and resume where they were."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from sluice.service.errors import RunExpired, RunUnknown, StoreAway, TooManyReaders, TooManyRuns
from sluice.service.events.events import Event
from sluice.service.stored_runs.registry import CursorAtEnd
from sluice.service.stored_runs.replica import UNSEEN

from .connection import Connection
from .ledger import Violation, check_text, is_end
from .plan import FOREVER, ReaderPlan, RunPlan
from .worker import RUN_ID, SimulatedRun, Worker

if TYPE_CHECKING:
    from .world import World

# Seconds until a client tries again.
RETRY = (0.1, 0.5)
# How often a client tries to begin a run.
ATTEMPTS = 12


class Reader:
    """A reader of one run, across its connections."""

    def __init__(self, world: World, run_id: str, owner: str, plan: ReaderPlan, name: str) -> None:
        self.name = name
        self.run_id = run_id
        self.plan = plan
        self.cursor = 0
        self.events: list[Event] = []
        #: The terminal event, and when it came.
        self.end: Event | None = None
        self.end_at: float | None = None
        #: Since when it has not been away; None where it has given up or the run is gone.
        self.present_since: float | None = None
        #: Why it has stopped without a terminal event.
        self.gone = ""
        self._owner = owner
        self._world = world
        self._connection: Connection | None = None

    async def read(self, first: Connection | None = None) -> None:
        """Read to the end of the plan, beginning with a connection that is there."""
        self._connection = first
        loop = self._world.loop
        stays = [] if self.plan.gives_up else [(FOREVER, 0.0)]
        for duration, away in [*self.plan.visits, *stays]:
            self.present_since = loop.time()
            with suppress(TimeoutError):
                async with asyncio.timeout(duration):
                    await self._visit()
            self._leave()
            if self.end is not None or self.gone:
                break
            self.present_since = None
            await asyncio.sleep(away)
        else:
            self.gone = "gave up"
        self._world.trace(f"{self.name} has {self.cursor} events, {self.end!r} {self.gone}")

    async def _visit(self) -> None:
        while self.end is None and not self.gone:
            if self._connection is None and not await self._connect():
                await asyncio.sleep(self._world.rng.uniform(*RETRY))
            if self._connection is not None:
                await self._receive(self._connection)
                self._leave()

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave(self.plan.goodbye)

    async def _connect(self) -> bool:
        worker = self._world.any_worker()
        if worker is None:
            return False
        connection, after = Connection(self._world.loop), self.cursor
        self._connection = connection
        try:
            await worker.ask(lambda: worker.serve(worker.runs.subscribe(self.run_id, self._owner, after), connection))
        except CursorAtEnd:
            raise Violation(f"{self.name} gets 204 at {after}, and had no terminal event") from None
        except RunUnknown:
            if self.run_id not in self._world.ledger.deleted:
                raise Violation(f"{self.name} gets 404 for a run that is known") from None
            self.gone = "deleted"
        except RunExpired:
            if not self._world.is_expired(self.run_id):
                raise Violation(f"{self.name} gets 410 before the time") from None
            self.gone = "expired"
        except (StoreAway, TooManyReaders, ConnectionError):
            self._connection = None
            return False
        else:
            self._world.trace(f"{self.name} reads behind {after} from {worker.process.name}")
            return True
        self._connection = None
        return False

    async def _receive(self, connection: Connection) -> None:
        """Take what comes on a connection to its end."""
        while True:
            while connection.received:
                frame = connection.received.pop(0)
                if frame is None:
                    return
                self._take(*frame)
                if self.end is not None:
                    if any(each is not None for each in connection.received):
                        raise Violation(f"{self.name} gets events behind the terminal event")
                    return
            connection.came.clear()
            try:
                async with asyncio.timeout(self.plan.silence):
                    await connection.came.wait()
            except TimeoutError:
                return

    def _take(self, first: int, events: Sequence[Event]) -> None:
        for number, event in enumerate(events, first):
            if number != self.cursor + 1 and not (is_end(event) and number > UNSEEN):
                raise Violation(f"{self.name} gets event {number} behind {self.cursor}")
            if self.end is not None:
                raise Violation(f"{self.name} gets {event!r} behind the terminal event")
            self.cursor = number
            self.events.append(event)
            if is_end(event):
                self.end, self.end_at = event, self._world.loop.time()
            else:
                check_text(self.run_id, number, event, self.name)


class Starter:
    """A client that begins a run, and tries again where that fails."""

    def __init__(self, world: World, plan: RunPlan, name: str) -> None:
        self.name = name
        self.plan = plan
        self._world = world
        self._key = name if plan.has_key else ""

    async def begin(self) -> tuple[str, Connection] | None:
        """Begin the run; return its id and the connection, or None where no worker could."""
        for _ in range(ATTEMPTS):
            worker = self._world.any_worker()
            if worker is not None:
                connection = Connection(self._world.loop)
                try:
                    run_id = await worker.ask(lambda worker=worker, to=connection: self._handle(worker, to))  # type: ignore[misc]
                except (StoreAway, TooManyRuns, ConnectionError, RunUnknown, RunExpired):
                    connection.is_cut = True
                except CursorAtEnd:
                    raise Violation(f"{self.name} gets 204 for a new run") from None
                else:
                    if not self._key and run_id not in self._world.ledger.calls:
                        raise Violation(f"{self.name} is begun as run {run_id[-4:]}, and nobody produces it")
                    self._world.trace(f"{self.name} is run {run_id[-4:]} of {worker.process.name}")
                    return run_id, connection
            await asyncio.sleep(self._world.rng.uniform(*RETRY))
        return None

    def _handle(self, worker: Worker, connection: Connection) -> str:
        plan = self.plan
        subscription = worker.runs.begin(
            plan.owner,
            lambda: SimulatedRun(worker, RUN_ID.get(), plan),  # type: ignore[arg-type, return-value]
            key=self._key,
            body_digest="digest",
            attended=plan.is_attended,
        )
        if not plan.is_attended:
            subscription.close()
            connection.send(None)
            return subscription.run_id
        return worker.serve(subscription, connection)
