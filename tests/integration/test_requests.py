"""Requests that are not of the documented form: a 4xx with a sentence and the field, and no call to the model."""

from __future__ import annotations

import json
import re
from base64 import b64encode

import pytest

from tests.conftest import Serve
from tests.support.running_server import RunningServer
from tools.common.raw_client import RawClient, fetch, post_chat
from tools.common.scripted_model import ScriptedModel, reply

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "message"),
        (None, None),
        ([], None),
        ("x", None),
        (5, None),
        ({"message": ""}, "message"),
        ({"message": " \n\t"}, "message"),
        ({"message": 5}, "message"),
        ({"message": None}, "message"),
        ({"message": "a", "temperature": 1}, "temperature"),
        ({"message": "a", "interaction_mode": "both"}, "interaction_mode"),
        ({"message": "a", "source": "elsewhere"}, "source"),
        ({"message": "a", "model": "not-allowed"}, "model"),
        ({"message": "a", "conversation_history": {}}, "conversation_history"),
        ({"message": "a", "conversation_history": [5]}, "conversation_history[0]"),
        (
            {"message": "a", "conversation_history": [{"role": "system", "content": "b"}]},
            "conversation_history[0].role",
        ),
        (
            {
                "message": "a",
                "conversation_history": [{"role": "user", "content": "b"}, {"role": "developer", "content": "c"}],
            },
            "conversation_history[1].role",
        ),
        (
            {"message": "a", "conversation_history": [{"role": "tool", "content": "b"}]},
            "conversation_history[0].role",
        ),
        ({"message": "a", "conversation_history": [{"role": "user"}]}, "conversation_history[0].content"),
        (
            {"message": "a", "conversation_history": [{"role": "user", "content": "b", "name": "c"}]},
            "conversation_history[0].name",
        ),
        (
            {"message": "a", "conversation_history": [{"role": "user", "content": " "}]},
            "conversation_history[0].content",
        ),
    ],
)
def test_a_wrong_body_is_answered_with_400_and_the_fields_name(
    running_server: RunningServer, body: object, field: str | None
) -> None:
    response = fetch(running_server.url, "/api/chat", method="POST", headers=JSON, body=json.dumps(body).encode())
    fields = response.json()
    assert response.status == 400
    assert fields["success"] is False
    assert fields["code"] == "invalid_request"
    assert fields.get("field") == field
    assert fields["error"].endswith(".")


def test_the_refusal_of_an_unknown_field_names_those_that_there_are(running_server: RunningServer) -> None:
    body = json.dumps({"mesage": "a"}).encode()
    refused = fetch(running_server.url, "/api/chat", method="POST", headers=JSON, body=body).json()
    assert refused["error"].startswith("`mesage` is none of the fields, which are `message`, `images`, ")
    assert refused["field"] == "mesage"


def test_the_refusal_of_a_system_message_names_the_setting_that_allows_it(running_server: RunningServer) -> None:
    for role in ("system", "developer"):
        response = post_chat(running_server.url, message="a", conversation_history=[{"role": role, "content": "b"}])
        assert response.json()["error"] == (
            f"`conversation_history[0].role` is `{role}`, but instructions to the model are the operator's "
            "(OPENAI_SYSTEM_PROMPT); it should be `user` or `assistant`. The operator can allow it by "
            "SLUICE_ALLOW_SYSTEM_MESSAGES=on."
        )


def test_system_messages_go_to_the_model_behind_the_operators_where_the_operator_allows_them(
    serve: Serve, model: ScriptedModel
) -> None:
    server = serve(SLUICE_ALLOW_SYSTEM_MESSAGES="on", OPENAI_SYSTEM_PROMPT="Be brief.")
    model.enqueue(reply("Hello"))
    history = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Are you there?"},
        {"role": "developer", "content": "Be quick."},
    ]
    assert post_chat(server.url, message="Hi", conversation_history=history).status == 200
    assert model.exchanges[-1].body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Are you there?"},
        {"role": "system", "content": "Be quick."},
        {"role": "user", "content": "Hi"},
    ]
    history = [{"role": "system", "content": " "}]
    assert post_chat(server.url, message="Hi", conversation_history=history).json()["field"].endswith("[0].content")
    history = [{"role": "tool", "content": "b"}]
    assert post_chat(server.url, message="Hi", conversation_history=history).json()["error"] == (
        "`conversation_history[0].role` should be `user` or `assistant` or `system` or `developer`."
    )


