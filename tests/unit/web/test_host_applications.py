"""Sluice in applications that have hooks, names, modes and tests of their own, and in many of them in one process."""

from __future__ import annotations

import gc
import gzip
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, render_template, request
from werkzeug.debug import DebuggedApplication
from werkzeug.exceptions import (
    BadRequest,
    Forbidden,
    InternalServerError,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Response as BaseResponse

from sluice import Chat, RunEnd, Sluice
from sluice.web.extension_state import ExtensionState
from tests.support.polling import wait_until
from tools.common.model_scripts import finished, reply, said
from tools.common.scripted_model import ScriptedModel

WITHIN = 5.0
MakeHost = Callable[..., Flask]
CHAT = "/assistant/api/chat"


def configured(app: Flask, model: ScriptedModel) -> Flask:
    app.config.update({"OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": "m", "OPENAI_API_KEY": "k"})
    return app


@pytest.fixture
def make_host(model: ScriptedModel) -> Iterator[MakeHost]:
    """Return a function that makes an application without Sluice, which it may get; it is closed after the test."""
    made: list[Flask] = []

    def make(name: str = "host", **options: Any) -> Flask:
        made.append(configured(Flask(name, **options), model))
        return made[-1]

    yield make
    for app in made:
        if ExtensionState.is_in(app):
            assert ExtensionState.of(app).close()


def ask(app: Flask, mode: str = "block", path: str = CHAT) -> TestResponse:
    return app.test_client().post(path, json={"message": "Hi", "interaction_mode": mode})


# ---------------------------------------------------------------------------------- functions after a request


def read_body(response: Response) -> Response:
    assert response.get_data()
    return response


def read_property(response: Response) -> Response:
    assert response.data
    return response


def tag(response: Response) -> Response:
    response.add_etag()
    return response.make_conditional(request)


def replace_text(response: Response) -> Response:
    response.set_data(response.get_data().replace(b"Hel", b"HEL"))
    return response


def freeze(response: Response) -> Response:
    response.freeze()
    return response


def compress(response: Response) -> Response:
    # As Flask-Compress does with streams.
    response.direct_passthrough = False
    items: Iterable[bytes] = response.response  # type: ignore[assignment]
    response.response = (gzip.compress(item) for item in items)
    response.headers.pop("Content-Length", None)
    response.headers["Content-Encoding"] = "gzip"
    return response


@pytest.mark.parametrize("mode", ["block", "stream"])
@pytest.mark.parametrize("hook", [read_body, read_property, tag, replace_text, freeze, compress])
def test_answers_reach_the_client_through_functions_that_read_or_replace_every_body(
    make_host: MakeHost, model: ScriptedModel, hook: Callable[[Response], Response], mode: str
) -> None:
    app = make_host()
    app.after_request(hook)
    ends: list[RunEnd] = []
    Sluice(app).on_end(ends.append)
    model.enqueue(reply("Hel", "lo"))
    with ask(app, mode) as response:
        body = gzip.decompress(response.data) if hook is compress else response.data
    assert response.status_code == 200
    assert (b"HEL" if hook is replace_text else b"Hel") in body
    assert (b'"done": true' in body) == (mode == "stream")
    assert [(end.text, end.outcome) for end in ends] == [("Hello", "done")]
    assert ExtensionState.of(app).service.limiter.in_use == 0
    page = app.test_client().get("/assistant/")
    assert page.status_code == 200


class OwnResponse(Response):
    default_mimetype = "application/json"


class OtherResponse(BaseResponse):
    """Not of Flask's class."""


def convert(response: Response) -> Response:
    """Do what Flask does with a response of another class."""
    return OwnResponse.force_type(response, request.environ)


@pytest.mark.parametrize("mode", ["block", "stream"])
@pytest.mark.parametrize("hook", [None, read_body, tag, compress, convert])
@pytest.mark.parametrize("own_class", [OwnResponse, OtherResponse])
def test_an_application_with_its_own_class_of_responses_streams_and_each_run_ends_once(
    make_host: MakeHost, model: ScriptedModel, own_class: type[Any], hook: Any, mode: str
) -> None:
    app = make_host()
    app.response_class = own_class
    if hook is not None:
        app.after_request(hook)
    ends: list[RunEnd] = []
    Sluice(app).on_end(ends.append)
    model.enqueue(reply("Hello"), [*said("Half"), model.gate()])
    with ask(app, mode) as response:
        body = gzip.decompress(response.data) if hook is compress else response.data
    assert (response.status_code, b"Hello" in body) == (200, True)
    if mode == "stream" and hook in (None, convert):
        with ask(app, mode) as response:
            assert any(b"Half" in part for part in response.response)
    assert [end.outcome for end in ends] == ["done", "disconnected"][: len(ends)]
    assert len(model.exchanges) == len(ends)
    assert ExtensionState.of(app).service.limiter.in_use == 0
    model.clear()


@pytest.mark.parametrize(
    ("error", "status", "code", "sentence"),
    [
        (BadRequest("The token is missing."), 400, "invalid_request", "The token is missing."),
        (Unauthorized(), 401, "sign_in_required", "Please sign in."),
        (Forbidden(), 403, "forbidden", "You are not allowed to use this chat."),
        (TooManyRequests("Ten a minute.", retry_after=7), 429, "rate_limited", "Ten a minute."),
        (TooManyRequests(), 429, "rate_limited", "You have sent too many requests. Please try again in a moment."),
        (ServiceUnavailable("Back at nine.", retry_after=7), 503, "overloaded", "Back at nine."),
        (ServiceUnavailable(), 503, "overloaded", "The server is busy. Please try again in a moment."),
        (InternalServerError("a secret"), 500, "internal", "Something went wrong on the server."),
        (LookupError("a secret"), 500, "internal", "Something went wrong on the server."),
    ],
    ids=repr,
)
def test_what_the_host_raises_before_a_request_is_json_with_its_status_and_an_id(
    make_host: MakeHost, error: Exception, status: int, code: str, sentence: str
) -> None:
    app = make_host()

    @app.before_request
    def check() -> None:
        raise error

    Sluice(app)
    refused = ask(app, "stream")
    assert refused.status_code == status
    assert refused.json is not None
    assert (refused.json["code"], refused.json["error"]) == (code, sentence)
    assert len(refused.headers["X-Request-Id"]) == 32
    assert refused.json.get("request_id", refused.headers["X-Request-Id"]) == refused.headers["X-Request-Id"]
    if getattr(error, "retry_after", None):
        assert refused.headers["Retry-After"] == "7"


def test_a_function_before_every_request_comes_before_the_chat(make_host: MakeHost, model: ScriptedModel) -> None:
    app = make_host()
    app.before_request(lambda: ("maintenance", 503))
    Sluice(app)
    assert (ask(app).status_code, ask(app).text) == (503, "maintenance")
    assert model.exchanges == []


# ---------------------------------------------------------------------------------- names


def test_blueprints_of_the_host_may_have_the_names_of_sluices_parts(make_host: MakeHost) -> None:
    app = make_host()
    names = ("chat", "page", "assets", "configuration", "openapi", "operations")
    for name in names:
        own = Blueprint(name, __name__)
        own.add_url_rule(f"/{name}", "index", lambda name=name: f"the host's {name}")
        own.register_error_handler(500, lambda error: ("the host's 500", 500))
        app.register_blueprint(own)
    Sluice(app)
    client = app.test_client()
    assert [client.get(f"/{name}").text for name in names] == [f"the host's {name}" for name in names]
    assert ask(app).status_code == 200
    assert client.get("/assistant/").status_code == 200


def test_templates_of_the_host_stay_its_own(make_host: MakeHost, tmp_path: Path) -> None:
    for name in ("index.html", "page.html", "layout.html"):
        (tmp_path / name).write_text(f"the host's {name}")
    app = make_host(template_folder=str(tmp_path))
    app.add_url_rule("/<name>", "show", lambda name: render_template(name))
    Sluice(app)
    for name in ("index.html", "page.html", "layout.html"):
        assert app.test_client().get(f"/{name}").text == f"the host's {name}"
    assert "the host's" not in app.test_client().get("/assistant/").text


def test_commands_of_the_host_stay_its_own(make_host: MakeHost) -> None:
    app = make_host()
    app.cli.command("sluice")(lambda: print("the host's own command"))
    Sluice(app)
    assert app.test_cli_runner().invoke(args=["sluice"]).output == "the host's own command\n"
    other = make_host("other")
    Sluice(other)
    assert "config" in other.test_cli_runner().invoke(args=["sluice", "--help"]).output


def test_the_chat_at_the_root_hides_no_file_or_route_of_the_host(make_host: MakeHost, tmp_path: Path) -> None:
    (tmp_path / "static" / "js").mkdir(parents=True)
    for name in ("main.js", "js/main.js"):
        (tmp_path / "static" / name).write_text("the host's")
    answers = []
    for has_sluice in (False, True):
        app = make_host(root_path=str(tmp_path))
        app.add_url_rule("/", "index", lambda: "the host's page")
        app.add_url_rule("/healthz", "healthz", lambda: "the host's own check")
        if has_sluice:
            Sluice(app, url_prefix="/", operations=True)
        found = []
        for path in (
            "/",
            "/healthz",
            "/static/main.js",
            "/static/js/main.js",
            "/static/js/none.js",
            "/static/",
            "/none",
        ):
            with app.test_client().get(path) as response:
                headers = [header for header in response.headers if header[0] != "Date"]
                found.append((path, response.status, headers, response.data))
        answers.append(found)
    assert answers[0] == answers[1]
    assert ask(app, path="/api/chat").status_code == 200


@pytest.mark.parametrize(
    ("prepare", "options", "error", "sentence"),
    [
        (lambda app: app.register_blueprint(Blueprint("sluice", __name__)), {}, RuntimeError, "blueprint 'sluice'"),
        (lambda app: app.test_client().get("/"), {}, AssertionError, "first request"),
        (lambda app: None, {"host_matching": True, "static_host": "a.example"}, ValueError, "has host_matching"),
    ],
    ids=["name", "late", "host_matching"],
)
def test_an_application_that_cannot_take_sluice_is_told_so_and_stays_as_it_was(
    make_host: MakeHost, prepare: Callable[[Flask], Any], options: Any, error: type[Exception], sentence: str
) -> None:
    app = make_host(**options)
    prepare(app)
    rules, blueprints = [*map(repr, app.url_map.iter_rules())], dict(app.blueprints)
    with pytest.raises(error, match=sentence):
        Sluice(app)
    assert [*map(repr, app.url_map.iter_rules())] == rules
    assert app.blueprints == blueprints
    assert app.extensions == {}
    assert app.wsgi_app == app.__class__.wsgi_app.__get__(app)


@pytest.mark.parametrize("first", [True, False])
def test_a_route_that_hides_one_of_sluices_is_named_in_the_log(
    make_host: MakeHost, caplog: pytest.LogCaptureFixture, first: bool
) -> None:
    app = make_host()
    if first:
        Sluice(app)
    app.add_url_rule("/assistant/", "mine", lambda: "mine")
    app.add_url_rule("/<path:path>", "everything_else", lambda path: "else")
    app.add_url_rule(CHAT, "only_get", lambda: "get")
    if not first:
        Sluice(app)
    ExtensionState.of(app).log_warnings()
    warnings = [record.message for record in caplog.records if "of its own" in record.message]
    assert len(warnings) == 1
    assert "route of its own for /assistant/ (mine)" in warnings[0]


@pytest.mark.parametrize("in_file", [True, False])
def test_variables_of_the_host_do_not_keep_it_from_starting(
    make_host: MakeHost,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    in_file: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    own = {"PORT": "tcp://10.0.0.1:80", "HOST": "not a host", "WEB_CONCURRENCY": "auto", "DATABASE_URL": "x"}
    if in_file:
        lines = [f"{name}={value}" for name, value in own.items()]
        Path(".env").write_text("\n".join([*lines, "export FOO", "SLUICE_MAX_MESSAGE_CHARS=1"]))
    else:
        for name, value in own.items():
            monkeypatch.setenv(name, value)
    app = make_host()
    Sluice(app)
    ExtensionState.of(app).log_warnings()
    assert ask(app).status_code == (413 if in_file else 200)
    assert ("/.env, line 5, has no `=`" in caplog.text) == in_file


# ---------------------------------------------------------------------------------- modes


@pytest.mark.parametrize("mode", ["block", "stream"])
@pytest.mark.parametrize("flag", ["TESTING", "DEBUG", "PROPAGATE_EXCEPTIONS", "TRAP_BAD_REQUEST_ERRORS"])
def test_answers_and_errors_are_the_same_in_modes_for_developers(
    make_host: MakeHost, model: ScriptedModel, flag: str, mode: str
) -> None:
    app = make_host()
    app.config[flag] = True
    sluice = Sluice(app)
    model.enqueue(reply("Hello"))
    assert "Hello" in ask(app, mode).text
    refused = app.test_client().post(CHAT, data="{", content_type="application/json")
    assert (refused.status_code, refused.is_json) == (400, True)
    assert app.test_client().get(CHAT).status_code == 405

    @sluice.prepare
    def fail(chat: Chat) -> Chat:
        raise LookupError("a secret of the host")

    failed = ask(app, mode)
    assert (failed.status_code, failed.is_json) == (500, True)
    assert "secret" not in failed.text


@pytest.fixture(scope="module")
def debugger() -> DebuggedApplication:
    """The debugger of `flask run --debug`. The memory that it shares between processes stays open."""
    return DebuggedApplication(Flask("none"), evalex=True)


def test_tokens_pass_one_by_one_through_the_debugger_and_a_disconnect_ends_the_answer(
    make_host: MakeHost, model: ScriptedModel, debugger: DebuggedApplication
) -> None:
    app = make_host()
    ends: list[RunEnd] = []
    Sluice(app).on_end(ends.append)
    debugger.app = app
    client = Client(debugger)
    gate = model.gate()
    model.enqueue([*said("Hel"), gate, *said("lo"), *finished()])
    response = client.post(CHAT, json={"message": "Hi", "interaction_mode": "stream"})
    parts = iter(response.response)
    assert any(b"Hel" in part for part in parts)
    gate.open()
    assert b"lo" in b"".join(parts)
    response.close()
    model.enqueue([*said("Half"), model.gate()])
    response = client.post(CHAT, json={"message": "Hi", "interaction_mode": "stream"})
    assert any(b"Half" in part for part in response.response)
    response.close()
    assert [end.outcome for end in ends] == ["done", "disconnected"]


@pytest.mark.parametrize("config", [{}, {"APPLICATION_ROOT": "/site"}])
def test_all_addresses_hold_below_the_path_of_the_application(make_host: MakeHost, config: dict[str, str]) -> None:
    app = make_host()
    app.config.update(config)
    Sluice(app)
    client = Client(DispatcherMiddleware(Flask("none"), {"/site": app}))
    moved = client.get("/site/assistant?x=1")
    assert (moved.status_code, moved.headers["Location"]) == (308, "./assistant/?x=1")
    assert client.get("/site/assistant/").status_code == 200
    (server,) = client.get("/site/assistant/openapi.json").get_json()["servers"]
    assert server == {"url": "/site/assistant"}
    assert client.post(f"/site{CHAT}", json={"message": "Hi"}).status_code == 200


# ---------------------------------------------------------------------------------- many applications


def test_two_applications_of_one_extension_have_settings_and_limits_of_their_own(
    make_host: MakeHost, model: ScriptedModel
) -> None:
    small, large = make_host("small"), make_host("large")
    small.config["SLUICE_MAX_STREAMS"] = 1
    large.config["SLUICE_MAX_MESSAGE_CHARS"] = 1
    sluice = Sluice()
    sluice.init_app(small)
    sluice.init_app(large, url_prefix="/chat")
    model.enqueue([*said("Half"), model.gate()])
    held = ask(small, "stream")
    assert any(b"Half" in part for part in held.response)
    assert ask(small).status_code == 503
    assert ask(large, path="/chat/api/chat").status_code == 413
    held.close()
    assert ask(small).status_code == 200
    assert ExtensionState.of(small).close()
    large.config["SLUICE_MAX_MESSAGE_CHARS"] = 10  # read once
    assert ask(large, path="/chat/api/chat").status_code == 413


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.filterwarnings("error")
def test_applications_of_a_factory_that_are_dropped_leave_no_thread_descriptor_connection_or_object(
    model: ScriptedModel,
) -> None:
    sluice = Sluice()

    def use(mode: str) -> list[weakref.ref[Any]]:
        app = configured(Flask("host"), model)
        sluice.init_app(app)
        if mode:
            assert ask(app, mode).data
        state = ExtensionState.of(app)
        return [weakref.ref(each) for each in (app, state, state.service, state.service.loop)]

    threads, before = threading.active_count(), descriptors()
    dropped = [ref for mode in ("", "block", "stream") * 4 for ref in use(mode)]
    gc.collect()
    wait_until(lambda: threading.active_count() == threads, WITHIN, pause=0.01)
    model.wait_no_connections(WITHIN)
    gc.collect()
    assert [ref() for ref in dropped if ref() is not None] == []
    assert descriptors() == before
