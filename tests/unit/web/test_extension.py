"""`Sluice(app)` in somebody's Flask application: its hooks, its settings, and streams of the application's own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, abort, current_app, g, redirect, request

from sluice import Chat, Refused, RunEnd, Sluice
from sluice.service.message import Message
from sluice.service.settings.settings import SettingsError
from sluice.web.extension_state import ExtensionState
from tests.support.extension_app import MakeApp, ask
from tools.common.model_scripts import finished, said, stalling_after
from tools.common.scripted_model import Headers, ScriptedModel, calling, reply

WITHIN = 5.0


def test_the_chat_is_below_its_prefix_and_the_application_keeps_its_own_routes(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, _ = make_app()
    app.add_url_rule("/", view_func=lambda: "the host's own")
    model.enqueue(reply("Hello"))
    client = app.test_client()
    answer = ask(app).json
    assert answer is not None
    assert answer["message"] == "Hello"
    assert client.get("/").text == "the host's own"
    moved = client.get("/assistant?x=1")
    assert (moved.status_code, moved.headers["Location"]) == (308, "./assistant/?x=1")
    assert "<title>Sluice</title>" in client.get("/assistant/").text
    assert client.get("/api/chat").status_code == 404
    assert client.get("/assistant/metrics").status_code == 404
    assert client.get("/assistant/nothing").mimetype == "text/html"


@pytest.mark.parametrize(
    ("answer", "page", "api"),
    [
        (lambda: None, 401, "sign_in_required"),
        (lambda: "", 401, "sign_in_required"),
        (lambda: redirect("/login"), 302, "sign_in_required"),
        (lambda: abort(401), 401, "sign_in_required"),
        (lambda: abort(403), 403, "forbidden"),
        (lambda: True, 500, "internal"),
    ],
)
def test_a_user_whom_the_application_refuses_gets_its_own_page_and_json_from_the_api(
    make_app: MakeApp, model: ScriptedModel, answer: Callable[[], Any], page: int, api: str
) -> None:
    app, sluice = make_app()
    app.register_error_handler(401, lambda _: ("the host's own 401", 401))
    sluice.authorize(answer)
    shown = app.test_client().get("/assistant/")
    assert shown.status_code == page
    if page == 302:
        assert shown.headers["Location"] == "/login"
    if page == 401:
        assert shown.text == "the host's own 401"
    refused = ask(app)
    assert refused.json is not None
    assert refused.json["code"] == api
    assert refused.status_code == {"sign_in_required": 401, "forbidden": 403, "internal": 500}[api]
    assert model.exchanges == []


def test_hooks_complete_the_chat_and_get_its_end(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app()
    ends: list[tuple[RunEnd, str, str]] = []

    @sluice.authorize
    def who() -> int:
        return int(request.headers["X-User"])

    @sluice.prepare
    def prepare(chat: Chat) -> Chat:
        context = {"path": request.path, "user": chat.user}
        return chat.replace(model="larger", system="Be brief.", extra={"temperature": 0.2}, context=context)

    @sluice.before_model
    async def retrieve(chat: Chat) -> Chat:
        await asyncio.sleep(0)
        assert threading.current_thread() is not threading.main_thread()
        return chat.replace(system=f"{chat.system} Documents: none.")

    @sluice.on_end
    def store(end: RunEnd) -> None:
        g.stored = True
        ends.append((end, current_app.name, threading.current_thread().name))

    model.enqueue(reply("Hello"), reply("Again"))
    assert ask(app, **{"X-User": "7"}).status_code == 200
    assert b'"done": true' in ask(app, mode="stream", **{"X-User": "7"}).data
    (exchange, _) = model.exchanges
    assert exchange.body["model"] == "larger"
    assert exchange.body["temperature"] == 0.2
    assert exchange.body["messages"][0] == {"role": "system", "content": "Be brief. Documents: none."}
    assert [end.text for end, *_ in ends] == ["Hello", "Again"]
    for end, name, _ in ends:
        assert (end.outcome, end.finish_reason, end.code, name) == ("done", "stop", "", "host")
        assert end.context == {"path": "/assistant/api/chat", "user": "7"}
        assert end.chat.model == "larger"
        assert end.run_id
        assert end.usage.completion_tokens > 0


def test_calls_of_tools_are_in_the_whole_reply_in_frames_and_at_the_end(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app()
    ends: list[RunEnd] = []
    sluice.on_end(ends.append)

    @sluice.prepare
    def prepare(chat: Chat) -> Chat:
        return chat.replace(extra={"tools": [{"type": "function", "function": {"name": "search"}}]})

    script = calling(("call_1", "search", '{"q": "x"}'), ("call_2", "search", ""), text=["Let me ", "see."])
    model.enqueue(script, script)
    whole = ask(app).json
    assert whole is not None
    assert (whole["message"], whole["finish_reason"]) == ("Let me see.", "tool_calls")
    first = {"id": "call_1", "name": "search", "arguments": '{"q": "x"}'}
    assert whole["tool_calls"] == [first, {"id": "call_2", "name": "search", "arguments": "{}"}]
    events = [json.loads(line[6:]) for line in ask(app, mode="stream").text.splitlines() if line[:6] == "data: "]
    assert [event["tool_call"] for event in events if "tool_call" in event] == whole["tool_calls"]
    for end in ends:
        uses = [(use.call.call_id, use.call.name, use.call.arguments, use.result) for use in end.tool_calls]
        assert uses == [("call_1", "search", '{"q": "x"}', None), ("call_2", "search", "{}", None)]
    assert len(ends) == 2


def test_the_end_of_a_failed_and_of_a_broken_off_answer_has_what_there_is(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app()
    ends: list[RunEnd] = []
    sluice.on_end(ends.append)
    model.enqueue([*said("Half")], [*said("Half"), model.gate()])
    assert b"upstream_truncated" in ask(app, mode="stream").data
    with ask(app, mode="stream") as response:
        assert any(b"Half" in part for part in response.response)
    assert [(end.text, end.outcome, end.code) for end in ends] == [
        ("Half", "error", "upstream_truncated"),
        ("Half", "disconnected", ""),
    ]
    assert all(end.usage.estimated for end in ends)


@pytest.mark.parametrize("mode", ["block", "stream"])
@pytest.mark.parametrize("hook", ["prepare", "before_model"])
def test_a_hook_refuses_a_chat_by_a_sentence_for_the_user(
    make_app: MakeApp, model: ScriptedModel, mode: str, hook: str
) -> None:
    app, sluice = make_app()

    def refuse(chat: Chat) -> Chat:
        raise Refused("Only questions about tea are answered.")

    async def refuse_on_loop(chat: Chat) -> None:
        refuse(chat)

    if hook == "prepare":
        sluice.prepare(refuse)
    else:
        sluice.before_model(refuse_on_loop)
    refused = ask(app, mode=mode)
    assert refused.status_code == 403
    assert refused.json is not None
    assert (refused.json["code"], refused.json["error"]) == ("refused", "Only questions about tea are answered.")
    assert model.exchanges == []


@pytest.mark.parametrize("hook", ["prepare", "before_model"])
def test_a_chat_that_a_hook_makes_anew_is_answered_in_the_form_that_was_asked_for(
    make_app: MakeApp, model: ScriptedModel, hook: str
) -> None:
    app, sluice = make_app()

    def remake(chat: Chat) -> Chat:
        return Chat([Message(role="user", content="Something else")], chat.model, chat.mode)

    async def remake_on_loop(chat: Chat) -> Chat:
        return remake(chat)

    if hook == "prepare":
        sluice.prepare(remake)
    else:
        sluice.before_model(remake_on_loop)
    model.enqueue(reply("Hello"))
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    answer = app.test_client().post("/assistant/v1/chat/completions", json=body).json
    assert answer is not None
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert model.exchanges[-1].body["messages"] == [{"role": "user", "content": "Something else"}]


def test_a_client_of_openais_api_is_refused_in_its_form_and_its_key_is_the_applications(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app()
    sluice.authorize(lambda: {"Bearer sk-ann": "ann"}.get(request.headers.get("Authorization", "")))
    app.secret_key = "a secret"
    client, body = app.test_client(), {"messages": [{"role": "user", "content": "Hi"}]}
    refused = client.post("/assistant/v1/chat/completions", json=body)
    assert refused.status_code == 401
    assert refused.json is not None
    assert refused.json["error"]["type"] == "authentication_error"
    model.enqueue(reply("Hello"))
    headers = {"Authorization": "Bearer sk-ann"}
    assert client.post("/assistant/v1/chat/completions", json=body, headers=headers).status_code == 200
    assert client.get("/assistant/v1/models", headers=headers).status_code == 200


def test_the_limit_for_the_first_token_holds_for_before_model(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app(SLUICE_FIRST_TOKEN_TIMEOUT=0.1, OPENAI_MAX_RETRIES=0)
    cancelled = threading.Event()

    @sluice.before_model
    async def wait(chat: Chat) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    refused = ask(app)
    assert refused.json is not None
    assert refused.json["code"] == "upstream_timeout"
    assert cancelled.wait(WITHIN)


@pytest.mark.parametrize("hook", ["prepare", "before_model", "on_end"])
def test_an_exception_in_a_hook_is_logged_and_not_shown(
    make_app: MakeApp, model: ScriptedModel, caplog: pytest.LogCaptureFixture, hook: str
) -> None:
    app, sluice = make_app()

    def fail(_: Any) -> Any:
        raise LookupError("a secret of the host")

    async def fail_on_loop(_: Any) -> Any:
        fail(_)

    getattr(sluice, hook)(fail_on_loop if hook == "before_model" else fail)
    model.enqueue(reply("Hello"))
    answer = ask(app)
    assert answer.status_code == (200 if hook == "on_end" else 500)
    assert "secret" not in answer.text
    assert "a secret of the host" in caplog.text
    hint = "Raised by the before_model function. It runs on the event loop, without request and"
    assert (hint in caplog.text) == (hook == "before_model")


def test_settings_in_the_configuration_of_the_application_come_before_the_environment(
    make_app: MakeApp, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_MAX_MESSAGE_CHARS", "5")
    monkeypatch.setenv("OPENAI_API_KEY_FILE", "/nowhere")
    app, _ = make_app(SLUICE_MAX_MESSAGE_CHARS=3, OPENAI_MODELS=["one", "two"], SLUICE_STARTERS=["Hello?"])
    assert ask(app, "Hello").status_code == 413
    config = app.test_client().get("/assistant/api/config").json
    assert config is not None
    assert config["max_message_chars"] == 3
    assert config["models"] == ["m", "one", "two"]
    assert config["starters"]["en"][0]["prompt"] == "Hello?"


def test_other_host_names_are_refused_only_where_the_application_lists_its_own(make_app: MakeApp) -> None:
    for config, status in (({}, 200), ({"SLUICE_ALLOWED_HOSTS": "chat.example.com"}, 421)):
        app, _ = make_app(**config)
        app.add_url_rule("/", view_func=lambda: "the host's own")
        client = app.test_client()
        assert client.get("/assistant/", base_url="http://another.example.com").status_code == status
        assert client.get("/assistant/", base_url="http://chat.example.com").status_code == 200
        assert client.get("/", base_url="http://another.example.com").status_code == 200


def test_a_chat_that_is_open_to_everybody_is_named_in_the_log_where_a_provider_is_paid(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    paid, _ = make_app()
    demo, _ = make_app(OPENAI_BASE_URL="", OPENAI_API_KEY="")
    asks, sluice = make_app()
    sluice.authorize(lambda: "ada")
    for app, is_named in ((paid, True), (demo, False), (asks, False)):
        caplog.clear()
        ExtensionState.of(app).log_warnings()
        assert ("no authorize function is set" in caplog.text) == is_named


def test_a_bad_setting_in_the_configuration_is_named(make_app: MakeApp) -> None:
    with pytest.raises(SettingsError, match="SLUICE_MAX_STREAMS is 'many'"):
        make_app(SLUICE_MAX_STREAMS="many")


def test_a_misspelt_setting_is_named_with_the_nearest_name(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLUICE_MAX_HISTORI", "3")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("OPENAI_MODEL_NAME=m\nDATABASE_HOST=of another program\n")
    app, _ = make_app(SLUICE_MAX_STREAM=3, OPENAI_ORGANIZATION="of another program")
    ExtensionState.of(app).log_warnings()
    assert "SLUICE_MAX_STREAM in app.config is no setting, and has no effect; did you mean SLUICE_MAX_STREAMS?" in (
        caplog.text
    )
    assert "SLUICE_MAX_HISTORI is no setting, and has no effect; did you mean SLUICE_MAX_HISTORY?" in caplog.text
    assert "OPENAI_MODEL_NAME in .env is no setting, and has no effect; did you mean OPENAI_MODEL" in caplog.text
    assert "OPENAI_ORGANIZATION" not in caplog.text
    assert "DATABASE_HOST" not in caplog.text


def test_the_configuration_of_the_page_names_no_model_where_the_application_chooses_it(make_app: MakeApp) -> None:
    app, sluice = make_app(OPENAI_MODELS=["one", "two"])
    client = app.test_client()
    before = client.get("/assistant/api/config").json
    sluice.prepare(lambda chat: chat.replace(model="chosen"))
    after = client.get("/assistant/api/config").json
    assert before is not None
    assert after is not None
    assert (before["model"], before["models"]) == ("m", ["m", "one", "two"])
    assert (after["model"], after["models"]) == ("", [])


def test_prepare_decides_what_of_a_system_prompt_and_a_temperature_reaches_the_model(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app(
        OPENAI_SYSTEM_PROMPT="Be brief.", SLUICE_ALLOW_SYSTEM_PROMPT="on", SLUICE_ALLOW_TEMPERATURE="on"
    )
    seen: list[Chat] = []

    @sluice.prepare
    def prepare(chat: Chat) -> Chat:
        seen.append(chat)
        return chat.replace(system=f"{chat.system}\n\nAnswer in French.", extra={})

    model.enqueue(reply("Bonjour"))
    body = {"message": "Hi", "system_prompt": "Be kind.", "temperature": 0.5}
    assert app.test_client().post("/assistant/api/chat", json=body).status_code == 200
    assert (seen[0].system, seen[0].extra) == ("Be brief.\n\nBe kind.", {"temperature": 0.5})
    assert model.exchanges[-1].body["messages"][0]["content"] == "Be brief.\n\nBe kind.\n\nAnswer in French."
    assert "temperature" not in model.exchanges[-1].body


def test_an_application_takes_the_extension_once_and_each_hook_once(make_app: MakeApp) -> None:
    app, sluice = make_app()
    with pytest.raises(RuntimeError, match="has Sluice already"):
        sluice.init_app(app)
    sluice.on_end(print)
    with pytest.raises(RuntimeError, match="on_end is set already"):
        sluice.on_end(print)
    with pytest.raises(ValueError, match="should begin with a slash"):
        Sluice(Flask("another"), url_prefix="assistant")


def test_close_lets_open_answers_end_and_ends_the_others_with_a_terminal_event(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app()
    gate = model.gate()
    model.enqueue([Headers(), *said("Hel"), gate, *said("lo"), *finished()], stalling_after("Half"))
    texts: dict[int, str] = {}
    readers = []
    for number in range(2):
        reader = threading.Thread(target=lambda number=number: texts.update({number: ask(app, mode="stream").text}))
        reader.start()
        readers.append(reader)
        model.wait_for_request(number + 1).wait_tokens(1)
    closing = threading.Thread(target=lambda: texts.update({2: str(sluice.close(app, drain=1.0))}))
    closing.start()
    gate.open()
    for thread in [*readers, closing]:
        thread.join(WITHIN)
    assert '"done": true' in texts[0]
    assert '"code": "shutting_down"' in texts[1]
    assert texts[2] == "True"
    assert sluice.close(app)
    refused = ask(app).json
    assert refused is not None
    assert refused["code"] == "shutting_down"


async def rows() -> AsyncIterator[dict[str, Any]]:
    for number in range(2):
        yield {"number": number, "text": "a\nb"}


def test_a_source_of_the_application_is_streamed_as_events(make_app: MakeApp) -> None:
    app, sluice = make_app(SLUICE_MAX_STREAMS=1)

    @app.post("/rows")
    def stream_rows() -> Response:
        return sluice.stream(rows())

    @app.post("/lines")
    def stream_lines() -> Response:
        return sluice.stream(rows(), encode=lambda row: row["text"])

    client = app.test_client()
    response = client.post("/rows")
    assert response.mimetype == "text/event-stream"
    assert response.text == (
        f": ok\n\nid: 1\ndata: {json.dumps({'number': 0, 'text': 'a' + chr(10) + 'b'})}\n\n"
        f"id: 2\ndata: {json.dumps({'number': 1, 'text': 'a' + chr(10) + 'b'})}\n\nevent: done\nid: 3\ndata: {{}}\n\n"
    )
    assert "id: 1\ndata: a\ndata: b\n\n" in client.post("/lines").text


def test_a_stream_of_the_application_ends_with_an_error_and_keeps_the_limits(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app, sluice = make_app(SLUICE_MAX_STREAMS=1, SLUICE_TOTAL_TIMEOUT=0.2, SLUICE_HEARTBEAT_INTERVAL=0.05)
    closed = threading.Event()

    async def broken() -> AsyncIterator[int]:
        yield 1
        raise LookupError("a secret of the host")

    async def endless() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.set()

    app.add_url_rule("/broken", "broken", view_func=lambda: sluice.stream(broken()))
    app.add_url_rule("/endless", "endless", view_func=lambda: sluice.stream(endless()))
    client = app.test_client()
    text = client.get("/broken").text
    assert "data: 1\n" in text
    assert 'event: error\nid: 2\ndata: {"success": false' in text
    assert "secret" not in text
    assert "a secret of the host" in caplog.text
    first = client.get("/endless")
    assert next(iter(first.response)) == b": ok\n\n"
    refused = client.get("/endless")
    assert refused.status_code == 503
    assert refused.json is not None
    assert refused.json["code"] == "overloaded"
    body = first.text
    assert ":\n\n" in body
    assert '"code": "upstream_timeout"' in body
    first.close()
    assert closed.wait(WITHIN)
    with pytest.raises(TypeError, match="should be an asynchronous iterable"):
        sluice.stream([1, 2])  # type: ignore[arg-type]
