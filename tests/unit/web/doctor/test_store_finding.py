"""What `doctor` says of the store: whether it is there, and whether all workers share it."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.service import ChatService
from sluice.service.errors import StoreAway
from sluice.service.settings.records.storage import StorageSettings
from sluice.service.settings.settings import Settings
from sluice.service.stored_runs.stored_runs import StoredRuns
from sluice.web import create_app
from sluice.web.doctor.server_facts import check_store


@pytest.mark.parametrize(
    ("store", "answers", "workers", "verdict", "seen"),
    [
        ("off", False, 2, "NOTE", "none; answers end with their connection"),
        ("memory", True, 1, "NOTE", "memory: of one process; a restart forgets the answers"),
        ("memory", True, 4, "CHANGE", "memory: of each of 4 workers; a client that comes back to another one does"),
        ("sqlite", True, 4, "OK", "sqlite: answers, and is shared by the workers of this host"),
        ("rediss", True, 4, "OK", "rediss: answers, and is shared by all hosts that name it"),
        ("valkey+cluster", False, 1, "CHANGE", "valkey+cluster: does not answer"),
        ("sqlite", False, 1, "CHANGE", "sqlite: does not answer"),
    ],
)
def test_each_store_has_its_finding(store: str, answers: bool, workers: int, verdict: str, seen: str) -> None:
    finding = check_store({"store": store, "store_answers": answers, "workers": workers})
    assert finding.verdict.value == verdict
    assert finding.seen.startswith(seen)
    assert bool(finding.advice) is (verdict != "OK")


@pytest.mark.parametrize(
    ("url", "kind", "answers"),
    [
        ("memory:", "memory", True),
        ("off", "off", False),
        # Nobody listens there.
        ("redis://user:a-password@127.0.0.1:9/0", "redis", False),
    ],
)
def test_a_server_tells_the_kind_of_its_store_and_whether_it_answers_and_no_address(
    url: str, kind: str, answers: bool
) -> None:
    service = ChatService(Settings(storage=StorageSettings(store=url)))
    told = create_app(service=service).test_client().get("/api/doctor")
    assert service.close()
    assert told.json is not None
    assert (told.json["store"], told.json["store_answers"]) == (kind, answers)
    assert "password" not in told.text


def test_a_store_that_is_away_is_not_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    service = ChatService(Settings(storage=StorageSettings(store="memory:")))
    service.start()
    assert service.stored.is_reachable()

    def fail(self: StoredRuns, coroutine: Any, *_: Any) -> Any:
        coroutine.close()
        raise StoreAway("away")

    monkeypatch.setattr(StoredRuns, "_call", fail)
    assert not service.stored.is_reachable()
    assert service.close()
