"""One process is killed (-9) at any moment while answers go on: no shown text is lost, and no call is left open.

Each lane is a server with two workers, a store and readers of its own. Each try kills the master or a worker at a
random moment. Readers do as the page does: they read on from their last event until the terminal one.
"""

from __future__ import annotations

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.support.polling import wait_until
from tests.support.run_client import RunClient, run_id_of
from tests.support.running_server import PLANTED_KEY
from tools.common.gunicorn_server import GunicornServer
from tools.common.raw_client import RawClient, WireViolation
from tools.common.scripted_model import MODEL_NAME, Chunk, Exchange, Headers, Pause, ScriptedModel, finished

LANES = 8
TRIES = 200
READERS = 4
WORDS = tuple(f"{number} " for number in range(60))
# Seconds between two words: an answer of 1.2 s, of which a kill meets any moment.
PACE = 0.02
# Seconds until a reader has the end: the answer, a lost lease, a start of the server.
WITHIN = 30.0
# Seconds until the provider's connection of a killed or interrupted run is closed.
CLOSED_WITHIN = 12.0


@dataclass
class Reading:
    """What one reader has been shown."""

    run_id: str = ""
    text: str = ""
    last: int = 0
    end: dict[str, object] = field(default_factory=dict)

    def take(self, client: RawClient) -> None:
        """Read on until the end or the loss of the connection."""
        while not self.end:
            frame = client.next_event(WITHIN)
            assert frame.id is not None
            assert frame.payload is not None
            assert frame.id > self.last, f"event {frame.id} after {self.last}"
            self.last = frame.id
            if frame.is_terminal:
                self.end = frame.payload
            self.text += frame.message


class Lane:
    """A server that is started again when its master was killed, as a supervisor does."""

    def __init__(self, number: int, folder: Path) -> None:
        self.random = random.Random(number)
        self._stack = ExitStack()
        self.model = self._stack.enter_context(ScriptedModel())
        self.folder = folder
        self.server: GunicornServer | None = None

    def start(self) -> GunicornServer:
        """Start the server on the port that it had."""
        port = self.server.port if self.server is not None else 0
        settings = {
            "OPENAI_API_KEY": PLANTED_KEY,
            "OPENAI_MODEL": MODEL_NAME,
            "OPENAI_BASE_URL": self.model.base_url,
            "SLUICE_STORE": f"sqlite:{self.folder / 'runs.db'}",
            "SLUICE_DRAIN_TIMEOUT": 0.3,
        }
        self.server = GunicornServer(settings, workers=2, port=port).start()
        return self.server

    def read(self, browser: RunClient, reading: Reading) -> None:
        """Ask, or read on, until the terminal event has come."""
        deadline = time.monotonic() + WITHIN
        while not reading.end:
            assert time.monotonic() < deadline, f"no end within {WITHIN} s: {reading}"
            try:
                if reading.run_id:
                    with browser.follow(reading.run_id, reading.last) as client:
                        if client.status == 200:
                            reading.take(client)
                            continue
                        assert client.status in (404, 503), client.read_body()
                        if client.status == 404:
                            # Its record was not written: the worker was killed before the headers had left.
                            return
                else:
                    with browser.begin(key="once") as client:
                        if client.status == 200:
                            reading.run_id = run_id_of(client)
                            reading.take(client)
            except (OSError, WireViolation):
                time.sleep(0.1)

    def kill_one(self, readings: list[Reading]) -> str:
        """Kill a process at a random moment of the answers."""
        assert self.server is not None
        time.sleep(self.random.uniform(0.05, 1.6))
        pids = [self.server.pid, *self.server.worker_pids()]
        victim = self.random.choice(pids)
        os.kill(victim, signal.SIGKILL)
        return "master" if victim == self.server.pid else "worker"

    def attempt(self) -> str:
        """Kill one process during some answers, and check what their readers were shown."""
        server = self.server or self.start()
        for _ in range(READERS):
            steps = [step for word in WORDS for step in (Chunk(word), Pause(PACE))]
            self.model.enqueue((Headers(), *steps, *finished()))
        browsers = [RunClient(server.url) for _ in range(READERS)]
        readings = [Reading() for _ in browsers]
        with ThreadPoolExecutor(READERS) as pool:
            reads = [
                pool.submit(self.read, browser, reading) for browser, reading in zip(browsers, readings, strict=True)
            ]
            killed = self.kill_one(readings)
            at = time.monotonic()
            if killed == "master":
                server.wait_exit()
                # Its workers see that they have no parent, and drain.
                wait_until(lambda: not server.group(), 10.0, "the workers of the killed master to exit")
                server.stop()
                self.start()
            for read in reads:
                read.result(WITHIN + 5.0)
        whole = "".join(WORDS)
        for reading in readings:
            if not reading.end:
                continue
            if reading.end.get("done") is True:
                assert reading.text == whole, reading
            else:
                assert reading.end["code"] in ("interrupted", "shutting_down"), reading
                assert whole.startswith(reading.text), reading
        for exchange in self.model.exchanges:
            self.model.wait_until(
                partial(_has_ended, exchange),
                max(0.1, at + CLOSED_WITHIN - time.monotonic()),
                f"the call {exchange!r} to end",
            )
        self.model.clear()
        return killed

    def close(self) -> None:
        """Stop the server and the model."""
        try:
            if self.server is not None:
                self.server.stop()
        finally:
            self._stack.close()


def _has_ended(exchange: Exchange) -> bool:
    return not exchange.in_progress


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_one_killed_process_loses_no_shown_text_and_leaves_no_call_open(tmp_path: Path) -> None:
    lanes = []
    for number in range(LANES):
        folder = tmp_path / str(number)
        folder.mkdir()
        lanes.append(Lane(number, folder))

    def run(lane: Lane) -> list[str]:
        try:
            return [lane.attempt() for _ in range(TRIES // LANES)]
        finally:
            lane.close()

    with ThreadPoolExecutor(LANES) as pool:
        killed = [kind for kinds in pool.map(run, lanes) for kind in kinds]
    assert len(killed) == TRIES
    assert {"master", "worker"} == set(killed)
