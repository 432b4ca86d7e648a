"""`POST /api/chat?doctor` and `/api/doctor`: paced streams for those who may chat, few at once, each with an end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from sluice import Sluice
from sluice.web.api.doctor import MOST_STREAMS
from sluice.web.extension_state import ExtensionState
from tools.common.scripted_model import ScriptedModel, reply

MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(model: ScriptedModel) -> Iterator[MakeApp]:
    """Return a function that makes an application with the extension, whose users name themselves by a header."""
    made: list[Flask] = []

    def make(**config: Any) -> Flask:
        app = Flask("host")
        app.secret_key = "of the tests"
        app.config.update({"OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": "m", "OPENAI_API_KEY": "k"})
        app.config.update({"SLUICE_STORE": "memory:", **config})
        made.append(app)
        Sluice(app, url_prefix="/")
        return app

    yield make
    for app in made:
        assert ExtensionState.of(app).close()


def ask(app: Flask, **body: Any) -> TestResponse:
    return app.test_client().post("/api/chat?doctor", json=body)


def events(answer: TestResponse) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


def test_a_paced_stream_asks_no_model_and_is_remembered(make_app: MakeApp, model: ScriptedModel) -> None:
    app = make_app()
    answer = ask(app, ticks=3, pause=0)
    first, *ticks, end = events(answer)
    assert (ticks, end) == ([{"tick": 0}, {"tick": 1}, {"tick": 2}], {})
    assert first["protocol"] == "HTTP/1.1"
    told = app.test_client().get(f"/api/doctor/{first['stream']}").json
    assert told == {"open": False, "noticed_seconds_ago": None}
    assert app.test_client().get("/api/doctor/another").status_code == 404
    assert model.exchanges == []


def test_a_chat_without_that_query_is_a_chat(make_app: MakeApp, model: ScriptedModel) -> None:
    model.enqueue(reply("Hello"))
    answer = make_app().test_client().post("/api/chat?x=doctor", json={"message": "Hi", "interaction_mode": "block"})
    assert answer.json is not None
    assert answer.json["message"] == "Hello"


@pytest.mark.parametrize(
    "body",
    [{"ticks": 51}, {"ticks": 0}, {"pause": 1.5}, {"pause": -1}, {"silence": 121}, {"ticks": "3"}, {"other": 1}],
)
def test_a_stream_without_bounds_is_refused(make_app: MakeApp, body: dict[str, Any]) -> None:
    answer = ask(make_app(), **body)
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["code"] == "invalid_request"


def test_streams_beyond_the_most_are_refused_and_an_end_makes_room(make_app: MakeApp) -> None:
    app = make_app()
    open_ones = [ask(app, ticks=1, pause=1, silence=100) for _ in range(MOST_STREAMS)]
    refused = ask(app)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    open_ones[0].close()
    assert ask(app, ticks=1, pause=0).status_code == 200
    for each in open_ones:
        each.close()


def test_visitors_whom_the_application_refuses_learn_nothing(make_app: MakeApp) -> None:
    app = make_app()
    app.extensions["sluice"].hooks.authorize = lambda: None
    client = app.test_client()
    answers = [client.get("/api/doctor"), client.get("/api/doctor/x"), ask(app)]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    app.extensions["sluice"].hooks.authorize = lambda: "ada"
    assert client.get("/api/doctor").status_code == 200


def test_the_setting_switches_all_of_it_off(make_app: MakeApp) -> None:
    app = make_app(SLUICE_DOCTOR=False)
    client = app.test_client()
    answers = [client.get("/api/doctor"), client.get("/api/doctor/x"), ask(app)]
    assert [answer.status_code for answer in answers] == [404, 404, 404]


def test_a_page_of_another_site_gets_no_stream(make_app: MakeApp) -> None:
    answer = make_app().test_client().post("/api/chat?doctor", json={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
