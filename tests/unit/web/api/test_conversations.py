"""The routes under `/api/conversations`, for the application's own store."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from sluice import Sluice

ADDRESS = "/assistant/api/conversations"


class Kept:
    """A store in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[dict[str, Any], str]] = {}

    def list_conversations(self, user: str) -> list[tuple[str, str]]:
        return [(id_, version) for (owner, id_), (_, version) in self.kept.items() if owner == user]

    def load_conversation(self, user: str, conversation_id: str) -> tuple[dict[str, Any], str] | None:
        return self.kept.get((user, conversation_id))

    def save_conversation(
        self, user: str, conversation_id: str, conversation: dict[str, Any], version: str | None
    ) -> str | None:
        _, present = self.kept.get((user, conversation_id), ({}, None))
        if present != version:
            return None
        new = str(int(version or 0) + 1)
        self.kept[user, conversation_id] = (conversation, new)
        return new

    def delete_conversation(self, user: str, conversation_id: str) -> None:
        self.kept.pop((user, conversation_id), None)


def make_client(*, keeps: bool = True, names_users: bool = True) -> FlaskClient:
    app = Flask("host")
    app.config.update(SECRET_KEY="secret", SLUICE_MAX_BODY_BYTES=2000, SLUICE_MAX_MESSAGE_CHARS=1000)
    sluice = Sluice(app)
    if names_users:
        sluice.authorize(lambda: request.headers.get("X-User"))
    if keeps:
        sluice.conversations(Kept)
    return app.test_client()


def put(client: FlaskClient, id_: str, version: Any, user: str = "ada", **document: Any) -> tuple[int, Any]:
    body = {"version": version, "conversation": {"id": id_, **document}}
    reply = client.put(f"{ADDRESS}/{id_}", json=body, headers={"X-User": user})
    return reply.status_code, reply.json


def test_a_conversation_is_stored_read_and_deleted_for_one_user() -> None:
    client = make_client()
    assert put(client, "c1", None, title="One") == (200, {"version": "1"})
    own, other = {"X-User": "ada"}, {"X-User": "lin"}
    assert client.get(ADDRESS, headers=own).json == {"conversations": [{"id": "c1", "version": "1"}]}
    assert client.get(ADDRESS, headers=other).json == {"conversations": []}
    loaded = client.get(f"{ADDRESS}/c1", headers=own)
    assert loaded.json == {"conversation": {"id": "c1", "title": "One"}, "version": "1"}
    assert loaded.headers["Cache-Control"] == "no-store"
    assert client.get(f"{ADDRESS}/c1", headers=other).status_code == 404
    assert client.delete(f"{ADDRESS}/c1", headers=other).status_code == 204
    assert client.get(f"{ADDRESS}/c1", headers=own).status_code == 200
    assert client.delete(f"{ADDRESS}/c1", headers=own).status_code == 204
    assert client.get(ADDRESS, headers=own).json == {"conversations": []}


def test_a_version_that_is_not_the_present_one_is_refused_and_nothing_is_stored() -> None:
    client = make_client()
    put(client, "c1", None, title="One")
    for version in (None, "0", "7"):
        status, reply = put(client, "c1", version, title="Two")
        assert (status, reply["code"], reply["field"]) == (412, "invalid_request", "version")
    assert put(client, "c1", "1", title="Two") == (200, {"version": "2"})


@pytest.mark.parametrize(
    ("id_", "body", "status"),
    [
        ("c1", {"version": None, "conversation": {"id": "c2"}}, 400),
        ("c1", {"version": 1, "conversation": {"id": "c1"}}, 400),
        ("c1", {"conversation": {"id": "c1"}}, 400),
        ("c1", {"version": None, "conversation": []}, 400),
        ("c1", {"version": None, "conversation": {"id": "c1", "text": "x" * 2000}}, 413),
        ("a.b", {"version": None, "conversation": {"id": "a.b"}}, 404),
        ("c" * 65, {"version": None, "conversation": {"id": "c" * 65}}, 404),
    ],
)
def test_another_body_is_refused_with_a_sentence(id_: str, body: Any, status: int) -> None:
    client = make_client()
    reply = client.put(f"{ADDRESS}/{id_}", json=body, headers={"X-User": "ada"})
    assert reply.status_code == status
    assert reply.json is not None
    assert reply.json["error"].endswith(".")
    assert client.get(ADDRESS, headers={"X-User": "ada"}).json == {"conversations": []}


def test_other_sites_and_visitors_are_refused() -> None:
    client = make_client()
    foreign = {"X-User": "ada", "Sec-Fetch-Site": "cross-site"}
    assert client.delete(f"{ADDRESS}/c1", headers=foreign).status_code == 403
    assert client.put(f"{ADDRESS}/c1", json={}, headers=foreign).status_code == 403
    assert client.get(ADDRESS).status_code == 401


@pytest.mark.parametrize("options", [{"keeps": False}, {"names_users": False}])
def test_without_a_store_or_users_there_are_no_conversations_and_the_page_does_not_ask(options: Any) -> None:
    client = make_client(**options)
    assert client.get(ADDRESS, headers={"X-User": "ada"}).status_code == 404
    assert "data-is-synced" not in client.get("/assistant/", headers={"X-User": "ada"}).text


def test_with_a_store_and_users_the_page_asks() -> None:
    assert "data-is-synced" in make_client().get("/assistant/", headers={"X-User": "ada"}).text