def test_a_system_prompt_and_a_temperature_are_refused_where_the_operator_does_not_allow_them(
    running_server: RunningServer,
) -> None:
    for field, value in (("system_prompt", "Be kind."), ("temperature", 0.5)):
        response = post_chat(running_server.url, message="a", **{field: value})
        assert response.status == 400
        assert response.json()["field"] == field
        assert response.json()["error"] == (
            f"`{field}` is the operator's choice here, and should be left out. The operator can allow it by "
            f"SLUICE_ALLOW_{field.upper()}=on."
        )


def test_a_system_prompt_and_a_temperature_reach_the_model_where_the_operator_allows_them(
    serve: Serve, model: ScriptedModel
) -> None:
    server = serve(
        SLUICE_ALLOW_SYSTEM_PROMPT="on", SLUICE_ALLOW_TEMPERATURE="on", OPENAI_SYSTEM_PROMPT="Be brief.",
        SLUICE_MAX_MESSAGE_CHARS=20,
    )  # fmt: skip
    for temperature in (0, 0.7, 2):
        model.enqueue(reply("Hello"))
        assert post_chat(server.url, message="Hi", system_prompt="Be kind.", temperature=temperature).status == 200
        assert model.exchanges[-1].body["temperature"] == temperature
        assert model.exchanges[-1].body["messages"] == [
            {"role": "system", "content": "Be brief.\n\nBe kind."},
            {"role": "user", "content": "Hi"},
        ]
    model.enqueue(reply("Hello"))
    assert post_chat(server.url, message="Hi", system_prompt=None, temperature=None).status == 200
    assert "temperature" not in model.exchanges[-1].body
    assert model.exchanges[-1].body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert fetch(server.url, "/api/config").json()["allow_system_prompt"] is True
    assert fetch(server.url, "/api/config").json()["allow_temperature"] is True
    for wrong, sentence in (
        ({"temperature": 2.1}, "`temperature` should be a number from 0 to 2."),
        ({"temperature": -0.1}, "`temperature` should be a number from 0 to 2."),
        ({"temperature": "warm"}, "Expected `number | null`, got `string` in `temperature`."),
        ({"temperature": True}, "Expected `number | null`, got `boolean` in `temperature`."),
        ({"system_prompt": " "}, "`system_prompt` should not be blank."),
        ({"system_prompt": "a" * 21}, "`system_prompt` should have at most 20 characters."),
    ):
        response = post_chat(server.url, message="Hi", **wrong)
        assert response.json()["error"] == sentence
        assert response.json()["field"] == next(iter(wrong))


@pytest.mark.parametrize("mode", ["stream", "block"])
def test_reasoning_at_the_beginning_of_an_earlier_answer_does_not_go_back_to_the_model(
    running_server: RunningServer, mode: str
) -> None:
    running_server.model.enqueue(reply("Hello"))
    history = [
        {"role": "user", "content": "<think>mine</think>"},
        {"role": "assistant", "content": "<think>\nHmm\n</think>\n\nFirst"},
        {"role": "assistant", "content": "Hmm\n</think>\n\nSecond"},
        {"role": "assistant", "content": "<think>Hmm"},
    ]
    assert (
        post_chat(running_server.url, message="Hi", conversation_history=history, interaction_mode=mode).status == 200
    )
    assert running_server.model.exchanges[-1].body["messages"] == [
        {"role": "user", "content": "<think>mine</think>"},
        {"role": "assistant", "content": "First"},
        {"role": "assistant", "content": "Second"},
        {"role": "user", "content": "Hi"},
    ]


@pytest.mark.parametrize("mode", ["stream", "block"])
@pytest.mark.parametrize("nothing", ["", " \n\t", "\u3000"])
def test_an_empty_assistant_message_in_the_history_is_dropped(
    running_server: RunningServer, nothing: str, mode: str
) -> None:
    running_server.model.enqueue(reply("Hello"))
    history = [
        {"role": "assistant", "content": nothing},
        {"role": "user", "content": "Are you there?"},
        {"role": "assistant", "content": nothing},
    ]
    fields = {"message": "Hi", "conversation_history": history, "interaction_mode": mode}
    assert (
        fetch(running_server.url, "/api/chat", method="POST", headers=JSON, body=json.dumps(fields).encode()).status
        == 200
    )
    # The two questions, which are in a row now, as they are.
    assert running_server.model.exchanges[-1].body["messages"] == [
        {"role": "user", "content": "Are you there?"},
        {"role": "user", "content": "Hi"},
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"message": "\xff"}',
        b'{"message": NaN}',
        b"[" * 100_000,
        b'{"message":' * 50_000,
        b'{"message": "a"} trailing',
    ],
)
def test_a_body_that_is_not_json_gets_400(running_server: RunningServer, body: bytes) -> None:
    response = fetch(running_server.url, "/api/chat", method="POST", headers=JSON, body=body)
    assert response.status == 400
    assert response.json()["code"] == "invalid_request"


