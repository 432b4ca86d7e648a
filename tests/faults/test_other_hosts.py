"""Row 41: requests that name another host, another mount or another scheme than the server's own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from urllib.parse import urljoin

import pytest

from tests.support.fault_server import FaultServer, start_fault_server
from tools.common.raw_client import RawClient, Reply, ResponseReader, check_error, fetch

# Every kind of route: answers, operations, the page, its files, what is not there, and what redirects.
PATHS = (
    "/",
    "/api/config",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/static/js/main.js",
    "/nothing",
    "//",
)
CHAT = b'{"message": "Hi", "interaction_mode": "stream"}'


def answer(url: str, head: str) -> Reply:
    """Send the lines of a head as they are, and return the whole reply."""
    with RawClient(url) as client:
        client.send("\r\n".join([*head.split("\n"), "Connection: close", "", ""]).encode())
        reader = ResponseReader()
        body = reader.feed(client.wait_closed())
        reader.end()
        return Reply(reader.status, reader.headers, body)


def get(url: str, host: str, path: str = "/healthz") -> Reply:
    """Make a request to a host."""
    return answer(url, f"GET {path} HTTP/1.1\nHost: {host}")


@pytest.fixture(scope="module")
def named() -> Iterator[FaultServer]:
    """A server that is reached under names of its own, from a proxy that leaves X-Forwarded-Host to clients."""
    with start_fault_server(
        warm=0, SLUICE_ALLOWED_HOSTS="chat.example.com, .example.org", SLUICE_TRUSTED_PROXIES=1
    ) as shared:
        yield shared


def test_an_unknown_host_is_refused_on_every_route_and_calls_no_model(running_server: FaultServer) -> None:
    """Row 41: the page of another site, whose name has been pointed at this machine."""
    name = f"evil.example:{running_server.server.port}"
    for path in PATHS:
        reply = get(running_server.url, name, path)
        assert (path, reply.status) == (path, 421)
        check_error(reply.json(), field_allowed=True)
        assert "SLUICE_ALLOWED_HOSTS" in reply.json()["error"]
        assert "evil" not in reply.text
    headers = {"Host": name, "Origin": f"http://{name}", "Sec-Fetch-Site": "same-origin"}
    chat = fetch(
        running_server.url,
        "/api/chat",
        method="POST",
        headers={"Content-Type": "application/json", **headers},
        body=CHAT,
    )
    assert chat.status == 421
    assert running_server.model.exchanges == []
    running_server.server.wait_for_log(
        r"refused a request for the host evil\.example, which SLUICE_ALLOWED_HOSTS does not name"
    )


OTHERS = (
    *("evil.example", "EVIL.example:8000", "evil.example.", "localhost.evil.example", "127.0.0.1.evil.example"),
    *("evil-localhost", "notlocalhost", "127.1", "0x7f000001", "xn--nxasmq6b", "chat.example.com"),
)
OURS = (
    *("localhost", "localhost:1", "LocalHost:8000", "localhost.:8000", "app.localhost", "localhost:"),
    *("127.0.0.1", "127.0.0.1.", "127.0.0.2:80", "192.0.2.7", "0.0.0.0"),
    *("[::1]:8000", "[::1]", "[2001:DB8::1]:443", "[fe80::1%25eth0]"),
)
NO_HOSTS = (
    *("", " ", "a b", "a, b", "localhost, evil.example", "user@localhost", "localhost:port", "localhost:123456"),
    *("[::1", "::1", "[localhost]", "[::1].evil.example", ".localhost", "a..b", "..", "."),
    *("http://localhost", "localhost/", "lokal\u00fc"),
)


@pytest.mark.parametrize(
    ("hosts", "status"), [(OTHERS, 421), (OURS, 200), (NO_HOSTS, 400)], ids=["others", "ours", "none"]
)
def test_only_names_of_loopback_and_addresses_are_accepted_as_host(
    running_server: FaultServer, hosts: tuple[str, ...], status: int
) -> None:
    """Row 41: a name can be pointed elsewhere. An address cannot, and load balancers ask by it."""
    assert {host: get(running_server.url, host).status for host in hosts} == dict.fromkeys(hosts, status)


def test_an_invalid_host_header_is_refused_with_what_would_be_valid(running_server: FaultServer) -> None:
    """Row 41."""
    assert (
        get(running_server.url, "a b").json()["error"]
        == "The Host header should be a name or an address, such as localhost:8000."
    )


def test_http_1_1_needs_exactly_one_host_header_and_1_0_needs_none(running_server: FaultServer) -> None:
    """Row 41: health checks of HTTP/1.0 name none, and browsers always do."""
    assert answer(running_server.url, "GET /healthz HTTP/1.1").status == 400
    assert answer(running_server.url, "GET /healthz HTTP/1.1\nHost: localhost\nHost: localhost").status == 400
    assert answer(running_server.url, "GET /healthz HTTP/1.1\nHost: localhost\nhost: evil.example").status == 400
    assert answer(running_server.url, "GET /healthz HTTP/1.0").status == 200
    assert answer(running_server.url, "GET /healthz HTTP/1.0\nHost: evil.example").status == 421


def test_the_host_of_an_absolute_target_is_checked_too(running_server: FaultServer) -> None:
    """Row 41: RFC 9112, section 3.2.2."""
    for target, host, status in [
        ("http://localhost:8000/healthz", "localhost", 200),
        ("http://evil.example/healthz", "localhost", 421),
        ("http://evil.example?x", "localhost", 421),
        ("http://localhost/healthz", "evil.example", 421),
        ("http://user@localhost/healthz", "localhost", 400),
    ]:
        reply = answer(running_server.url, f"GET {target} HTTP/1.1\nHost: {host}")
        assert (target, host, reply.status) == (target, host, status)


def test_only_the_allowed_hosts_are_accepted(named: FaultServer) -> None:
    """Row 41."""
    hosts = {
        "chat.example.com": 200,
        "Chat.Example.COM.:8443": 200,
        "example.org": 200,
        "a.b.example.org:80": 200,
        "localhost": 200,
        "192.0.2.7": 200,
        "other.example.com": 421,
        "a.chat.example.com": 421,
        "badexample.org": 421,
        "evil.example": 421,
    }
    assert {host: get(named.url, host).status for host in hosts} == hosts


def test_no_other_header_replaces_the_host_even_behind_a_trusted_proxy(named: FaultServer) -> None:
    """Row 41: a proxy that does not set it passes a client's own on."""
    for header in ("X-Forwarded-Host: ", "Forwarded: host=", "X-Host: ", "X-Forwarded-Server: ", "X-Original-Host: "):
        reply = answer(named.url, f"GET /metrics HTTP/1.1\nHost: evil.example\n{header}chat.example.com")
        assert (header, reply.status) == (header, 421)


