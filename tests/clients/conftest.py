"""One server for all clients of a process, and a process for each client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.client_process import ClientProcess
from tests.clients.clients import CLIENTS, Client
from tests.support.running_server import RunningServer, cleared_model, start_server

#: Seconds. Until then a refusal of the provider has a status, also on a busy machine.
HEARTBEAT = 0.5


@pytest.fixture(scope="session")
def server_of_session() -> Iterator[RunningServer]:
    """A server that sends heartbeats, and asks its provider once."""
    limits = {"SLUICE_HEARTBEAT_INTERVAL": HEARTBEAT, "SLUICE_MAX_MESSAGE_CHARS": 20_000, "OPENAI_MAX_RETRIES": 0}
    with start_server(**limits) as server:
        yield server


@pytest.fixture
def server(server_of_session: RunningServer) -> Iterator[RunningServer]:
    """The same server, for one test."""
    with cleared_model(server_of_session):
        yield server_of_session


def param_of(client: Client) -> object:
    """Return a client as a parameter of tests; `make test` leaves out those that only `make clients` installs."""
    absent = pytest.mark.skipif(not client.is_installed, reason="`make clients` installs what this needs")
    return pytest.param(client, id=client.name, marks=[] if client.is_small else [pytest.mark.long, absent])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test for each client, or for each of those that its `of_clients` chooses."""
    if "client" in metafunc.fixturenames:
        applies = getattr(metafunc.function, "applies", lambda client: True)
        chosen = [param_of(client) for client in CLIENTS if applies(client)]
        metafunc.parametrize("client", chosen, scope="module")


@pytest.fixture(scope="module")
def process(
    client: Client, server_of_session: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClientProcess]:
    """The client's driver, running."""
    home = tmp_path_factory.mktemp("client")
    with ClientProcess(client.command(), f"{server_of_session.url}/v1", home, client.env) as running:
        yield running