def test_a_body_over_the_limit_is_answered_with_413(running_server: RunningServer) -> None:
    assert post_chat(running_server.url, message="a" * 2**20).status == 413


def test_a_body_over_the_limit_without_a_length_is_answered_with_413(running_server: RunningServer) -> None:
    with RawClient(running_server.url) as client:
        client.send(
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        # One byte over: of what is left unread, gunicorn takes 64 KiB before it resets the connection.
        client.send(chunk * 16 + b"1\r\n \r\n0\r\n\r\n")
        assert client.status == 413


@pytest.mark.parametrize(("kind", "status"), [("application/json", 400), ("text/plain", 415)])
@pytest.mark.parametrize(
    "body", [b"zz\r\n{}", b"2\r\n{}no end", b"2;\r;=\r\n{}\r\n0\r\n\r\n", b"2\n", b"zz\n", b"2\r\n{}X"]
)
def test_a_body_whose_chunks_break_is_refused_once_and_its_connection_closed(
    running_server: RunningServer, kind: str, status: int, body: bytes
) -> None:
    with RawClient(running_server.url) as client:
        client.send(
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
        )
        replied = client.wait_closed()
    assert replied.startswith(b"HTTP/1.1 %d " % status)
    assert replied.count(b"HTTP/1.1") == 1
    assert b'"invalid_request"' in replied
    assert "Traceback" not in running_server.server.log


def test_a_message_over_the_limit_is_answered_with_413_and_the_field(running_server: RunningServer) -> None:
    response = post_chat(running_server.url, message="字" * 100_001)
    assert response.status == 413
    assert response.json()["field"] == "message"


def test_a_history_over_the_limit_is_answered_with_413_and_the_field(running_server: RunningServer) -> None:
    response = post_chat(
        running_server.url, message="a", conversation_history=[{"role": "user", "content": "b"}] * 201
    )
    assert response.status == 413
    assert response.json()["field"] == "conversation_history"


def test_an_unknown_path_is_answered_in_json(running_server: RunningServer) -> None:
    response = fetch(running_server.url, "/api/nothing")
    assert response.status == 404
    assert response.json()["code"] == "invalid_request"


def test_every_reply_has_its_own_request_id(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("Hi"))
    replies = [
        fetch(running_server.url, "/"),
        fetch(running_server.url, "/healthz"),
        fetch(running_server.url, "/api/nothing"),
        fetch(running_server.url, "/static/nothing"),
        post_chat(running_server.url, message=" "),
        post_chat(running_server.url, message="Hi"),
    ]
    ids = [response.headers["x-request-id"] for response in replies]
    assert len(set(ids)) == len(ids)


def test_the_id_that_a_request_brings_is_kept_in_reply_error_and_log(running_server: RunningServer) -> None:
    headers = {"X-Request-Id": "edge:7f3a/1.b_c=@+-Z"}
    assert fetch(running_server.url, "/healthz", headers=headers).headers["x-request-id"] == headers["X-Request-Id"]
    body = b'{"message": " "}'
    refused = fetch(
        running_server.url,
        "/api/chat",
        method="POST",
        body=body,
        headers={**headers, "Content-Type": "application/json"},
    )
    assert refused.headers["x-request-id"] == refused.json()["request_id"] == headers["X-Request-Id"]
    running_server.model.enqueue(reply("Hi"))
    answered = fetch(
        running_server.url,
        "/api/chat",
        method="POST",
        body=b'{"message": "Hi", "interaction_mode": "block"}',
        headers={"X-Request-Id": "kept-in-the-log", "Content-Type": "application/json"},
    )
    assert answered.status == 200
    running_server.server.wait_for_log(r"\[kept-in-the-log\] run=kept-in-the-log ")
    # The connection's next request has one of its own again.
    assert fetch(running_server.url, "/healthz").headers["x-request-id"] != "kept-in-the-log"


@pytest.mark.parametrize(
    "brought", ["", "-", "two words", 'quo"te', "[x]", "a,b", "é", "x" * 129, "<b>", "-leads", "tab\tbed", "%0a"]
)
def test_a_request_id_with_unsafe_characters_is_replaced(running_server: RunningServer, brought: str) -> None:
    given = fetch(running_server.url, "/healthz", headers={"X-Request-Id": brought}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", given)


def image(first: bytes, label: str = "png", size: int = 64) -> str:
    """Return a data URL of an image with these first bytes."""
    return f"data:image/{label};base64,{b64encode(first.ljust(size, b'.')).decode()}"


IMAGES = {
    "png": b"\x89PNG\r\n\x1a\n\0",
    "jpeg": b"\xff\xd8\xff\xe0",
    "gif": b"GIF89a",
    "webp": b"RIFF\x1a\x00\x00\x07WEBPVP8 ",
}


def test_images_reach_the_model_as_parts_of_their_message_with_their_true_types(
    serve: Serve, model: ScriptedModel
) -> None:
    server = serve(SLUICE_ALLOW_IMAGES="on", SLUICE_MAX_IMAGE_BODY_BYTES=3_000_000, SLUICE_MAX_BODY_BYTES=1000_000)
    told = fetch(server.url, "/api/config").json()
    assert (told["images"], told["max_body_bytes"]) == (True, 3_000_000)
    for mode in ("block", "stream"):
        model.enqueue(reply("Hello"))
        history = [
            {"role": "user", "content": "And these?", "images": [image(IMAGES["gif"], "gif", 1_400_000)]},
            {"role": "assistant", "content": "No."},
        ]
        # a label may lie
        images = [image(first, "svg+xml") for first in IMAGES.values()]
        asked = {"message": "What is it?", "images": images, "conversation_history": history}
        assert post_chat(server.url, **asked, interaction_mode=mode).status == 200
        parts = [{"type": "image_url", "image_url": {"url": image(first, kind)}} for kind, first in IMAGES.items()]
        sent = model.exchanges[-1].body["messages"]
        assert [message["role"] for message in sent] == ["user", "assistant", "user"]
        assert sent[0]["content"][0] == {"type": "text", "text": "And these?"}
        assert sent[0]["content"][1]["image_url"]["url"] == history[0]["images"][0]
        assert sent[1]["content"] == "No."
        assert sent[2]["content"] == [{"type": "text", "text": "What is it?"}, *parts]
    good = image(IMAGES["png"])
    by_assistant = {"conversation_history": [{"role": "assistant", "content": "a", "images": [good]}]}
    kinds = "should be a PNG, JPEG, WebP or GIF image, by its first bytes."
    for wrong, status, field, sentence in (
        ({"images": [good] * 5}, 413, "images", "`images` should have at most 4 images."),
        ({"images": [good, image(b"<svg>")]}, 400, "images[1]", f"`images[1]` {kinds}"),
        ({"images": [image(b"RIFF\x1a\x00\x00\x07WAVE")]}, 400, "images[0]", f"`images[0]` {kinds}"),
        ({"images": ["https://example.org/a.png"]}, 400, "images[0]", "should be a data URL such as"),
        ({"images": ["data:text/html;base64," + good[22:]]}, 400, "images[0]", "should be a data URL such as"),
        ({"images": [good + "\n"]}, 400, "images[0]", "should be in base64"),
        ({"images": [good + "===="]}, 400, "images[0]", "should be in base64"),
        ({"images": [good[:-2]]}, 400, "images[0]", "should be in base64"),
        ({"images": [image(IMAGES["png"], size=2_100_001)]}, 413, "images[0]", "at most 2100000 bytes"),
        ({"images": "x"}, 400, "images", "Expected `array`, got `string`"),
        ({"images": [7]}, 400, "images[0]", "Expected `string`, got `integer`"),
        (by_assistant, 400, "conversation_history[0].images", "only messages of the user"),
        ({"images": [image(IMAGES["png"], size=2_100_000)] * 2}, 413, None, "should be at most 3000000 bytes."),
    ):
        response = post_chat(server.url, message="What is it?", **wrong)
        assert (response.status, response.json().get("field")) == (status, field)
        assert sentence in response.json()["error"]


def test_images_are_refused_where_the_operator_does_not_allow_them(running_server: RunningServer) -> None:
    images = [image(IMAGES["png"])]
    history = [{"role": "user", "content": "a", "images": images}]
    for field, body in (
        ("images", {"images": images}),
        ("conversation_history[0].images", {"conversation_history": history}),
    ):
        response = post_chat(running_server.url, message="a", **body)
        assert (response.status, response.json()["field"]) == (400, field)
        assert "SLUICE_ALLOW_IMAGES=on" in response.json()["error"]
