"""A streamed answer, from the model's bytes to the client's."""

from __future__ import annotations

import json

import pytest

from tests.support.running_server import PLANTED_KEY, RunningServer
from tools.common.raw_client import fetch, post_chat, stream_chat
from tools.common.scripted_model import Chunk, Headers, finished, reply, said

USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


def test_frames_are_exactly_those_of_the_wire(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("Hel", "lo", delay=0.05, usage=USAGE))
    with stream_chat(running_server.url) as client:
        body = client.read_body().decode()
    assert body == (
        ": ok\n\n"
        'id: 1\ndata: {"success": true, "message": "Hel", "interaction_mode": "stream"}\n\n'
        'id: 2\ndata: {"success": true, "message": "lo", "interaction_mode": "stream"}\n\n'
        'id: 3\ndata: {"success": true, "message": "", "interaction_mode": "stream", "done": true, '
        '"finish_reason": "stop", "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}\n\n'
    )


def test_headers_are_those_of_the_wire(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("Hi"))
    with stream_chat(running_server.url) as client:
        headers = client.headers
        client.read_stream()
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert len(headers["x-request-id"]) == 32


def test_headers_and_a_comment_arrive_before_the_first_token(running_server: RunningServer) -> None:
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), gate, *said("late"), *finished()))
    with stream_chat(running_server.url) as client:
        frame = client.next_frame()
        assert frame is not None
        assert frame.comment == "ok"
        gate.open()
        assert client.read_stream()[0] == "late"


def test_each_token_arrives_before_the_next_is_sent(running_server: RunningServer) -> None:
    gates = [running_server.model.gate() for _ in range(3)]
    tokens = ("one", " two", " three")
    running_server.model.enqueue(
        (
            Headers(),
            *(step for gate, token in zip(gates, tokens, strict=True) for step in (gate, Chunk(token))),
            *finished(),
        )
    )
    with stream_chat(running_server.url) as client:
        for gate, token in zip(gates, tokens, strict=True):
            gate.open()
            assert client.next_event().message == token
        assert client.next_event().is_done


def test_heartbeats_fill_the_silence(running_server: RunningServer) -> None:
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), gate, *said("late"), *finished()))
    with stream_chat(running_server.url) as client:
        comments = []
        while len(comments) < 3:
            frame = client.next_frame()
            assert frame is not None
            comments.append(frame.comment)
        assert comments == ["ok", "", ""]
        gate.open()
        assert client.read_stream()[0] == "late"


def test_a_model_that_sends_its_headers_late_is_waited_for_with_heartbeats(running_server: RunningServer) -> None:
    gate = running_server.model.gate()
    running_server.model.enqueue((gate, Headers(), *said("late"), *finished()))
    with stream_chat(running_server.url) as client:
        frames = [client.next_frame(), client.next_frame()]
        assert [frame.comment for frame in frames if frame is not None] == ["ok", ""]
        gate.open()
        assert client.read_stream()[0] == "late"


def test_reasoning_is_sent_with_an_empty_message(running_server: RunningServer) -> None:
    running_server.model.enqueue((Headers(), Chunk(reasoning="Let me think."), *said("Yes."), *finished()))
    with stream_chat(running_server.url) as client:
        events = [frame for frame in client.frames() if frame.comment is None]
    assert "".join(event.reasoning for event in events) == "Let me think."
    assert "".join(event.message for event in events) == "Yes."


def test_thoughts_of_several_times_are_paragraphs_in_block_mode(running_server: RunningServer) -> None:
    thoughts = ("First ", "this.", "Then that.", " In turns", " with words.")
    first, on, then, turns, words = (Chunk(reasoning=thought) for thought in thoughts)
    written = (*said("One."), then, *said("Two"), turns, *said("."), words, *said(" Three."))
    running_server.model.enqueue((Headers(), first, on, *written, *finished()))
    whole = post_chat(running_server.url, message="Hi", interaction_mode="block").json()
    assert whole["reasoning"] == "First this.\n\nThen that.\n\n In turns with words."
    assert whole["message"] == "One.Two. Three."


