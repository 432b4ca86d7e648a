"""The page and its files over the wire: kept for ever under the name of their version, compressed, in parts."""

from __future__ import annotations

import gzip
import http.client
import re
from urllib.parse import urljoin, urlsplit

import brotli
import pytest

from tests.support.running_server import RunningServer
from tools.common.raw_client import RawClient, fetch
from tools.common.scripted_model import reply

FOR_EVER = "max-age=31536000, immutable"


@pytest.fixture
def script(running_server: RunningServer) -> str:
    """The path of the page's first module, as the page has it."""
    page = fetch(running_server.url, "/").text
    found = re.search(r'<script type="module" src="(static/\w+/bundle/main\.js)">', page)
    assert found
    return f"/{found[1]}"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "br"),
        ("br;q=0.1, gzip", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("zstd", None),
        ("", None),
    ],
)
def test_a_file_comes_in_the_smallest_form_that_the_browser_reads(
    running_server: RunningServer, script: str, accepted: str, coding: str | None
) -> None:
    plain = fetch(running_server.url, script)
    answer = fetch(running_server.url, script, headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == coding
    decode = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[coding]
    assert decode(answer.body) == plain.body
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == FOR_EVER
    assert answer.headers["content-type"] == "text/javascript"
    assert int(answer.headers["content-length"]) == len(answer.body)


def test_each_encoding_of_the_page_has_its_own_etag_and_a_matching_etag_gets_304(
    running_server: RunningServer,
) -> None:
    forms = {
        coding: fetch(running_server.url, "/", headers={"Accept-Encoding": coding}) for coding in ("br", "gzip", "x")
    }
    tags = {coding: form.headers["etag"] for coding, form in forms.items()}
    assert len(set(tags.values())) == 3
    for coding, tag in tags.items():
        again = fetch(running_server.url, "/", headers={"Accept-Encoding": coding, "If-None-Match": tag})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["cache-control"] == "no-cache"
    other = fetch(running_server.url, "/", headers={"Accept-Encoding": "br", "If-None-Match": tags["gzip"]})
    assert other.status == 200


def test_a_file_that_never_changes_has_no_etag(running_server: RunningServer, script: str) -> None:
    answer = fetch(running_server.url, script, headers={"If-None-Match": "*"})
    assert (answer.status, answer.headers["cache-control"], answer.headers.get("etag")) == (200, FOR_EVER, None)


def test_a_part_is_a_part_of_the_file_itself(running_server: RunningServer, script: str) -> None:
    whole = fetch(running_server.url, script).body
    part = fetch(running_server.url, script, headers={"Accept-Encoding": "br", "Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    assert "content-encoding" not in part.headers
    beyond = fetch(running_server.url, script, headers={"Range": f"bytes={len(whole)}-"})
    assert beyond.status == 416


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("bytes=0-0", 206),
        ("bytes=5-", 206),
        ("bytes=-5", 206),
        ("bytes=-999999999", 200),
        ("Bytes=0-99999999999999999999", 206),
        ("bytes=999999999-", 416),
        ("bytes=999999999-9999999999", 416),
        ("bytes=0-1,3-4", 200),
        ("bytes=0-1,999999999-", 200),
        ("bytes=3-1", 200),
        ("bytes=-0", 200),
        ("bytes=a-b", 200),
        ("bytes=" + "9" * 4000 + "-", 416),
        ("bytes=" + "9" * 4400 + "-", 200),
        ("bytes=", 200),
        ("bytes", 200),
        ("lines=1-2", 200),
        ("", 200),
    ],
)
def test_a_range_that_is_not_one_range_of_bytes_is_ignored(
    running_server: RunningServer, script: str, asked: str, status: int
) -> None:
    whole = fetch(running_server.url, script).body
    part = fetch(running_server.url, script, headers={"Accept-Encoding": "br", "Range": asked})
    assert part.status == status
    if status == 206:
        matched = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", part.headers["content-range"])
        assert matched
        first, last, length = map(int, matched.groups())
        assert (part.body, length) == (whole[first : last + 1], len(whole))
    elif status == 200:
        assert brotli.decompress(part.body) == whole
        assert "content-range" not in part.headers
    else:
        assert part.headers["content-range"] == f"bytes */{len(whole)}"
        assert part.json()["code"] == "invalid_request"


def test_the_range_of_a_head_request_is_ignored(running_server: RunningServer, script: str) -> None:
    with RawClient(running_server.url) as client:
        client.request("HEAD", script, {"Range": "bytes=0-1", "Connection": "close"})
        assert client.status == 200
        assert int(client.headers["content-length"]) > 2


def test_head_has_the_headers_of_get(running_server: RunningServer, script: str) -> None:
    got = fetch(running_server.url, script, headers={"Accept-Encoding": "br"})
    connection = http.client.HTTPConnection(urlsplit(running_server.url).netloc, timeout=5)
    try:
        connection.request("HEAD", script, headers={"Accept-Encoding": "br", "Connection": "close"})
        head = connection.getresponse()
        assert (head.status, head.read()) == (200, b"")
        for name in ("content-length", "content-encoding", "content-type", "cache-control", "vary"):
            assert head.headers[name] == got.headers[name]
    finally:
        connection.close()


@pytest.mark.parametrize("before", ["/static/0123456789abcdef/bundle/main.js", "/static/bundle/main.js"])
def test_another_version_is_redirected_to_this_one_and_never_kept_under_its_own_name(
    running_server: RunningServer, script: str, before: str
) -> None:
    answer = fetch(running_server.url, before)
    assert (answer.status, urljoin(before, answer.headers["location"])) == (302, script)
    assert answer.headers["cache-control"] == "no-store"


def test_a_page_of_another_version_gets_no_code_of_this_one_later(running_server: RunningServer, script: str) -> None:
    name = "bundle/shared/interaction.js"
    assert fetch(running_server.url, script.replace("bundle/main.js", name)).status == 200
    answer = fetch(running_server.url, f"/static/0123456789abcdef/{name}")
    assert (answer.status, answer.headers["cache-control"]) == (404, "no-store")


def test_a_file_that_is_not_there_is_not_kept_as_missing(running_server: RunningServer, script: str) -> None:
    version = script.split("/")[2]
    for path in ("js/nothing.js", "vendor.mjs", "../../service/settings.py", "%2e%2e/templates/sluice/page.html"):
        answer = fetch(running_server.url, f"/static/{version}/{path}")
        assert (path, answer.status) == (path, 404)
        assert answer.headers["cache-control"] == "no-store"


def test_every_file_that_the_page_names_is_there_and_of_one_version(running_server: RunningServer) -> None:
    named = re.findall(r'(?:src|href)="(static/(\w+)/[^"]+)"', fetch(running_server.url, "/").text)
    assert len(named) > 7
    assert len({version for _, version in named}) == 1
    for path, _ in named:
        answer = fetch(running_server.url, f"/{path}")
        assert (path, answer.status, answer.headers["cache-control"]) == (path, 200, FOR_EVER)


def test_the_page_itself_is_asked_for_each_time_and_sent_when_it_has_changed(running_server: RunningServer) -> None:
    page = fetch(running_server.url, "/", headers={"Accept-Encoding": "br"})
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["content-encoding"] == "br"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert b"<!doctype html>" in brotli.decompress(page.body)
    again = fetch(running_server.url, "/", headers={"Accept-Encoding": "br", "If-None-Match": page.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_answers_and_the_configuration_are_never_compressed(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("x" * 5000), reply("x" * 5000))
    accepting = {"Accept-Encoding": "gzip, br", "Content-Type": "application/json"}
    for mode in ("stream", "block"):
        body = b'{"message": "Hi", "interaction_mode": "%s"}' % mode.encode()
        answer = fetch(running_server.url, "/api/chat", method="POST", headers=accepting, body=body)
        assert answer.status == 200
        assert "content-encoding" not in answer.headers
    for path in ("/api/config", "/metrics", "/openapi.json"):
        assert "content-encoding" not in fetch(running_server.url, path, headers=accepting).headers
