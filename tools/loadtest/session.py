"""One load test from its options to its result."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import itertools
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from . import evaluation
from . import knee as knees
from .client import Timeouts
from .deploy import Deployment
from .driver import Bounds, Driver
from .knee import Stage
from .measurement import Measurement
from .options import told
from .own_server import OwnServer
from .prompts import Prompts
from .result import SLOW_BY_INTENTION, Result, Resumed, Swept
from .resumed import describe_resumed
from .resuming import stop_kept
from .scenario import (
    MOST_LOSSES,
    RESUMING,
    USUAL,
    Plan,
    bursts,
    constant,
    leavers,
    levels,
    poisson,
    ramped,
    ramped_clients,
    resumers,
    slow_readers,
)
from .target import Target
from .text_report import counts

WIDTHS = (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60)
BINS = 48
# Where in the run a deployment happens.
DEPLOY_AT = 0.4
# What the model still works on for clients that have left is waited for, but no longer.
MODEL_TIMEOUT = 30.0


@dataclass
class Session:
    """Run a scenario once. `interrupt` may be called at any time on the loop's thread.

    Attributes:
        measurement: Of the run, or of the level, that is going on.
        stages: The levels of a sweep so far.
        doing: What is going on, in words.
        until: When the current run stops beginning requests, in its own seconds.
    """

    options: argparse.Namespace
    target: Target
    prompts: Prompts
    own: OwnServer | None = None
    measurement: Measurement = field(default_factory=Measurement)
    stages: list[Stage] = field(default_factory=list)
    doing: str = "starting"
    until: float = 0.0
    interrupted: bool = False
    _driver: Driver | None = None
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self._rng = Random(self.options.seed)

    def interrupt(self) -> None:
        """End the load now; what was measured is reported."""
        self.interrupted = True
        if self._driver is not None:
            self._driver.stop()

    async def run(self) -> Result:
        """Run the scenario and return its result."""
        began = time.monotonic()
        when = datetime.now(UTC).isoformat(timespec="seconds")
        options = self.options
        deployment = swept = None
        if options.scenario == "sweep":
            swept = await self._sweep()
        elif options.scenario == "deploy":
            deployment = await self._deploy()
        else:
            await self._run(self._plan(), options.warm_up, options.duration)
        seconds = time.monotonic() - began
        measurement = self.measurement
        counted = [outcome for outcome in measurement.outcomes if outcome.counted]
        usual = [outcome for outcome in counted if outcome.group not in SLOW_BY_INTENTION]
        result = Result(
            scenario=options.scenario,
            target="our own gunicorn with a scripted model" if self.own else self.target.url,
            began=when,
            mode=options.mode,
            settings=told(options),
            seconds=seconds,
            warm_up_seconds=measurement.warm_up,
            window_seconds=evaluation.window_seconds(measurement),
            interrupted=self.interrupted,
            requests=evaluation.count_requests(measurement),
            codes=evaluation.count_codes(measurement.outcomes),
            throughput=evaluation.throughput(measurement),
            latency_ms=evaluation.latencies(usual, measurement.all_gaps(SLOW_BY_INTENTION)),
            groups=evaluation.groups(measurement),
            goodput=evaluation.goodput(measurement, options.limits),
            busy=evaluation.busy(measurement),
            timeline=evaluation.timeline(measurement),
            replies=evaluation.replies(measurement),
            bin_seconds=measurement.bin_seconds,
            marks=[(mark.at, mark.text) for mark in measurement.marks],
            swept=swept or [],
        )
        if options.scenario == "leavers" and self.own is not None and self._driver is not None:
            result.outlived = evaluation.outlived(self._driver.left, await self._calls(self.own))
        if options.scenario in RESUMING and self._driver is not None:
            result.resumed = await self._resumed(self._driver, began)
        if deployment is not None:
            result.deployed = evaluation.deployed(deployment, measurement.outcomes)
        result.notes = self._notes(result)
        return result

    # ------------------------------------------------------------------------------------------ the scenarios

    def _plan(self) -> Plan:
        options, rng = self.options, self._rng
        scenario, rate, clients = options.scenario, options.rate, options.concurrency
        behave = lambda: USUAL  # noqa: E731
        if scenario == "leavers":
            behave = leavers(options.share, options.leave_within, Random(options.seed + 1))
        elif scenario in RESUMING:
            is_once = scenario == "resume"
            group, most = ("resumer", 1) if is_once else ("blips", MOST_LOSSES)
            rng_of_losses = Random(options.seed + 1)
            behave = resumers(
                options.share, options.leave_within, options.away, rng_of_losses, group=group, most=most
            )
        elif scenario == "slow-readers":
            behave = slow_readers(options.share, options.read_rate, Random(options.seed + 1))
        seconds = options.warm_up + options.duration
        if scenario == "burst":
            return Plan(arrivals=bursts(clients, options.every), behave=behave)
        if scenario == "poisson":
            return Plan(arrivals=poisson(rate, rng), most_open=clients, behave=behave)
        if scenario == "ramp" and rate is not None:
            return Plan(arrivals=ramped(options.first, rate, seconds), most_open=clients, behave=behave)
        if scenario == "ramp":
            return Plan(busy_clients=ramped_clients(round(options.first), clients, seconds), behave=behave)
        if rate is not None:
            return Plan(arrivals=constant(rate), most_open=clients, behave=behave)
        return Plan(busy_clients=lambda now: clients, behave=behave)

    def _prepare(self, plan: Plan, warm_up: float, seconds: float, grace: float) -> Driver:
        options = self.options
        self.until = warm_up + seconds
        by_count = seconds >= 3600
        width = 1.0 if by_count else next((each for each in WIDTHS if self.until / each <= BINS), WIDTHS[-1])
        self.measurement = Measurement(warm_up=warm_up, bin_seconds=width, meter=self._cpu)
        self._driver = Driver(
            self.target,
            plan,
            Bounds(self.until, options.requests, grace),
            self.measurement,
            self.prompts,
            mode=options.mode,
            model=options.model,
            timeouts=Timeouts(options.connect_timeout, options.idle_timeout, options.timeout),
            think_time=options.think_time,
            resumes=options.scenario in RESUMING,
            tagged=self.own is not None,
            rng=self._rng,
            numbers=self._numbers,
        )
        if self.interrupted:
            self._driver.stop()
        return self._driver

    async def _run(self, plan: Plan, warm_up: float, seconds: float) -> None:
        self.doing = self.options.scenario
        await self._prepare(plan, warm_up, seconds, self.options.grace).run()

    async def _deploy(self) -> Deployment:
        options = self.options
        assert self.own is not None, "deploy needs our own server"
        self.doing = f"deploy with SIG{options.signal}"
        driver = self._prepare(self._plan(), options.warm_up, options.duration, options.grace)
        deployment = Deployment(options.signal)
        after = options.warm_up + DEPLOY_AT * options.duration
        carried_out = asyncio.create_task(deployment.carry_out(driver, self.own, after))
        await driver.run()
        if deployment.at is None:
            carried_out.cancel()
        await asyncio.gather(carried_out, return_exceptions=True)
        return deployment

    async def _sweep(self) -> list[Swept]:
        options = self.options
        by_rate = options.rate is not None
        measured: list[tuple[Stage, Measurement]] = []

        async def run_level(level: float) -> None:
            unit = f"{level:g} requests a second" if by_rate else f"{level:g} client{'s' if level > 1 else ''}"
            self.doing = f"sweep: {unit}"
            if by_rate:
                plan = Plan(arrivals=poisson(level, self._rng), most_open=options.concurrency)
            else:
                plan = Plan(busy_clients=lambda now: int(level))
            await self._prepare(plan, options.stage / 5, options.stage * 4 / 5, 0.0).run()
            if not self.interrupted:
                measured.append((evaluation.stage_of(level, self.measurement, options.limits), self.measurement))
                measured.sort(key=lambda each: each[0].level)
                self.stages = [stage for stage, _ in measured]

        for level in levels(options.rate if by_rate else options.concurrency, whole=not by_rate):
            if self.interrupted or knees.is_past_knee(self.stages):
                break
            await run_level(level)
        for level in [] if self.interrupted else knees.between(self.stages):
            await run_level(level)
        knee = knees.find_knee(self.stages)
        for stage, measurement in measured:
            # The rest of the report is about the knee, or else the first level.
            if stage is (knee or self.stages[0]):
                self.measurement = measurement
        return [evaluation.swept(stage, measurement, knee) for stage, measurement in measured]

    # -------------------------------------------------------------------------------------------- what it took

    def _cpu(self) -> dict[str, float]:
        seconds = {"client": time.process_time()}
        if self.own is not None:
            seconds |= self.own.cpu_seconds()
            if self.options.scenario == "deploy":
                seconds.pop("server", None)  # its processes are others in the end
        return seconds

    async def _resumed(self, driver: Driver, since: float) -> Resumed:
        """Stop the replies that nobody reads on, and describe those that were.

        Args:
            driver: Has made the requests.
            since: When it has begun, by `time.monotonic`: calls before it are those of other tests.
        """
        stopped = 0
        for number, kept in driver.unfinished.items():
            try:
                await asyncio.to_thread(stop_kept, self.target, kept, self.options.connect_timeout)
            except (OSError, http.client.HTTPException):
                continue
            driver.ends[number] = time.monotonic()
            stopped += 1
        calls = None if self.own is None else [call for call in await self._calls(self.own) if call[1] >= since]
        return describe_resumed(self.measurement.outcomes, driver.ends, stopped, calls)

    async def _calls(self, own: OwnServer) -> list[list[float]]:
        until = time.monotonic() + MODEL_TIMEOUT
        while True:
            answer = own.model.records()
            if not answer["open"] or time.monotonic() > until:
                calls: list[list[float]] = answer["calls"]
                return calls
            await asyncio.sleep(0.05)

    def _notes(self, result: Result) -> list[str]:
        notes = []
        options, requests = self.options, result.requests
        if self.interrupted:
            notes.append("It was interrupted: the figures are those of the time until then.")
        if result.busy.too_busy:
            notes.append("The client itself was too busy: its figures are partly about itself. Use less load.")
        elif result.busy.too_late:
            notes.append("The client had to wait for a core: the times include its own waiting.")
        if self.own is not None:
            notes.append("Client, model and server shared this machine, and so its cores.")
        if not self.interrupted and not requests.judged and not result.swept:
            why = "No reply that counts ended in time" if requests.counted else "No request came after the warm-up"
            notes.append(f"{why}; --duration should be longer.")
        if result.deployed is not None and result.deployed.outage is None and not self.interrupted:
            notes.append("The load ended before requests were answered again; --duration should be longer.")
        if options.scenario == "leavers" and self.own is None:
            notes.append("How long a model call outlives its client is known only of our own model, without --url.")
        if result.resumed is not None and self.own is None:
            notes.append("Missing tokens and orphaned calls are known only of our own model, without --url.")
        if requests.never_sent:
            notes.append(f"{requests.never_sent} requests were due and never sent: all clients were busy.")
        if any("overloaded" in codes for codes in result.codes.values()):
            notes.append("overloaded: the server had no free slot (SLUICE_MAX_STREAMS for each worker).")
        if any("client_timeout" in codes for codes in result.codes.values()):
            notes.append("client_timeout: the client gave up (--timeout, --idle-timeout).")
        silent = [f"{each.level:g}" for each in result.swept if each.whole_share is None]
        if silent:
            notes.append(f"At {', '.join(silent)} no reply that counts ended in time; --stage should be longer.")
        if len(silent) < len(result.swept):
            notes.append(self._about_knee(result))
        return notes

    def _about_knee(self, result: Result) -> str:
        unit = "requests a second" if self.options.rate is not None else "clients"
        found = next((each for each in result.swept if each.knee), None)
        if found is None:
            lowest = next(each for each in result.swept if each.whole_share is not None)
            return f"No knee: not even {lowest.level:g} {unit} held."
        highest = found is result.swept[-1]
        more = " It is the highest level tried: the true one may be higher." if highest else ""
        above = next((each for each in result.swept if each.level > found.level and each.codes), None)
        failed = f" At {above.level:g} requests failed: {counts(above.codes)}." if above else ""
        return f"The knee is at {found.level:g} {unit}; the other figures are those of that level.{more}{failed}"