def test_beyond_loopback_any_host_is_accepted_until_hosts_are_set() -> None:
    """Row 41: deployments that name no hosts go on as they are."""
    with start_fault_server(warm=0, HOST="0.0.0.0") as running_server:
        assert get(running_server.url, "chat.example.com").status == 200
        assert get(running_server.url, "not a host").status == 400


HEADERS_OF_PATHS = ("SCRIPT_NAME", "Script-Name", "PATH_INFO", "X-Forwarded-Prefix", "X-Script-Name")
MOUNTS = ("/inside", "/healthz", "/", "x", "/static", "//evil.example", "http://evil.example")


def test_no_header_moves_the_application_below_another_path(running_server: FaultServer) -> None:
    """Row 41: gunicorn believes SCRIPT_NAME of any client on the same machine."""
    own = {
        path: fetch(running_server.url, path)
        for path in ("/", "/healthz", "/static/js/main.js", "/openapi.json", "/nothing")
    }
    for header, mount, path in product(HEADERS_OF_PATHS, MOUNTS, own):
        reply = fetch(running_server.url, path, headers={header: mount})
        assert (header, mount, path, reply.status) == (header, mount, path, own[path].status)
        assert reply.headers.get("location") == own[path].headers.get("location")
        assert reply.status >= 400 or reply.body == own[path].body
    assert "Traceback" not in running_server.server.log


