"""What the worker knows of a request's route before a thread is used."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from sluice import Sluice, create_app
from sluice.web.extension_state import ExtensionState
from sluice.web.intake.json_body_routes import JsonBodyRoutes


@pytest.fixture
def host() -> Iterator[Flask]:
    """An application with the chat below `/assistant`, and a route of its own that reads JSON."""
    app = Flask("host")
    Sluice(app)
    app.add_url_rule("/api/chat", "own", lambda: "", methods=["POST"])
    yield app
    ExtensionState.of(app).close()


@pytest.fixture
def own() -> Iterator[Flask]:
    """Sluice's own application."""
    app = create_app()
    yield app
    ExtensionState.of(app).close()


def test_the_chat_is_known_by_its_route_in_any_application(own: Flask, host: Flask) -> None:
    for app, chat, others in (
        (own, "/api/chat", ["/api/chats", "/", "/healthz"]),
        (host, "/assistant/api/chat", ["/api/chat", "/assistant/"]),
    ):
        routes = JsonBodyRoutes(app)
        assert routes.is_chat("POST", chat)
        assert routes.is_chat("POST", chat.replace("chat", "ch%61t"))
        assert not routes.is_chat("GET", chat)
        assert not any(routes.is_chat("POST", path) for path in others)


def test_all_routes_that_begin_an_answer_are_known_and_those_of_openais_api(own: Flask) -> None:
    routes = JsonBodyRoutes(own)
    for path in ("/v1/chat/completions", "/api/ai-sdk"):
        assert routes.is_chat("POST", path)
    assert routes.is_openai("GET", "/v1/models")
    assert not routes.is_openai("POST", "/api/chat")


def test_json_is_expected_by_every_route_that_takes_it_and_by_unknown_ones(host: Flask) -> None:
    routes = JsonBodyRoutes(host)
    assert routes.expects_json("POST", "/api/chat", "application/json; charset=utf-8")
    assert not routes.expects_json("POST", "/api/chat", "text/plain")
    assert not routes.expects_json("POST", "/nowhere", "application/json")
    behind = JsonBodyRoutes(ProxyFix(host.wsgi_app))
    assert behind.expects_json("POST", "/nowhere", "application/json")
    assert not behind.is_chat("POST", "/assistant/api/chat")
