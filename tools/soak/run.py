"""One run: a server, a model, a crowd of clients, a look at everything each second, and a verdict."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tools.common.gunicorn_server import GunicornServer
from tools.common.leaks import gauge, open_connections, wait_nothing_left, warm_up
from tools.common.scripted_model import MODEL_NAME, ScriptedModel
from tools.soak.clients import Crowd
from tools.soak.plans import Performer
from tools.soak.report import write_report
from tools.soak.samples import LEAST_POINTS, Growth, Sample, growth, take_sample

# It does not look like a key: what is taken out of the log because of its look would hide that the configured key
# itself is not.
PLANTED_KEY = "planted-by-the-soak"
WORKERS = 2
# About 40 visits a second, which takes less than half of one core: the figures must not be those of a busy machine.
CROWD = 24
SLOTS, RESERVE = CROWD + 16, 8
# Its pool, its main thread, its loop's and the loop's watchdog, and up to four that look up names. Pools grow when
# chance has it, so a slope says nothing of threads; a leaked one a minute breaks this bound in ten.
MOST_THREADS = SLOTS + RESERVE + 7
# Each stream has one, and the pool keeps it for the next. A slope of seconds says nothing of a pool.
MOST_MODEL_CONNECTIONS = 2 * SLOTS
# MiB; measured: 94 at the plateau, and up to 104 while several readers of nothing are served.
MOST_MEMORY = 130
# One that is killed now and then shows that the others go on, and that what it held is given back.
KILLS = 2
# The first quarter fills caches, arenas and pools; what grows in the other three quarters grows for ever.
WARM_UP = 0.25
# Time limits that the model's faults run into, and a busy machine does not.
SETTINGS = {
    "OPENAI_API_KEY": PLANTED_KEY,
    "OPENAI_MODEL": MODEL_NAME,
    "OPENAI_MAX_RETRIES": 1,
    "SLUICE_CONNECT_TIMEOUT": 2,
    "SLUICE_FIRST_TOKEN_TIMEOUT": 4,
    "SLUICE_NEXT_TOKEN_TIMEOUT": 2.5,
    "SLUICE_HEARTBEAT_INTERVAL": 0.5,
    "SLUICE_WRITE_TIMEOUT": 2,
    # While one worker is killed, the other must have slots for all clients and for a few that have disconnected.
    "SLUICE_MAX_STREAMS": SLOTS,
    "SLUICE_RESERVE_THREADS": RESERVE,
    "SLUICE_DRAIN_TIMEOUT": 5,
}
# What must not be in the log, with the line before it and the indented ones that are part of it. Of the lines with
# ERROR only gunicorn's own about the killed worker may.
_DEFECT = re.compile(
    r"^(?:.*\n)?.*(?:Traceback|code=internal| CRITICAL |WORKER TIMEOUT).*(?:\n    .*)*$", re.MULTILINE
)


@dataclass
class Soak:
    """A run and what was seen in it.

    Attributes:
        seconds: How long it shall take.
        seed: What clients and model do.
        directory: Where the report goes; None writes none.
        say: Is given a line of progress now and then.
        every: Seconds between two such lines.
        interval: Seconds between two looks at everything.
        kills_wanted: How many workers are killed.
        collector: Whether the server's cycle collector runs.
    """

    seconds: float
    seed: int
    directory: Path | None = None
    say: Callable[[str], None] = print
    every: float = 10.0
    interval: float = 1.0
    kills_wanted: int = KILLS
    collector: bool = True
    stop: threading.Event = field(default_factory=threading.Event)
    samples: list[Sample] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    growths: list[Growth] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)

    def run(self) -> bool:
        """Run it, write the report, and return whether all is well. Setting `stop` ends it early, with a report."""
        performer = Performer(self.seed)
        with ScriptedModel() as model:
            settings = {**SETTINGS, "OPENAI_BASE_URL": model.base_url}
            server = GunicornServer(settings, workers=WORKERS, collector=self.collector)
            with server:
                warm_up(server, model, SLOTS)
                # Their slots are released a moment after their clients have received all.
                wait_nothing_left(lambda: _busy(server, model), 5.0, "the warm-up")
                model.default = (performer,)
                crowd = Crowd(server.url, self.seed, CROWD)
                began = time.monotonic()
                crowd.start()
                try:
                    self._watch(server, model, crowd, began)
                finally:
                    crowd.stop()
                took = time.monotonic() - began
                self._rest(server, model)
            self.outcomes = crowd.outcomes
            self._judge(server, crowd, took)
        if self.directory is not None:
            facts: dict[str, object] = {
                "Seed": self.seed,
                "Seconds": round(took),
                "Workers, clients at one time": f"{WORKERS}, {CROWD}",
                "Visits": crowd.visits,
                "How they ended": _listed(crowd.outcomes),
                "What the model did": _listed(performer.played),
                "Workers killed": len(self.kills),
                "Cycle collector": "on" if self.collector else "off",
            }
            path = write_report(
                self.directory,
                title=f"Soak, seed {self.seed}",
                facts=facts,
                samples=self.samples,
                kills=self.kills,
                growths=self.growths,
                complaints=self.complaints,
            )
            self.say(f"{path}: {'all well' if not self.complaints else f'{len(self.complaints)} things are wrong'}")
        return not self.complaints

    def _watch(self, server: GunicornServer, model: ScriptedModel, crowd: Crowd, began: float) -> None:
        draw = random.Random(self.seed)
        # Not in the last fifth, so that what a kill does is still seen.
        due = sorted(draw.uniform(0.3, 0.8) * self.seconds for _ in range(self.kills_wanted))
        # The first worker stays for the whole run, for its slopes.
        spared = server.worker_pids()[0]
        said = began
        while not self.stop.wait(self.interval) and self._goes_on(at := time.monotonic() - began):
            if due and at >= due[0]:
                due.pop(0)
                self._kill(server, crowd, spared, at)
            try:
                self.samples.append(take_sample(server, model, at, crowd.visits))
            except (OSError, AssertionError) as error:
                if not self.kills or at - self.kills[-1] > 2.0:
                    crowd.complain(f"the server did not answer /metrics after {at:.0f} s: {error!r}")
            # The model remembers every exchange; a run has too many of them.
            with model.changed:
                model.exchanges[:] = [exchange for exchange in model.exchanges if exchange.in_progress]
            if time.monotonic() - said >= self.every and self.samples:
                said = time.monotonic()
                self._progress(at, crowd)

    def _goes_on(self, at: float) -> bool:
        # A machine that is too busy to look often is given more time, so that there is something to judge.
        seen = sum(sample.at >= WARM_UP * at for sample in self.samples)
        return at < self.seconds or (seen < 2 * LEAST_POINTS and at < 2 * self.seconds)

    def _kill(self, server: GunicornServer, crowd: Crowd, spared: int, at: float) -> None:
        others = [pid for pid in server.worker_pids() if pid != spared]
        if others:
            # First, as a client may notice the kill before this thread has its next turn.
            crowd.excuse()
            os.kill(others[-1], signal.SIGKILL)
            self.kills.append(at)

    def _progress(self, at: float, crowd: Crowd) -> None:
        latest = self.samples[-1]
        memory = " ".join(f"{worker.memory:.0f}" for worker in latest.workers.values())
        self.say(
            f"{at:4.0f} of {self.seconds:.0f} s: {crowd.visits} visits, {latest.streams or 0:.0f} streams, "
            f"{memory} MiB, {crowd.complained} complaints"
        )

    def _rest(self, server: GunicornServer, model: ScriptedModel) -> None:
        """See that nothing is left running when the clients have gone."""
        try:
            wait_nothing_left(lambda: _busy(server, model), 5.0, "the clients")
        except AssertionError as error:
            self.complaints.append(str(error))
        if server.status("/readyz") != 200:
            self.complaints.append("the server is not ready when all is over")

    def _judge(self, server: GunicornServer, crowd: Crowd, took: float) -> None:
        self.complaints += crowd.complaints
        if crowd.complained > len(crowd.complaints):
            self.complaints.append(f"and {crowd.complained - len(crowd.complaints)} more complaints of clients")
        self.complaints += [f"in the log: {defect}" for defect in defects(server.log)[:20]]
        if PLANTED_KEY in server.log:
            self.complaints.append("the key is in the log")
        if server.exit_code != 0:
            self.complaints.append(f"the server's exit code is {server.exit_code}")
        most = max((sample.answering for sample in self.samples), default=0)
        # Each client has one answer; those of clients that left end within milliseconds.
        if most > 2 * CROWD:
            self.complaints.append(f"the model was in {most} exchanges at once, with {CROWD} clients")
        workers = [worker for sample in self.samples for worker in sample.workers.values()]
        if (threads := max((worker.threads for worker in workers), default=0)) > MOST_THREADS:
            self.complaints.append(f"a worker had {threads} threads, more than {MOST_THREADS}")
        if (connections := max((worker.model for worker in workers), default=0)) > MOST_MODEL_CONNECTIONS:
            self.complaints.append(f"a worker had {connections} connections to the model")
        if (memory := max((worker.memory for worker in workers), default=0.0)) > MOST_MEMORY:
            self.complaints.append(f"a worker took {memory:.0f} MiB, more than {MOST_MEMORY}")
        self.growths = growth(self.samples, WARM_UP * took)
        self.complaints += [
            f"{found.tolerance.figure} of worker {found.worker} grew by {found.grown:.1f} {found.tolerance.unit}, "
            f"more than {found.tolerance.most:g}: {found.first:.1f} in the first third, {found.last:.1f} in the last"
            for found in self.growths
            if not found.good
        ]
        if not self.growths and not self.stop.is_set():
            self.complaints.append("no worker was there for long enough to be judged")


def defects(log: str) -> list[str]:
    """Return what must not be in a log, each with the line before it and the lines that are part of it."""
    return _DEFECT.findall(log)


def _busy(server: GunicornServer, model: ScriptedModel) -> list[str]:
    streams = gauge(server, "sluice_streams_open")
    asked = [f"the model still serves {exchange!r}" for exchange in model.in_progress]
    return ([f"sluice_streams_open is {streams:g}"] if streams else []) + asked + open_connections(server, model)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
