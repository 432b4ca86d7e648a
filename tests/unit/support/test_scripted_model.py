"""The scripted model itself: other tests are only as true as what it says it saw."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest

from tools.common.raw_client import CutShort, RawClient, fetch
from tools.common.scripted_model import (
    CHAT_PATH,
    Chunk,
    Close,
    Headers,
    Reset,
    ScriptedModel,
    SendOnWire,
    Step,
    Wire,
    byte_by_byte,
    document,
    finished,
    flood,
    flood_text,
    raw,
    refused,
    refusing_base_url,
    reply,
    reply_bytes,
    resetting_after,
    said,
    stalling,
    stalling_after,
    unanswering_base_url,
    usage_of,
)

QUESTION = {"model": "scripted", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
NOTICED = 0.25


def ask(model: ScriptedModel, client: RawClient, **headers: str) -> None:
    body = json.dumps(QUESTION).encode()
    client.request("POST", CHAT_PATH, {"Content-Type": "application/json", **headers}, body)


@pytest.fixture
def client(model: ScriptedModel) -> Iterator[RawClient]:
    with RawClient(model.base_url) as connected:
        yield connected


def texts_of(body: bytes) -> str:
    events = [line.removeprefix(b"data: ") for line in body.split(b"\n\n") if line]
    assert events.pop() == b"[DONE]"
    chunks = [json.loads(event) for event in events]
    return "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])


async def openai_reply(model: ScriptedModel, **options: Any) -> list[Any]:
    async with (
        openai.AsyncOpenAI(base_url=model.base_url, api_key="sk-test", max_retries=0) as sdk,
        await sdk.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "Hi"}], stream=True, **options
        ) as stream,
    ):
        return [chunk async for chunk in stream]


def test_the_openai_client_reads_a_reply(model: ScriptedModel) -> None:
    model.enqueue(
        (*said("Hel", "lo"), Chunk(reasoning="because"), *finished("stop", usage_of(9, 2))),
    )
    chunks = asyncio.run(openai_reply(model, stream_options={"include_usage": True}))
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Hello"
    assert [delta.reasoning_content for delta in deltas if hasattr(delta, "reasoning_content")] == ["because"]
    assert chunks[-1].usage.total_tokens == 11
    assert chunks[-2].choices[0].finish_reason == "stop"
    exchange = model.wait_for_request()
    assert exchange.body["stream_options"] == {"include_usage": True}
    assert exchange.headers["authorization"] == "Bearer sk-test"
    assert exchange.tokens_sent == 3
    exchange.wait_finished()


def test_the_openai_client_sees_refusals_as_its_own_errors(model: ScriptedModel) -> None:
    model.enqueue(refused(429, headers={"Retry-After": "7"}), refused(401), document("<html>", status=502))
    with pytest.raises(openai.RateLimitError) as limited:
        asyncio.run(openai_reply(model))
    assert limited.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.AuthenticationError):
        asyncio.run(openai_reply(model))
    with pytest.raises(openai.InternalServerError):
        asyncio.run(openai_reply(model))


@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset], ids=["FIN", "RST"])
@pytest.mark.parametrize(
    "script",
    [stalling(), stalling(after_headers=True), stalling_after("Hel"), reply("Hel", *"lo" * 500, delay=0.02)],
    ids=["silent", "headers only", "mid-stream", "while it speaks"],
)
def test_a_disconnect_is_noticed_at_once(
    model: ScriptedModel, client: RawClient, script: tuple[Step, ...], leave: Any
) -> None:
    model.enqueue(script)
    ask(model, client)
    exchange = model.wait_for_request()
    if script[0] == Headers():
        client.read_head()
    if Chunk("Hel") in script:
        exchange.wait_tokens(1)
    left_at = time.monotonic()
    leave(client)
    assert exchange.wait_aborted() - left_at < NOTICED
    assert exchange.ended_by == "abort"
    assert exchange.finished is None
    model.wait_no_connections()


def test_a_disconnect_behind_a_full_pipe_is_noticed_at_once() -> None:
    with ScriptedModel(flood(1_000_000), send_buffer=8192) as model:
        client = RawClient(model.base_url, receive_buffer=4096)
        ask(model, client)
        exchange = model.wait_for_request()
        exchange.wait_tokens(10)
        left_at = time.monotonic()
        client.close()
        assert exchange.wait_aborted() - left_at < NOTICED
        assert exchange.tokens_sent < 10_000


def test_a_reader_that_takes_nothing_holds_the_model_back() -> None:
    with (
        ScriptedModel(flood(100_000), send_buffer=8192) as model,
        RawClient(model.base_url, receive_buffer=4096) as client,
    ):
        ask(model, client)
        exchange = model.wait_for_request()
        exchange.wait_tokens(10)
        with pytest.raises(AssertionError, match="in vain"):
            exchange.wait_tokens(1000, timeout=0.5)


def test_a_gate_holds_the_script_until_it_is_opened(model: ScriptedModel, client: RawClient) -> None:
    gate = model.gate("second word")
    model.enqueue((*said("Hel"), gate, *said("lo"), *finished()))
    ask(model, client)
    gate.wait_reached()
    exchange = model.wait_for_request()
    assert exchange.tokens_sent == 1
    assert exchange.in_progress
    gate.open()
    exchange.wait_finished()
    assert texts_of(client.read_body()) == "Hello"


def test_each_byte_arrives_alone(model: ScriptedModel, client: RawClient) -> None:
    body = reply_bytes("Grüße, ", "世界")
    model.enqueue(byte_by_byte(body, pause=0.001))
    ask(model, client)
    assert client.read_body() == body
    # The kernel's count, because a reader that is scheduled late finds some bytes together. On a busy machine an
    # acknowledgement may be late too, and the kernel then joins the few bytes that waited for it; two bytes with each
    # write would be half as many packets, and a few for the framing.
    (packets,) = struct.unpack_from("I", client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160), 152)
    assert packets > 0.6 * len(body)


def test_a_reset_is_a_reset_and_the_bytes_before_it_arrive(model: ScriptedModel, client: RawClient) -> None:
    model.enqueue(resetting_after("Hel"))
    ask(model, client)
    parts: list[bytes] = []
    with pytest.raises(ConnectionResetError):
        parts.extend(client.body())
    assert b'"Hel"' in b"".join(parts)
    assert model.wait_for_request().ended_by == "reset"


def test_a_reset_before_the_first_byte(model: ScriptedModel, client: RawClient) -> None:
    model.enqueue((Reset(),))
    ask(model, client)
    with pytest.raises(ConnectionResetError):
        client.read_head()


def test_a_close_cuts_the_response_short(model: ScriptedModel, client: RawClient) -> None:
    model.enqueue((*said("Hel"), Close()))
    ask(model, client)
    with pytest.raises(CutShort):
        client.read_body()
    assert model.wait_for_request().ended_by == "close"


def test_a_body_may_end_with_the_connection(model: ScriptedModel, client: RawClient) -> None:
    model.enqueue(raw(b"data: ", b"[DONE]\n\n", chunked=False))
    ask(model, client)
    assert client.headers["connection"] == "close"
    assert client.read_body() == b"data: [DONE]\n\n"


def test_bytes_may_go_out_without_any_http(model: ScriptedModel, client: RawClient) -> None:
    model.enqueue((SendOnWire(b"SSH-2.0-not-http\r\n"),))
    ask(model, client)
    assert client.wait_closed() == b"SSH-2.0-not-http\r\n"


def test_a_connection_is_kept_for_the_next_request(model: ScriptedModel, client: RawClient) -> None:
    model.enqueue(reply("one"), reply("two"), reply("three"))
    for word in ("one", "two"):
        ask(model, client)
        assert texts_of(client.read_body()) == word
    assert model.connections_accepted == model.open_connections == 1
    ask(model, client, Connection="close")
    assert texts_of(client.read_body()) == "three"
    assert client.wait_closed() == b""
    model.wait_no_connections()


def test_hanging_up_after_the_end_is_no_abort(model: ScriptedModel) -> None:
    for number in range(1, 51):
        with RawClient(model.base_url) as client:
            ask(model, client)
            client.read_body()
        model.wait_for_request(number).wait_finished()
        assert model.exchanges[-1].aborted is None


def test_text_that_is_no_unicode_is_escaped(model: ScriptedModel, client: RawClient) -> None:
    model.enqueue(reply("\ud800", "\u2028\r\n\n"))
    ask(model, client)
    assert texts_of(client.read_body()) == "\ud800\u2028\r\n\n"


def test_the_scripted_model_serves_its_list_of_models_and_no_other_path(model: ScriptedModel) -> None:
    assert fetch(model.base_url, "/v1/models").json()["data"][0]["id"] == "scripted"
    assert fetch(model.base_url, "/v1/embeddings", method="POST", body=b"{}").status == 404
    assert fetch(model.base_url, CHAT_PATH, method="POST", body=b"{").status == 400
    assert model.exchanges == []


def test_a_broken_step_fails_the_test_that_wrote_it() -> None:
    class Broken:
        async def play(self, wire: Wire) -> None:
            raise LookupError("no such thing")

    model = ScriptedModel((Broken(),))
    with ExitStack() as entered:
        entered.enter_context(model)
        with RawClient(model.base_url) as client:
            ask(model, client)
            assert client.wait_closed() == b""
        assert model.exchanges[0].ended_by == "broken script"
        with pytest.raises(LookupError, match="no such thing"):
            entered.close()


def test_closing_it_ends_what_is_in_progress() -> None:
    before = threading.enumerate()
    with ExitStack() as clients:
        with ScriptedModel(stalling_after("Hel")) as model:
            for _ in range(20):
                client = clients.enter_context(RawClient(model.base_url))
                ask(model, client)
            model.wait_for_request(20)
        assert {exchange.ended_by for exchange in model.exchanges} == {"model closed"}
        assert model.open_connections == 0
    assert threading.enumerate() == before


def test_a_wait_that_times_out_reports_what_it_saw(model: ScriptedModel, client: RawClient) -> None:
    model.enqueue(stalling_after("Hel"))
    ask(model, client)
    model.wait_for_request().wait_tokens(1)
    with pytest.raises(AssertionError, match=r"in vain for .*Exchange 1 in progress, 1 tokens sent"):
        model.exchanges[0].wait_finished(timeout=0.01)
    with pytest.raises(AssertionError, match="in vain for request 2"):
        model.wait_for_request(2, timeout=0.01)
    assert "1 requests, 1 in progress, 1 connections" in repr(model)


def test_a_hundred_paced_streams_keep_their_pace_on_little_cpu(model: ScriptedModel) -> None:
    model.default = flood(50, tokens_per_second=50)
    sockets = []
    with ExitStack() as clients:
        began, cpu = time.monotonic(), time.process_time()
        for _ in range(100):
            client = clients.enter_context(RawClient(model.base_url))
            ask(model, client, Connection="close")
            sockets.append(client)
        model.wait_for_request(100)
        model.wait_idle(timeout=10)
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        assert {texts_of(client.read_body()) for client in sockets} == {flood_text(50)}
    assert took < 3, "50 tokens at 50 per second"
    assert cpu < 0.5 * took, f"{cpu:.2f} s of CPU in {took:.2f} s"


def test_a_port_that_refuses_and_a_port_that_never_answers() -> None:
    with refusing_base_url() as url, pytest.raises(ConnectionRefusedError):
        RawClient(url)
    with unanswering_base_url() as url, pytest.raises(TimeoutError):
        RawClient(url, timeout=0.3)