def test_the_block_mode_gives_the_same_text_in_one_json(running_server: RunningServer) -> None:
    tokens = ("混合 ", "text ", "🙂", "\n\nevent: done", "\u2028", "</script>", "\x00")
    running_server.model.enqueue(reply(*tokens, usage=USAGE), reply(*tokens, usage=USAGE))
    with stream_chat(running_server.url) as client:
        streamed, terminal = client.read_stream()
    block = post_chat(running_server.url, message="Hi", interaction_mode="block")
    assert block.status == 200
    assert block.json() == {
        "success": True,
        "message": streamed,
        "interaction_mode": "block",
        "finish_reason": "stop",
        "usage": USAGE,
    }
    assert streamed == "".join(tokens)
    assert terminal.payload["usage"] == USAGE


def test_chinese_is_sent_as_it_is_in_a_block_reply_and_in_an_error(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("你好", "，世界"))
    block = post_chat(running_server.url, message="Hi", interaction_mode="block")
    assert '"message":"你好，世界"' in block.text
    assert "`温度`" in post_chat(running_server.url, message="Hi", **{"温度": 1}).text


def test_block_is_the_mode_of_a_request_that_names_none(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("Hi"))
    assert post_chat(running_server.url, message="Hi").json()["interaction_mode"] == "block"


@pytest.mark.parametrize(
    ("accept", "mode"),
    [
        ("text/event-stream", "stream"),
        ("TEXT/Event-Stream", "stream"),
        ("text/event-stream;charset=utf-8", "stream"),
        ("application/json, text/event-stream", "stream"),
        ("text/event-stream, */*;q=0.1", "stream"),
        ("text/event-stream;q=0.5, application/json;q=0.4", "stream"),
        ("text/event-stream;q=0.5, application/json", "block"),
        ("text/event-stream;q=0.1, */*", "block"),
        ("text/event-stream;q=0", "block"),
        ("text/event-stream; Q=0.000, */*", "block"),
        ("text/event-stream;q=nan", "block"),
        ("text/*", "block"),
        ("*/*", "block"),
        ("", "block"),
    ],
)
def test_accept_chooses_the_mode_where_the_body_names_none(
    running_server: RunningServer, accept: str, mode: str
) -> None:
    kinds = {"stream": "text/event-stream; charset=utf-8", "block": "application/json"}
    running_server.model.enqueue(reply("Hi"), reply("Hi"))
    headers = {"Content-Type": "application/json", "Accept": accept}
    for named, expected in ((None, mode), ("block", "block")):
        body = json.dumps({"message": "Hi", "interaction_mode": named}).encode()
        answer = fetch(running_server.url, "/api/chat", method="POST", headers=headers, body=body)
        assert (answer.status, answer.headers["content-type"]) == (200, kinds[expected])


def test_the_model_gets_the_conversation_and_only_the_key_of_the_settings(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("Hi"))
    before = len(running_server.model.exchanges)
    history = [{"role": "user", "content": "一"}, {"role": "assistant", "content": "二"}]
    post_chat(
        running_server.url, message="三", conversation_history=history, model="other-model", interaction_mode="block"
    )
    exchange = running_server.model.exchanges[before]
    assert exchange.body["messages"] == [*history, {"role": "user", "content": "三"}]
    assert exchange.body["model"] == "other-model"
    assert exchange.body["stream"] is True
    assert exchange.body["stream_options"] == {"include_usage": True}
    assert exchange.headers["authorization"] == f"Bearer {PLANTED_KEY}"


def test_usage_that_the_provider_did_not_send_is_marked_as_an_estimate(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("Hel", "lo"))
    with stream_chat(running_server.url, message="four") as client:
        usage = client.read_stream()[1].payload["usage"]
    assert usage == {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "estimated": True}
