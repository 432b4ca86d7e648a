"""Addresses to listen on: the sentences about unavailable ones, and the text in the log."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sluice.web.master.listen_address import AddressUnavailable, format_address, refuse_unavailable


@pytest.fixture
def neighbours() -> Iterator[int]:
    """The lower one of two ports side by side, on which somebody listens."""
    for _ in range(50):
        with ExitStack() as stack:
            lower = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port: int = lower.getsockname()[1]
            try:
                stack.enter_context(socket.create_server(("127.0.0.1", port + 1)))
            except (OSError, OverflowError):
                continue
            yield port
            return
    raise AssertionError("no two ports side by side are free")


def test_a_port_in_use_is_reported_with_one_that_is_free_and_how_to_choose_it(neighbours: int) -> None:
    with pytest.raises(AddressUnavailable) as caught:
        refuse_unavailable(("127.0.0.1", neighbours))
    said = re.fullmatch(
        rf"HOST is '127\.0\.0\.1' and PORT is {neighbours}, but something listens there already, perhaps another "
        r"Sluice; end it, "
        r"or choose a free port: PORT=(\d+) before the command, as in `PORT=(\d+) make run`, or in \.env\.",
        str(caught.value),
    )
    assert said
    assert said[1] == said[2]
    assert int(said[1]) not in (neighbours, neighbours + 1)
    refuse_unavailable(("127.0.0.1", int(said[1])))


@pytest.mark.parametrize(
    ("name", "is_tls", "text"),
    [
        (("127.0.0.1", 8000), False, "http://127.0.0.1:8000"),
        (("127.0.0.1", 8443), True, "https://127.0.0.1:8443"),
        (("::1", 8443, 0, 0), True, "https://[::1]:8443"),
        ("/run/sluice.sock", True, "unix:/run/sluice.sock"),
    ],
)
def test_the_text_of_an_address_has_the_scheme_that_its_socket_expects(name: Any, is_tls: bool, text: str) -> None:
    assert format_address(name, is_tls=is_tls) == text
