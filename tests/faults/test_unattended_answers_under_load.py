"""Many answers that nobody reads, on one worker: the store keeps up with them, and is small again afterwards."""

from __future__ import annotations

import json
import sqlite3
import statistics
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sluice.service.events.events import Text
from sluice.service.stored_runs.event_codec import decode_events
from tests.support.polling import wait_until
from tools.common.accounting import cpu_seconds, machine_seconds, memory_bytes
from tools.common.gunicorn_server import GunicornServer
from tools.common.model_server import order
from tools.common.processes import ModelServer

RATE = 50.0
# Runs whose lag is looked at in one turn.
SAMPLED = 50
# Seconds for which all answers are measured, and in which they must have begun.
MEASURED, BEGUN_WITHIN = 20.0, 15.0
# Seconds behind the model: of a worker that has the processor to itself, and of one that shares it. One that does not
# keep up is half of the test's time behind in the end.
LAG_P50, LAG_MOST = 1.5, 5.0


def begin_all(server: GunicornServer, count: int, tokens: int) -> float:
    """Begin answers that nobody reads, each of another owner; return the seconds that it took."""
    body = {"message": order(1, tokens, RATE, 0), "interaction_mode": "stream"}
    body |= {"on_disconnect": "continue", "background": True}
    began = time.monotonic()
    with closing(HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=30)) as connection:
        for _ in range(count):
            connection.request("POST", "/api/chat", json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            assert response.status == 202, response.read()
            response.read()
    return time.monotonic() - began


def lags(database: sqlite3.Connection) -> list[float]:
    """Return for some running answers how many seconds the last token in the store is old: its text has the time."""
    found = []
    rows = database.execute(
        "SELECT (SELECT payload FROM batches WHERE run = runs.row ORDER BY last DESC LIMIT 1) FROM runs "
        "WHERE state = 'running' ORDER BY random() LIMIT ?",
        (SAMPLED,),
    ).fetchall()
    now = time.monotonic()
    for (payload,) in rows:
        last = decode_events(payload)[-1] if payload else None
        if isinstance(last, Text):
            found.append(now - int(last.text[-13:]) / 1e6)
    return found


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [100, 500])
def test_the_store_keeps_up_with_unattended_answers_of_50_tokens_a_second_each(count: int, tmp_path: Path) -> None:
    tokens = round(RATE * (MEASURED + BEGUN_WITHIN))
    file = tmp_path / "runs.db"
    env = {
        "OPENAI_API_KEY": "test",
        "OPENAI_MODEL": "bench",
        "WEB_CONCURRENCY": 1,
        "SLUICE_STORE": f"sqlite:{file}",
        "SLUICE_RUN_KEPT": 5,
        "SLUICE_LOG_LEVEL": "warning",
    }
    with (
        ModelServer() as model,
        GunicornServer({**env, "OPENAI_BASE_URL": f"http://127.0.0.1:{model.port}/v1"}) as server,
    ):
        pids = server.worker_pids()
        begun = begin_all(server, count, tokens)
        before = (time.monotonic(), cpu_seconds(pids), machine_seconds())
        sampled: list[list[float]] = []
        memory = 0
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:

            def ended() -> int:
                row = database.execute("SELECT count(*) FROM runs WHERE state = 'completed'").fetchone()
                return int(row[0])

            until = before[0] + MEASURED
            while time.monotonic() < until:
                if found := lags(database):
                    sampled.append(found)
                memory = max(memory, memory_bytes(pids))
                time.sleep(0.5)
            after = (time.monotonic(), cpu_seconds(pids), machine_seconds())
            wait_until(lambda: ended() == count, 60.0, "all answers to be in the store", pause=0.2)
            late = time.monotonic() - before[0] - tokens / RATE
            lengths = database.execute("SELECT min(last_number), max(last_number) FROM runs").fetchone()
            largest = sum(each.stat().st_size for each in tmp_path.glob("runs.db*") if each.is_file())
            wait_until(
                lambda: database.execute("SELECT count(*) FROM batches").fetchone() == (0,), 30.0, "all to expire"
            )

            def pages() -> int:
                return int(database.execute("PRAGMA page_count").fetchone()[0])

            # Of what is free, four megabytes stay for the next answers. The file follows with the next write.
            wait_until(lambda: pages() < 1536, 60.0, "the free pages to be given back", pause=0.2)
            used = pages() * 4096 / 2**20
        wall = after[0] - before[0]
        every = [lag for found in sampled for lag in found]
        p50, most = statistics.median(every), max(every)
        print(
            f"\n{count} answers, begun in {begun:.1f} s: lag p50 {p50:.2f} s, p99 "
            f"{sorted(every)[int(len(every) * 0.99)]:.2f} s, most {most:.2f} s; in the last look "
            f"{statistics.median(sampled[-1]):.2f} s; worker {(after[1] - before[1]) / wall:.0%} of a core, "
            f"{memory / 2**20:.0f} MiB; machine {(after[2] - before[2]) / wall:.1f} cores; the last end {late:.1f} s "
            f"after the model's; file {largest / 2**20:.1f} MiB, when all had expired "
            f"{used:.1f} MiB"
        )
        # Each token is an event, or several that came together are one.
        assert lengths[0] > 1
        assert p50 < LAG_P50
        assert most < LAG_MOST
