"""What holds where Sluice is part of another application."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import urljoin

import pytest

from tests.integration.host_application import MOST_BYTES, MOUNTED_AT
from tests.support.running_server import PLANTED_KEY
from tools.common.gunicorn_server import GunicornServer
from tools.common.raw_client import Reply, fetch
from tools.common.scripted_model import MODEL_NAME, ScriptedModel, reply


@pytest.fixture
def host(model: ScriptedModel) -> Iterator[GunicornServer]:
    env = {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, "OPENAI_BASE_URL": model.base_url}
    with GunicornServer(
        env, app="tests.integration.host_application:app", ready_path=f"{MOUNTED_AT}/readyz", collector=False
    ) as server:
        yield server


def ask(host: GunicornServer, path: str, mode: str) -> Reply:
    body = json.dumps({"message": "Hi", "interaction_mode": mode}).encode()
    assert len(body) > MOST_BYTES
    return fetch(host.url, path, method="POST", headers={"Content-Type": "application/json"}, body=body)


def test_chats_are_answered_below_a_path_and_whatever_bodies_the_host_allows(
    host: GunicornServer, model: ScriptedModel
) -> None:
    model.enqueue(reply("Hello"), reply("Hello"))
    (server,) = fetch(host.url, f"{MOUNTED_AT}/openapi.json").json()["servers"]
    assert server == {"url": MOUNTED_AT}
    path = server["url"] + "/api/chat"
    assert b'"done": true' in ask(host, path, "stream").body
    assert ask(host, path, "block").json()["message"] == "Hello"


def test_the_page_finds_its_parts_below_a_path(host: GunicornServer) -> None:
    assert urljoin(MOUNTED_AT, fetch(host.url, MOUNTED_AT).headers["location"]) == f"{MOUNTED_AT}/"
    page = fetch(host.url, f"{MOUNTED_AT}/")
    addresses = set(re.findall(r'(?:href|src)="(?!data:)([^"#]+)"', page.text))
    assert "api/config" in addresses
    assert {fetch(host.url, urljoin(f"{MOUNTED_AT}/", address)).status for address in addresses} == {200}
