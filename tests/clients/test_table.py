"""The page of clients has what the tests know of them."""

from __future__ import annotations

from tests.clients.table import make_table
from tools.common.gunicorn_server import REPOSITORY


def test_the_page_of_clients_has_the_table_of_what_the_tests_run() -> None:
    page = (REPOSITORY / "docs/reference/clients.md").read_text()
    assert make_table() in page, "`python -m tests.clients.table` prints what should be in docs/reference/clients.md"
