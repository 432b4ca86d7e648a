"""The identity of clients: limits for one client, trusted proxies, pages of other sites."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.conftest import Serve
from tests.support.running_server import RunningServer, cleared_model, start_server
from tools.common.leaks import wait_streams
from tools.common.raw_client import RawClient, fetch
from tools.common.scripted_model import ScriptedModel, reply, stalling_after

ASK = json.dumps({"message": "Hi", "interaction_mode": "stream"}).encode()
JSON = {"Content-Type": "application/json"}


def ask(url: str, **headers: str) -> RawClient:
    """Ask for a stream with further headers, and return the connection with its head read."""
    client = RawClient(url)
    client.request(
        "POST", "/api/chat", {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}, ASK
    )
    client.read_head()
    return client


@pytest.fixture(scope="module")
def behind_a_proxy_of_all() -> Iterator[RunningServer]:
    """A server behind one proxy, with two slots for each client."""
    with start_server(SLUICE_MAX_STREAMS_PER_CLIENT=2, SLUICE_TRUSTED_PROXIES=1) as shared:
        yield shared


@pytest.fixture
def behind_a_proxy(behind_a_proxy_of_all: RunningServer) -> Iterator[RunningServer]:
    """The same server, for one test, whose model begins answers and does not end them."""
    with cleared_model(behind_a_proxy_of_all) as shared:
        shared.model.default = stalling_after("Hello")
        yield shared
        wait_streams(shared.server, 0)


def test_one_client_cannot_exceed_its_streams_and_others_still_get_theirs(
    behind_a_proxy: RunningServer,
) -> None:
    url = behind_a_proxy.url
    with (
        ask(url, X_Forwarded_For="203.0.113.7") as first,
        ask(url, X_Forwarded_For="198.51.100.1, 203.0.113.7") as second,
        ask(url, X_Forwarded_For="203.0.113.7") as third,
        ask(url, X_Forwarded_For="203.0.113.8") as other,
    ):
        assert [client.status for client in (first, second, third, other)] == [200, 200, 503, 200]
        refusal = json.loads(third.read_body())
        assert refusal["code"] == "overloaded"
        assert refusal["error"] == "You have 2 answers open already. Please wait for one to end."
        assert int(third.headers["retry-after"]) >= 1
    wait_streams(behind_a_proxy.server, 0)
    with ask(url, X_Forwarded_For="203.0.113.7") as again:
        assert again.status == 200


def test_addresses_of_one_ipv6_network_are_one_client(behind_a_proxy: RunningServer) -> None:
    url = behind_a_proxy.url
    with (
        ask(url, X_Forwarded_For="2001:db8:1:2::1") as first,
        ask(url, X_Forwarded_For="2001:db8:1:2:ffff::9") as second,
        ask(url, X_Forwarded_For="2001:db8:1:2:1::") as third,
        ask(url, X_Forwarded_For="2001:db8:1:3::1") as other,
    ):
        assert [client.status for client in (first, second, third, other)] == [200, 200, 503, 200]


def test_forwarded_addresses_are_ignored_unless_a_proxy_is_trusted(serve: Serve, model: ScriptedModel) -> None:
    server = serve(SLUICE_MAX_STREAMS_PER_CLIENT=1)
    model.default = stalling_after("Hello")
    with (
        ask(server.url, X_Forwarded_For="203.0.113.7") as first,
        ask(server.url, X_Forwarded_For="203.0.113.8") as second,
    ):
        assert [client.status for client in (first, second)] == [200, 503]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
    ],
)
def test_a_page_of_another_site_is_refused_and_calls_no_model(
    running_server: RunningServer, headers: dict[str, str]
) -> None:
    before = len(running_server.model.exchanges)
    response = fetch(running_server.url, "/api/chat", method="POST", headers={**JSON, **headers}, body=ASK)
    assert response.status == 403
    assert response.json()["code"] == "invalid_request"
    assert len(running_server.model.exchanges) == before


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "own"}]
)
def test_our_own_page_and_clients_without_a_page_are_served(
    running_server: RunningServer, headers: dict[str, str]
) -> None:
    running_server.model.enqueue(reply("Hello"))
    own = {name: running_server.url if value == "own" else value for name, value in headers.items()}
    response = fetch(running_server.url, "/api/chat", method="POST", headers={**JSON, **own}, body=ASK)
    assert response.status == 200
