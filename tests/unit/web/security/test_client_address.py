"""What stands for one client: its address or its network, whatever form a proxy or a socket gives it."""

from __future__ import annotations

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from sluice.service.settings.records.server import ServerSettings
from sluice.service.settings.settings import Settings
from sluice.web.security.client_address import identify_client


def identity(peer: str, forwarded: str | None = None, *, proxies: int = 0, prefix: int = 64) -> str:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    environ = EnvironBuilder(headers=headers, environ_base={"REMOTE_ADDR": peer}).get_environ()
    server = ServerSettings(trusted_proxies=proxies, client_ipv6_prefix=prefix)
    return identify_client(Request(environ), Settings(server=server))


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        # of a socket that takes both families
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::FFFF:C000:207", "192.0.2.7"),
        # of a translator before an IPv6-only server
        ("64:ff9b::192.0.2.7", "192.0.2.7"),
        ("2002:c000:207:1::9", "192.0.2.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        # a unix socket
        ("", ""),
    ],
)
def test_a_peer_is_an_ipv4_address_or_an_ipv6_network(address: str, client: str) -> None:
    assert identity(address) == client


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:5678", "192.0.2.7"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("[2001:db8::1]:443", "2001:db8::/64"),
        ("[fe80::1%25eth0]:443", "fe80::/64"),
        ("[::ffff:192.0.2.7]:443", "192.0.2.7"),
        ("198.51.100.1,  192.0.2.7  ", "192.0.2.7"),
        ("unknown, 192.0.2.7", "192.0.2.7"),
        # as a list with quotes, these would be one value, and no address
        ('"x, 192.0.2.7', "192.0.2.7"),
        ('"198.51.100.1, 192.0.2.7', "192.0.2.7"),
    ],
)
def test_a_trusted_proxy_may_write_the_address_in_any_usual_form(forwarded: str, client: str) -> None:
    assert identity("127.0.0.1", forwarded, proxies=1) == client


@pytest.mark.parametrize(
    "forwarded",
    [
        None,
        "",
        ",",
        "unknown",
        "_hidden",
        "192.0.2",
        "192.0.2.7:",
        "[2001:db8::1",
        "[]:443",
        "[::1]x",
        "::1]",
        "1" * 8000,
    ],
)
def test_what_is_no_address_leaves_the_proxys_own(forwarded: str | None) -> None:
    assert identity("127.0.0.9", f"203.0.113.1, {forwarded}" if forwarded else forwarded, proxies=1) == "127.0.0.9"


def test_with_two_proxies_the_outer_ones_entry_counts_and_never_the_clients() -> None:
    assert identity("127.0.0.1", "203.0.113.1, 192.0.2.7, 10.0.0.1", proxies=2) == "192.0.2.7"
    # One has been passed by.
    assert identity("127.0.0.1", "192.0.2.7", proxies=2) == "127.0.0.1"


def test_without_a_trusted_proxy_nothing_forwarded_counts() -> None:
    assert identity("127.0.0.1", "192.0.2.7") == "127.0.0.1"


@pytest.mark.parametrize(
    ("prefix", "client"), [(32, "2001:db8::/32"), (48, "2001:db8:ffff::/48"), (128, "2001:db8:ffff::1/128")]
)
def test_the_length_of_one_clients_network_is_the_operators_choice(prefix: int, client: str) -> None:
    assert identity("2001:db8:ffff::1", prefix=prefix) == client
