"""Connections that are refused without a thread, where the refusal itself fails."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest
from gunicorn.config import Config

from sluice.web.intake.refusals import OVERLOADED
from sluice.web.intake.worker_connection import WorkerConnection
from sluice.web.server.gathering_worker import GatheringWorker


class Services:
    """Services of a worker that has no memory left."""

    def count_refused(self, code: str) -> None:
        raise MemoryError


class Worker(GatheringWorker):  # type: ignore[misc]
    """A worker with one connection, and without a listening socket."""

    def __init__(self) -> None:
        self.log: Any = logging.getLogger("test")
        self.nr_conns = 1
        self._services: Any = Services()


def test_a_refused_connection_is_closed_where_its_refusal_fails() -> None:
    client, server = socket.socketpair()
    closed: list[socket.socket] = []
    addresses = (("127.0.0.1", 1), ("127.0.0.1", 2))
    connection = WorkerConnection(
        Config(), server, *addresses, linger=closed.append, head_timeout=10, body_timeout=10
    )
    worker = Worker()
    # The worker continues after it.
    with client, server, pytest.raises(MemoryError):
        worker.request_refused(connection, OVERLOADED)
    assert (closed, worker.nr_conns) == ([server], 0)
