"""Follow a plan: begin requests when they are due, until time, count or the user ends it."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Final

from .client import Exchange, Timeouts
from .measurement import Measurement
from .outcome import Outcome
from .prompts import Prompts
from .resuming import Kept, ResumingExchange
from .scenario import Plan, pause_after
from .target import Target

TICK: Final = 0.02
# How often the time limits of open requests are looked at, in ticks.
CHECK_EVERY: Final = 10


@dataclass(frozen=True)
class Bounds:
    """What ends a run.

    Attributes:
        seconds: After so many seconds, warm-up included, no more requests begin.
        requests: Nor after so many requests.
        grace: Seconds that open replies then get.
    """

    seconds: float
    requests: int
    grace: float


class Driver:
    """One run on the current event loop.

    Args:
        target: Where to; may be exchanged while it runs.
        resumes: Whether replies go on without their connection.
        tagged: Whether each message ends in its request's number, for the scripted model's records.
        numbers: Where the numbers come from, if several runs share them.
    """

    def __init__(
        self,
        target: Target,
        plan: Plan,
        bounds: Bounds,
        measurement: Measurement,
        prompts: Prompts,
        *,
        mode: str = "stream",
        model: str | None = None,
        timeouts: Timeouts | None = None,
        think_time: float = 0.0,
        resumes: bool = False,
        tagged: bool = False,
        rng: Random | None = None,
        numbers: itertools.count[int] | None = None,
    ) -> None:
        self.target = target
        self.measurement = measurement
        #: When leavers left, by request number, on the clock of `time.monotonic`.
        self.left: dict[int, float] = {}
        #: When replies had ended for clients that may come back, likewise, and those that had not.
        self.ends: dict[int, float] = {}
        self.unfinished: dict[int, Kept] = {}
        self._plan = plan
        self._bounds = bounds
        self._prompts = prompts
        self._fields = {"interaction_mode": mode, "source": "load-test"} | ({"model": model} if model else {})
        self._mode = mode
        self._timeouts = timeouts or Timeouts()
        self._think_time = think_time
        self._tagged = tagged
        self._resumes = resumes
        self._rng = rng or Random(0)
        self._numbers = numbers or itertools.count(1)
        self._open: set[Exchange] = set()
        self._pausing: set[asyncio.TimerHandle] = set()
        self._waiting: deque[float] = deque()
        self._begun = 0
        self._stopped = asyncio.Event()
        self._idle = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Driver, {len(self._open)} open>"

    def stop(self) -> None:
        """End it now: begin nothing more, cut off what is open."""
        self._bounds = Bounds(0.0, 0, 0.0)
        self._stopped.set()

    def open_outcomes(self) -> list[Outcome]:
        """Return the outcomes, still to be, of the requests that are open now; one that still connects is not."""
        return [exchange.outcome for exchange in self._open if not math.isnan(exchange.outcome.connected)]

    async def run(self) -> Measurement:
        """Begin, follow the plan, wait for open replies, and return the measurement."""
        loop = asyncio.get_running_loop()
        tick = asyncio.create_task(self._tick())
        arrivals = asyncio.create_task(self._arrive()) if self._plan.arrivals is not None else None
        deadline = loop.call_later(self._bounds.seconds, self._stopped.set)
        self._fill()
        try:
            await self._stopped.wait()
            if self._begun < self._bounds.requests or not self._bounds.requests:
                # By time or by hand. A run that ends by count ends with its last reply.
                self.measurement.close_window(self.measurement.now())
            await self._finish_open()
            self.measurement.close_window(self.measurement.now())
        finally:
            deadline.cancel()
            for timer in self._pausing:
                timer.cancel()
            for task in (tick, arrivals):
                if task is not None:
                    task.cancel()
            await asyncio.gather(*(task for task in (tick, arrivals) if task is not None), return_exceptions=True)
            await self._cut()
        return self.measurement

    async def _finish_open(self) -> None:
        until = self.measurement.now() + self._bounds.grace
        # `stop` takes the grace away in the middle of it.
        while self._open and (left := min(until - self.measurement.now(), self._bounds.grace)) > 0:
            self._idle.clear()
            try:
                async with asyncio.timeout(min(left, 0.2)):
                    await self._idle.wait()
            except TimeoutError:
                continue

    async def _cut(self) -> None:
        open_now = list(self._open)
        for exchange in open_now:
            exchange.end("unfinished")
        # What was cancelled or aborted has its last turn on the loop here.
        tasks = [task for exchange in open_now if (task := exchange._task) is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        for number in itertools.count(1):
            due = self.measurement.now() + TICK
            await asyncio.sleep(TICK)
            now = self.measurement.now()
            self.measurement.loop_late.record(max(0.0, now - due))
            self.measurement.sample(now)
            if number % CHECK_EVERY == 0:
                for exchange in list(self._open):
                    exchange.check(self._timeouts)
            loop.call_soon(self._fill)

    async def _arrive(self) -> None:
        assert self._plan.arrivals is not None
        for due in self._plan.arrivals:
            while (wait := due - self.measurement.now()) > 0:  # noqa: ASYNC110  (what it waits for is the time)
                await asyncio.sleep(wait)
            if self._stopped.is_set():
                return
            self._waiting.append(due)
            self._admit()

    def _admit(self) -> None:
        while self._waiting and len(self._open) < self._plan.most_open and not self._stopped.is_set():
            self._begin(self._waiting.popleft())
        self.measurement.waiting = len(self._waiting)

    def _fill(self) -> None:
        if self._plan.busy_clients is None:
            self._admit()
            return
        now = self.measurement.now()
        while not self._stopped.is_set() and len(self._open) + len(self._pausing) < self._plan.busy_clients(now):
            self._begin(self.measurement.now())

    def _begin(self, due: float) -> None:
        measurement = self.measurement
        behaviour = self._plan.behave()
        outcome = Outcome(next(self._numbers), behaviour.group, due, due >= measurement.warm_up)
        fields = {**self._prompts.take(), **self._fields}
        if self._tagged:
            fields["message"] += f"\n[request {outcome.number}]"
        exchange: Exchange
        if self._resumes:
            exchange = ResumingExchange(
                outcome, behaviour, self.target, fields, measurement, self._ended, is_own=self._tagged
            )
        else:
            request = self.target.request(fields)
            exchange = Exchange(outcome, behaviour, request, self._mode, measurement, self._ended)
        self._open.add(exchange)
        self._begun += 1
        measurement.request_began(measurement.now())
        if self._begun >= self._bounds.requests:
            self._stopped.set()
        exchange.start(self.target, self._timeouts)

    def _ended(self, exchange: Exchange) -> None:
        self._open.discard(exchange)
        measurement, outcome = self.measurement, exchange.outcome
        measurement.request_ended(outcome, measurement.now())
        if exchange.left_at == exchange.left_at:
            self.left[outcome.number] = exchange.left_at
        if exchange.reader.ended:
            self.ends[outcome.number] = exchange.ended_at
        elif isinstance(exchange, ResumingExchange) and exchange.kept is not None:
            self.unfinished[outcome.number] = exchange.kept
        if not self._open:
            self._idle.set()
        if self._stopped.is_set():
            return
        pause = pause_after(outcome.status, self._think_time, self._rng)
        if self._plan.busy_clients is None or not pause:
            asyncio.get_running_loop().call_soon(self._fill)
        else:
            self._pause(pause)

    def _pause(self, seconds: float) -> None:
        def over() -> None:
            self._pausing.discard(timer)
            self._fill()

        timer = asyncio.get_running_loop().call_later(seconds, over)
        self._pausing.add(timer)