SPOOFED = (
    *("X-Forwarded-Proto: https", "X-Forwarded-Ssl: on", "X-Forwarded-Protocol: ssl", "X_Forwarded_Proto: https"),
    *("X-Forwarded-Proto: http\nX-Forwarded-Ssl: on", "X-Forwarded-For: 192.0.2.7", "X_Forwarded_For: 192.0.2.7"),
    *("REMOTE_USER: root", "REMOTE_ADDR: 192.0.2.7", "SERVER_NAME: evil.example", "wsgi.url_scheme: https"),
)


def test_no_header_changes_the_scheme_the_client_or_the_user(running_server: FaultServer) -> None:
    """Row 41."""
    for header in SPOOFED:
        reply = answer(running_server.url, f"GET /faults/environ HTTP/1.1\nHost: localhost\n{header}")
        own = {"wsgi.url_scheme": "http", "REMOTE_ADDR": "127.0.0.1", "SCRIPT_NAME": "", "SERVER_NAME": "127.0.0.1"}
        assert (header, reply.json()) == (header, own)


def test_a_redirect_is_relative_and_names_no_host(running_server: FaultServer) -> None:
    """Row 41."""
    for path, status in [
        ("/static//x", 404),
        ("/static//js/main.js", 404),
        ("/static/js//main.js", 404),
        ("/api//chat", 404),
        ("/healthz//", 404),
        ("/healthz/", 404),
        ("//evil.example", 404),
        ("//evil.example/%2e%2e", 404),
        ("/%2f%2fevil.example/", 404),
        ("/static/js/main.js", 302),
        ("/static/0123456789abcdef/js/main.js?x", 302),
        ("//static/js/main.js", 302),
    ]:
        reply = get(running_server.url, "app.localhost", path)
        location = reply.headers.get("location")
        assert (path, reply.status, location is None) == (path, status, status == 404)
        assert "app.localhost" not in reply.text
        if location is not None:
            assert location.startswith("../")
            assert (
                fetch(running_server.url, urljoin(f"http://x{path}", location).removeprefix("http://x")).status == 200
            )


def test_a_target_without_a_path_is_redirected_to_the_page_without_its_host(running_server: FaultServer) -> None:
    """Row 41."""
    reply = answer(running_server.url, "GET http://app.localhost?x=1 HTTP/1.1\nHost: localhost")
    assert (reply.status, reply.headers["location"]) == (308, "./?x=1")


def test_a_page_of_ours_may_ask_through_whatever_port_and_scheme_a_proxy_has(running_server: FaultServer) -> None:
    """Row 41: older browsers say Origin alone; behind TLS the scheme that reaches us is another one."""
    for host, origin, status in [
        ("localhost:8443", "https://localhost:8443", 200),
        ("localhost", "https://localhost", 200),
        ("localhost:443", "https://localhost", 200),
        ("LOCALHOST", "http://localhost", 200),
        ("[::1]:80", "http://[::1]", 200),
        ("localhost:8000", "http://localhost", 403),
        ("localhost", "http://localhost:8000", 403),
        ("localhost", "https://localhost:80", 403),
        ("127.0.0.1", "http://localhost", 403),
        ("localhost", "null", 403),
        ("localhost", "", 403),
        ("localhost", "http://localhost:x", 403),
        ("localhost", "localhost", 403),
    ]:
        headers = {"Host": host, "Origin": origin, "Content-Type": "application/json"}
        reply = fetch(running_server.url, "/api/chat", method="POST", headers=headers, body=CHAT)
        assert (host, origin, reply.status) == (host, origin, status)
