"""The conformance tests of Durable Streams, over each store of runs.

See docs/decisions/0088-durable-streams-tests-the-stores.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.valkey import ValkeyServer
from tools.common.gunicorn_server import REPOSITORY

#: Where `make conformance` installs them.
FOLDER = REPOSITORY / "build" / "conformance"
VITEST = FOLDER / "node_modules" / ".bin" / "vitest"
#: Groups of tests of what a store of runs does not have, and why.
OTHER_GROUPS = {
    "TTL": "a run's time is the store's setting, and not its client's",
    "Idempotent Producer": "a run has one producer, which holds its lease; batches have numbers",
    "Fork": "a run is not copied",
    "JSON Mode": "a store keeps bytes, and knows no content type",
    "Reserved subscription": "nobody is called when a run goes on",
}
#: Tests of other groups that are about the same, by a part of their names.
OTHER_TESTS = {
    "seq": "`Stream-Seq`: batches have numbers, without gaps",
    "sequence": "the same",
    "headers with different casing": "the same",
    "TTL": "as the group",
    "JSON": "as the group",
    "idempotent-close": "as idempotent producers",
    "producer-state": "as idempotent producers",
    "close-with-different-body-dedup": "as idempotent producers",
}
#: How many of the tests apply.
APPLICABLE = 149


def applies(group: str, name: str) -> bool:
    return not any(part in group for part in OTHER_GROUPS) and not any(part in name for part in OTHER_TESTS)


@contextmanager
def adapter_of(store: str) -> Iterator[str]:
    """Serve streams from a store; yield the server's address."""
    command = [sys.executable, "-m", "tests.conformance.adapter", store]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def run_tests(store: str, report: Path) -> dict[tuple[str, str], str]:
    """Run all tests; return each one's outcome by its group and name."""
    with adapter_of(store) as url:
        subprocess.run(
            [VITEST, "run", "--reporter=json", f"--outputFile={report}", "--testTimeout=20000"],
            cwd=FOLDER,
            env={**os.environ, "CONFORMANCE_TEST_URL": url},
            capture_output=True,
            timeout=500,
        )
    outcomes = {}
    for file in json.loads(report.read_text())["testResults"]:
        for result in file["assertionResults"]:
            outcomes[result["ancestorTitles"][0], result["title"]] = result["status"]
    return outcomes


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(not VITEST.exists(), reason="`make conformance` installs what this needs")
@pytest.mark.parametrize("kind", ["memory", "sqlite", "valkey"])
def test_a_store_passes_the_conformance_tests_that_apply_to_runs(kind: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    if kind == "valkey":
        with ValkeyServer() as server:
            outcomes = run_tests(f"redis://127.0.0.1:{server.port}/0", report)
    else:
        outcomes = run_tests("memory:" if kind == "memory" else f"sqlite:{tmp_path / 'runs.db'}", report)
    applicable = {key: outcome for key, outcome in outcomes.items() if applies(*key)}
    assert not [key for key, outcome in applicable.items() if outcome != "passed"]
    assert len(applicable) == APPLICABLE
