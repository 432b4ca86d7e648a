"""The page of clients has what the tests know of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients.table import make_table, make_use_chat_table
from tools.common.gunicorn_server import REPOSITORY


@pytest.mark.parametrize("make", [make_table, make_use_chat_table])
def test_the_page_of_clients_has_the_tables_of_what_the_tests_run(make: Callable[[], str]) -> None:
    page = (REPOSITORY / "docs/reference/clients.md").read_text()
    assert make() in page, "`python -m tests.clients.table` prints what should be in docs/reference/clients.md"
