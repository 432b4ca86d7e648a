"""Every status that an operation of `/api/runs` gives is in the OpenAPI document, and no other one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask, abort, request
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from sluice import Sluice
from sluice.service.errors import (
    CallDecided,
    CallUnknown,
    InternalError,
    KeyReused,
    Overloaded,
    RunExpired,
    RunUnknown,
    ServiceError,
    StoreAway,
    TooManyReaders,
    TooManyRuns,
)
from sluice.service.runs.stores.base import RunRecord, RunState, StoreFull
from sluice.service.stored_runs.registry import CursorAtEnd
from sluice.web.extension_state import ExtensionState
from tests.support.polling import wait_until
from tools.common.scripted_model import ScriptedModel, reply

ID = "0" * 38
RUNNING = RunRecord(ID, "owner", RunState.RUNNING, "", 1, 10, 1, "", 1.0, 0.0, 0.0, 0.0, "")
# What `StoredRuns` is asked by each operation.
CALLS = {
    "listRuns": "list_runs",
    "getRun": "find",
    "deleteRun": "delete",
    "followRun": "subscribe",
    "stopRun": "stop",
    "decideCall": "decide",
}
# What has a body.
BODIES = {"decideCall": {"call": "call_1", "allow": True}}
FAILURES: dict[str, tuple[type[ServiceError], ...]] = {
    "listRuns": (StoreAway, InternalError),
    "getRun": (RunUnknown, RunExpired, StoreAway, InternalError),
    "deleteRun": (RunUnknown, StoreAway, InternalError),
    "followRun": (RunUnknown, RunExpired, TooManyReaders, Overloaded, StoreAway, InternalError),
    "stopRun": (RunUnknown, RunExpired, StoreAway, InternalError),
    "decideCall": (RunUnknown, RunExpired, CallUnknown, CallDecided, StoreAway, InternalError),
}


@dataclass
class Host:
    """An application with the extension, its document, and what its `authorize` does next."""

    client: FlaskClient
    state: ExtensionState
    document: dict[str, Any]
    refusal: HTTPException | int | None = None

    def operation(self, name: str) -> tuple[str, str, dict[str, Any]]:
        """Return the method, the path and the description of an operation."""
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                if operation["operationId"] == name:
                    return method.upper(), path.replace("{run_id}", ID), operation
        raise LookupError(name)

    def ask(self, name: str, *, query: str = "", **arguments: Any) -> int:
        """Call an operation, hold the reply against its description, and return its status."""
        method, path, operation = self.operation(name)
        if name in BODIES:
            arguments = {"json": BODIES[name], **arguments}
        answer = self.client.open(path + query, method=method, **arguments)
        self.holds(operation, answer)
        return answer.status_code

    def holds(self, operation: dict[str, Any], answer: TestResponse) -> None:
        """Fail unless a reply is as it is described."""
        described = operation["responses"][str(answer.status_code)]
        assert answer.status_code == 204 or answer.mimetype in described["content"]
        headers = described["headers"]
        required = {name for name, header in headers.items() if header.get("required")}
        assert required <= set(answer.headers.keys())
        mentioned = {"Sluice-Run", "Location", "Sluice-Resumable", "Retry-After", "Set-Cookie"}
        assert mentioned & set(answer.headers.keys()) <= set(headers)
        for name in mentioned & set(answer.headers.keys()) - {"Retry-After"}:
            jsonschema_rs.Draft202012Validator(headers[name]["schema"]).validate(answer.headers[name])
        if answer.is_json:
            schema = described["content"]["application/json"]["schema"]
            components = {"schemas": self.document["components"]["schemas"]}
            jsonschema_rs.Draft202012Validator({**schema, "components": components}).validate(answer.json)


@pytest.fixture
def host(model: ScriptedModel) -> Iterator[Host]:
    app = Flask("host")
    app.secret_key = "of the tests"
    app.config.update(OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="m", OPENAI_API_KEY="k", SLUICE_STORE="memory:")
    app.config.update(SLUICE_ALLOWED_HOSTS="localhost")
    sluice = Sluice(app, url_prefix="/")

    @sluice.authorize
    def name_user() -> str | None:
        if made.refusal is not None:
            abort(made.refusal)
        return request.headers.get("X-User", "ada") or None

    made = Host(app.test_client(), ExtensionState.of(app), {})
    made.document |= app.test_client().get("/openapi.json").get_json()
    yield made
    made.refusal = None
    assert made.state.close()


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def begin(host: Host, model: ScriptedModel, **headers: str) -> TestResponse:
    model.enqueue(reply("Hi"))
    body = {"message": "Hi", "background": True}
    answer = host.client.post("/api/chat", json=body, headers=headers)
    host.holds(host.operation("createChat")[2], answer)
    return answer


def refusals(host: Host, name: str) -> set[int]:
    """Have an operation refused in every way that has nothing to do with the run; return the statuses."""
    seen = {host.ask(name, headers={"Host": "a b"}), host.ask(name, headers={"Host": "elsewhere.example"})}
    seen |= {host.ask(name, headers={"X-User": ""}), host.ask(name, headers={"X-Sluice-User": "another"})}
    for status in (403, 429):
        host.refusal = status
        seen.add(host.ask(name))
    host.refusal = None
    return seen


@pytest.mark.parametrize("name", CALLS)
def test_each_status_of_an_operation_is_described_and_no_other_one(
    host: Host, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    stored = host.state.service.stored
    seen = refusals(host, name)
    for kind in FAILURES[name]:
        with monkeypatch.context() as patch:
            patch.setattr(stored, CALLS[name], failing(kind("a detail")))
            seen.add(host.ask(name))
    run_id = begin(host, model).headers["Sluice-Run"]
    method, path, operation = host.operation(name)
    path = path.replace(ID, run_id)
    wait_until(lambda: host.client.get(f"/api/runs/{run_id}").json["state"] == "completed", 5)  # type: ignore[index]
    found = host.client.open(path, method=method, json=BODIES.get(name))
    host.holds(operation, found)
    seen.add(found.status_code)
    if name == "listRuns":
        seen.add(host.ask(name, query="?state=gone"))
    if name == "stopRun":
        monkeypatch.setattr(stored, "stop", lambda *_: RUNNING)
        seen.add(host.ask(name))
    if name == "followRun":
        seen.add(host.ask(name, headers={"Last-Event-ID": "x"}))
        monkeypatch.setattr(stored, "subscribe", failing(CursorAtEnd()))
        seen.add(host.ask(name))
    if name == "decideCall":
        monkeypatch.setattr(stored, "decide", lambda *_, **__: None)
        # A body that comes too slowly (408) needs a socket.
        seen |= {host.ask(name), host.ask(name, json={}), host.ask(name, json="a" * 1000), 408}
        seen.add(host.ask(name, json=None, data="x"))
    assert {str(status) for status in seen} == set(operation["responses"])


def test_each_way_of_beginning_an_answer_that_goes_on_is_described(
    host: Host, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = begin(host, model, **{"Idempotency-Key": "one"})
    assert begun.status_code == 202
    model.enqueue(reply("Hi"))
    body = {"message": "Hi", "interaction_mode": "block", "on_disconnect": "continue"}
    assert host.ask("createChat", json=body) == 200
    assert host.ask("createChat", json=body, headers={"Idempotency-Key": "one"}) == 422
    assert host.ask("createChat", json={"message": "Hi"}, headers={"Idempotency-Key": "one"}) == 400
    for error, status in (
        (KeyReused(), 422),
        (RunExpired(), 410),
        (RunUnknown(), 404),
        (TooManyReaders(), 429),
        (TooManyRuns(), 429),
        (StoreAway(), 503),
    ):
        monkeypatch.setattr(host.state.service.stored, "begin", failing(error))
        assert host.ask("createChat", json=body) == status


def test_an_answer_that_ends_with_its_connection_because_the_store_is_full_is_described(
    host: Host, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host.state.service.stored, "begin", failing(StoreFull("the store is full")))
    model.enqueue(reply("Hi"))
    body = {"message": "Hi", "interaction_mode": "block", "on_disconnect": "continue"}
    answer = host.client.post("/api/chat", json=body)
    host.holds(host.operation("createChat")[2], answer)
    assert answer.headers["Sluice-Resumable"] == "no"
    assert host.ask("createChat", json={**body, "background": True}) == 503


@pytest.mark.parametrize("run_id", ["x", "0" * 37, "0" * 39, "A" * 38, "%20"])
def test_a_malformed_id_is_answered_as_that_of_an_unknown_run(host: Host, run_id: str) -> None:
    for name in ("getRun", "deleteRun", "followRun", "stopRun"):
        method, path, operation = host.operation(name)
        answer = host.client.open(path.replace(ID, run_id), method=method)
        host.holds(operation, answer)
        assert answer.json is not None
        assert (answer.status_code, answer.json["code"]) == (404, "run_unknown")


def test_the_header_of_a_reader_wins_over_the_address_and_both_are_checked(host: Host, model: ScriptedModel) -> None:
    run_id = begin(host, model).headers["Sluice-Run"]
    events = host.client.get(f"/api/runs/{run_id}/events?after=0", headers={"Last-Event-ID": "1"})
    assert "id: 1\n" not in events.text
    refused = host.client.get(f"/api/runs/{run_id}/events?after=x", headers={"Last-Event-ID": "1"})
    assert refused.json is not None
    assert (refused.status_code, refused.json["field"]) == (400, "after")


def test_a_browser_gets_its_cookie_as_it_is_described(host: Host, model: ScriptedModel) -> None:
    host.state.hooks.authorize = None
    begun = begin(host, model)
    assert "Set-Cookie" in begun.headers
    _, _, operation = host.operation("getConfig")
    config = host.client.application.test_client().get("/api/config")
    host.holds(operation, config)
    assert "Set-Cookie" in config.headers
