"""How requests reach a model's server and its bytes come back: proxies, certificates, connections kept or dropped."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import pytest

from sluice.service import Settings
from sluice.service.errors import UpstreamError, UpstreamInvalid, UpstreamTruncated, UpstreamUnavailable
from sluice.service.events.events import Event, Finished, Text
from sluice.service.message import Message
from sluice.service.provider.client import ProviderClient
from sluice.service.provider.transport import Transport
from sluice.service.runs.log import CAPACITY, RunLog
from sluice.service.settings.providers import Provider
from sluice.service.settings.proxies import Proxies
from sluice.service.settings.records.limits import LimitSettings
from sluice.service.settings.records.provider import ProviderSettings
from tests.support.run_logs import CollectingReader, collect
from tests.support.scenario import run
from tools.common.scripted_model import (
    DONE,
    Chunk,
    Close,
    End,
    Headers,
    Reset,
    ScriptedModel,
    Send,
    SendOnWire,
    Stall,
    Step,
    reply,
    said,
)

WITHIN = 5.0
# Under no circumstances anybody's: RFC 6761, section 6.4.
NOBODY = "model.invalid"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@asynccontextmanager
async def client_of(url: str, **limits: Any) -> AsyncIterator[ProviderClient]:
    settings = Settings(
        provider=ProviderSettings(base_url=url, model="m"),
        limits=LimitSettings(**{"connect_timeout": WITHIN, **limits}),
        proxies=Proxies.read(os.environ),
    )
    client = ProviderClient(settings, Provider("p", url, "our-key"))
    try:
        yield client
    finally:
        await client.aclose()


async def ask(client: ProviderClient) -> list[Event]:
    """Ask and return the whole answer."""
    deadline = asyncio.get_running_loop().time() + WITHIN
    return await collect(partial(client.stream, [Message(role="user", content="Hi")], "m", deadline))


async def failure_of(client: ProviderClient) -> UpstreamError:
    try:
        answer = await ask(client)
    except UpstreamError as error:
        return error
    raise AssertionError(f"an answer: {answer}")


class Peer:
    """A server that remembers the heads of the requests it got, and says the same bytes to each."""

    def __init__(self, says: bytes) -> None:
        self.heads: list[str] = []
        self.port = 0
        self._says = says
        self._context: ssl.SSLContext | None = None

    @asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head)
            if "content-length: " in head.lower():
                await reader.readexactly(int(head.lower().partition("content-length: ")[2].partition("\r")[0]))
            writer.write(self._says)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # a client that does not trust us
        finally:
            writer.close()


ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nSet-Cookie: who=me\r\nConnection: close\r\n\r\n"
    b'data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
REFUSED = b"HTTP/1.1 403 Not you\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


# ------------------------------------------------------------------ proxies


def test_a_request_goes_through_the_proxy_with_the_proxys_password(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with Peer(ANSWER).running() as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@127.0.0.1:{proxy.port}")
            async with client_of(f"http://{NOBODY}/v1") as client:
                assert Text("Hello") in await ask(client)
        assert proxy.heads[0].startswith(f"POST http://{NOBODY}/v1/chat/completions HTTP/1.1\r\n")
        assert "\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in proxy.heads[0]

    run(scenario)


def test_with_tls_the_proxy_is_asked_to_connect_and_sees_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with Peer(REFUSED).running() as proxy:
            monkeypatch.setenv("ALL_PROXY", f"http://user:secret@127.0.0.1:{proxy.port}")
            async with client_of(f"https://{NOBODY}/v1") as client:
                failure = await failure_of(client)
        assert proxy.heads[0].startswith(f"CONNECT {NOBODY}:443 HTTP/1.1\r\n")
        assert "our-key" not in proxy.heads[0]
        assert isinstance(failure, UpstreamUnavailable)
        assert failure.detail == "ProxyError: the proxy answered 403 Not you"

    run(scenario)


def test_a_proxy_that_cannot_be_reached_is_named_in_the_detail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://user:secret@127.0.0.1:1")

    async def scenario() -> None:
        async with client_of(f"https://{NOBODY}/v1") as client:
            failure = await failure_of(client)
        assert isinstance(failure, UpstreamUnavailable)
        assert "127.0.0.1:1" in failure.detail
        assert "secret" not in failure.detail

    run(scenario)


def test_a_proxy_that_does_not_speak_http_is_refused_and_not_bypassed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with Peer(b"").running() as proxy:
            monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
            async with client_of(f"http://{NOBODY}/v1") as client:
                failure = await failure_of(client)
        assert isinstance(failure, UpstreamUnavailable)
        assert "'socks5'" in failure.detail
        assert proxy.heads == []

    run(scenario)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@127.0.0.1:port",
        "http://user:secret@127.0.0.1:99999",
        "http://user:secret@[::1",
        "http://user:secret@",
        "http:///secret",
        "http:secret",
        "http://user:secret@model..example:1",
        "http://us%3Aer:secret@127.0.0.1:1",
        "http://user:\u79d8secret@127.0.0.1:1",
        "http://",
    ],
)
def test_a_proxy_with_an_invalid_url_is_refused_without_its_password_and_not_bypassed(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", url)

    async def scenario() -> None:
        async with client_of(f"http://{NOBODY}/v1") as client:
            failure = await failure_of(client)
        assert isinstance(failure, UpstreamUnavailable)
        assert (
            failure.detail
            == "ProxyError: the proxy's URL is not valid; it should be like http://user:password@host:3128"
        )

    run(scenario)


def test_passwords_that_other_programs_keep_for_the_host_are_not_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    async def scenario() -> None:
        async with Peer(ANSWER).running() as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
            async with client_of(f"http://{NOBODY}/v1") as client:
                assert Text("Hello") in await ask(client)
        assert "\r\nauthorization: bearer our-key\r\n" in proxy.heads[0].lower()
        assert "proxy-authorization" not in proxy.heads[0].lower()

    run(scenario)


# ------------------------------------------------------------------ certificates and addresses


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed, and its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    made = subprocess.run(
        [*command, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "-"], check=True, capture_output=True
    )
    path.write_bytes(made.stdout)
    return path


@pytest.mark.parametrize("trusted", [True, False])
def test_a_private_certificate_is_trusted_only_where_ssl_cert_file_names_it(
    monkeypatch: pytest.MonkeyPatch, certificate: Path, trusted: bool
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    else:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def scenario() -> None:
        async with Peer(ANSWER).running(context) as peer, client_of(f"https://127.0.0.1:{peer.port}/v1") as client:
            if trusted:
                assert Text("Hello") in await ask(client)
            else:
                failure = await failure_of(client)
                assert isinstance(failure, UpstreamUnavailable)
                assert "certificate" in failure.detail.lower()
                assert peer.heads == []

    run(scenario)


@pytest.mark.parametrize(
    ("url", "proxy", "reads"),
    [
        ("http://127.0.0.1:1/v1", None, 0),
        ("http://127.0.0.1:1/v1", "http://127.0.0.1:2", 0),
        ("https://127.0.0.1:1/v1", None, 1),
        ("http://127.0.0.1:1/v1", "HTTPS://127.0.0.1:2", 1),
    ],
)
def test_certificates_are_read_only_where_something_is_encrypted(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None, reads: int
) -> None:
    read: list[ssl.SSLContext] = []
    create = httpx2.create_ssl_context

    def note() -> ssl.SSLContext:
        read.append(create())
        return read[-1]

    monkeypatch.setattr(httpx2, "create_ssl_context", note)

    async def scenario() -> None:
        await Transport(url, connections=1, keepalive=1.0, connect_timeout=1.0, proxy=proxy).aclose()

    run(scenario)
    assert len(read) == reads


def test_no_cookie_is_sent_with_the_next_request() -> None:
    async def scenario() -> None:
        async with Peer(ANSWER).running() as peer, client_of(f"http://127.0.0.1:{peer.port}/v1") as client:
            await ask(client)
            await ask(client)
        assert len(peer.heads) == 2
        assert "cookie" not in "".join(peer.heads).lower()

    run(scenario)


def test_the_whole_path_of_the_base_url_is_kept() -> None:
    async def scenario() -> None:
        async with (
            Peer(ANSWER).running() as peer,
            client_of(f"http://127.0.0.1:{peer.port}/a%20b/deploy%2Fment/v1") as client,
        ):
            await ask(client)
        assert peer.heads[0].startswith("POST /a%20b/deploy%2Fment/v1/chat/completions HTTP/1.1\r\n")

    run(scenario)


# ------------------------------------------------------------------ connections


def test_the_connection_of_an_answer_that_was_read_to_its_end_is_reused() -> None:
    with ScriptedModel() as model:
        gates = [model.gate(f"before the end of body {number}") for number in range(3)]
        for gate in gates:
            model.enqueue((*said("Hello"), Chunk(finish_reason="stop"), DONE, gate, End()))

        async def scenario() -> None:
            async with client_of(model.base_url) as client:
                for gate in gates:
                    asking = asyncio.create_task(ask(client))
                    await asyncio.to_thread(gate.wait_reached)
                    gate.open()
                    assert isinstance((await asking)[-1], Finished)

        run(scenario)
        assert model.connections_accepted == 1


@pytest.mark.parametrize("end", ["cut off", "no end of the body"])
def test_the_connection_of_an_answer_that_was_not_read_to_its_end_is_closed(end: str) -> None:
    with ScriptedModel() as model:
        gate = model.gate("never opened")
        whole = (*said("Hello"), Chunk(finish_reason="stop"), DONE, gate, End())
        model.enqueue(whole if end == "no end of the body" else (*said("Hello"), gate), reply("again"))

        async def scenario() -> None:
            async with client_of(model.base_url) as client:
                asking = asyncio.create_task(ask(client))
                exchange = await asyncio.to_thread(model.wait_for_request)
                if end == "cut off":
                    await asyncio.to_thread(gate.wait_reached)
                    asking.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await asking
                else:
                    assert isinstance((await asking)[-1], Finished)
                await asyncio.to_thread(exchange.wait_aborted)
                assert Text("again") in await ask(client)

        run(scenario)
        assert model.connections_accepted == 2


# ------------------------------------------------------------------ what had come before a connection broke


@pytest.mark.parametrize("how", [Close(), Reset()])
@pytest.mark.parametrize(
    ("rest", "ends"),
    [
        ((Chunk("lo"),), UpstreamTruncated),
        ((Chunk("lo"), Chunk(finish_reason="stop")), None),
        ((Chunk("lo"), Chunk(finish_reason="stop"), DONE), None),
        ((Chunk("lo"), Send(b'data: {"choices": [{\n\n')), UpstreamInvalid),
    ],
)
def test_bytes_that_came_while_the_reader_was_busy_are_not_lost_with_the_connection(
    monkeypatch: pytest.MonkeyPatch, how: Step, rest: tuple[Chunk | Send, ...], ends: type[UpstreamError] | None
) -> None:
    opened: list[aiohttp.ClientResponse] = []

    async def remembering(*request: Any) -> aiohttp.ClientResponse:
        opened.append(await post(*request))
        return opened[-1]

    post = Transport.post
    monkeypatch.setattr(Transport, "post", remembering)
    with ScriptedModel() as model:
        busy, read = model.gate("until the reader is busy"), model.gate("until all of it was read")
        model.enqueue((Headers(), *said("Hel"), busy, *rest, read, how))

        async def scenario() -> None:
            deadline = asyncio.get_running_loop().time() + WITHIN
            async with client_of(model.base_url) as client:
                log = RunLog()
                reading = asyncio.ensure_future(
                    client.stream([Message(role="user", content="Hi")], "m", deadline, log)
                )
                while not log.last_number:
                    await asyncio.sleep(0)
                # The log is full from here on: nobody waits for the next read.
                log.append([Text("")] * CAPACITY)
                sent = sum(len(step.encode() if isinstance(step, Chunk) else step.data) for step in rest)
                expected = opened[0].content.total_bytes + sent
                busy.open()
                while opened[0].content.total_bytes < expected:
                    await asyncio.sleep(0)
                read.open()
                while opened[0].content.exception() is None:
                    await asyncio.sleep(0)
                error: UpstreamError | None = None
                reader = CollectingReader(log)
                try:
                    await reading
                except UpstreamError as raised:
                    error = raised
                texts = [event.text for event in reader.events if isinstance(event, Text)]
                ended = [event for event in reader.events if isinstance(event, Finished)]
            assert "".join(texts) == "Hello"
            assert type(error) is (ends or type(None))
            assert len(ended) == (1 if ends is None else 0)

        run(scenario)


def test_the_last_tokens_are_not_lost_where_the_loop_was_blocked_beyond_their_deadline() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        stood_still, time = 0.0, loop.time
        loop.time = lambda: time() + stood_still  # type: ignore[method-assign]
        with ScriptedModel() as model:
            more = model.gate()
            model.enqueue((Headers(), *said("first "), more, Chunk("last", finish_reason="stop"), DONE, End()))
            async with client_of(model.base_url, next_token_timeout=1.0) as client:
                log = RunLog()
                reader = CollectingReader(log)
                reading = asyncio.ensure_future(
                    client.stream([Message(role="user", content="Hi")], "m", loop.time() + WITHIN, log)
                )
                assert await reader.next() == Text("first ")
                await asyncio.sleep(0)
                # As a process that is stopped, or a machine that sleeps: all of it is there when it goes on.
                more.open()
                model.wait_for_request().wait_finished()
                stood_still = 2.0
                await reading
                assert reader.events == [Text("first "), Text("last"), Finished("stop", None)]

    run(scenario)


@pytest.mark.parametrize("body", [Chunk("Hello").encode(), b""])
@pytest.mark.parametrize("framing", [b"zz\r\n", b"-5\r\nHello", b"f" * 40 + b"\r\n", b"3\r\nHello\r\n"])
def test_an_answer_whose_framing_breaks_ends_at_once(framing: bytes, body: bytes) -> None:
    with ScriptedModel() as model:
        begun = model.gate("until the reader has begun")
        rest = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        model.enqueue((Headers(), *said("Oh! "), begun, SendOnWire(rest + framing), Stall()))

        async def scenario() -> None:
            texts: list[str] = []

            async def read(client: ProviderClient) -> None:
                # Farther off than what this test waits: the limit is not to be what ends it.
                deadline = asyncio.get_running_loop().time() + 10 * WITHIN
                log = RunLog()
                reader = CollectingReader(log, lambda events: begun.open())
                try:
                    await client.stream([Message(role="user", content="Hi")], "m", deadline, log)
                finally:
                    texts.extend(event.text for event in reader.events if isinstance(event, Text))

            async with client_of(model.base_url) as client, asyncio.timeout(WITHIN):
                with pytest.raises(UpstreamTruncated):
                    await read(client)
            assert "".join(texts) == ("Oh! Hello" if body else "Oh! ")

        run(scenario)


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closed", "reset"])
def test_a_request_over_a_kept_connection_that_was_closed_is_sent_again_at_once(end: Step) -> None:
    with ScriptedModel() as model:
        model.enqueue(reply("first"), (end,), reply("second"))

        async def scenario() -> None:
            async with client_of(model.base_url) as client:
                for text in ("first", "second"):
                    assert Text(text) in await ask(client)

        run(scenario)
        assert (len(model.exchanges), model.connections_accepted) == (3, 2)


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closed", "reset"])
def test_a_request_over_a_new_connection_that_was_closed_is_not_sent_again(end: Step) -> None:
    with ScriptedModel() as model:
        model.enqueue((end,))

        async def scenario() -> None:
            async with client_of(model.base_url) as client:
                assert isinstance(await failure_of(client), UpstreamUnavailable)

        run(scenario)
        assert len(model.exchanges) == 1


def test_a_request_is_not_sent_again_where_a_part_of_the_head_came_over_a_kept_connection() -> None:
    with ScriptedModel() as model:
        model.enqueue(reply("first"), (SendOnWire(b"HTTP/1.1 200 OK\r\nContent-"), Close()))

        async def scenario() -> None:
            async with client_of(model.base_url) as client:
                assert Text("first") in await ask(client)
                assert isinstance(await failure_of(client), UpstreamError)

        run(scenario)
        assert len(model.exchanges) == 2
